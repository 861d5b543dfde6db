"""Makes the data folder of a box that has been in use for five years, through the store's code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from unittest.mock import patch

from schemas.base import Role
from session_controller.audit.events import DeliveryChanged, DevicePaired
from session_controller.storage.deliveries import DeliveryStatus, queued
from session_controller.storage.entities import GUEST, Device, LoggedBoxEvent
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction

from . import box
from .templates import Template, Written, play_templates

YEARS = timedelta(days=5 * 365)
DESTINATION = "archive"
_SCREENS = 5
"""Enrolled front-desk screens, and as many kiosks."""
_OPEN, _NOT_CLEARED, _REFUSED = 4, 2, 3
"""The newest sessions: still open; just ended; not accepted by their destination."""
_RETAINED = timedelta(hours=1)
_CACHE_PAGES = 50_000
_CHECKPOINT_EVERY = 500


@dataclass(frozen=True, slots=True)
class _Plan:
    """A session to be written."""

    number: int
    name: str
    opened_at: datetime
    template: Template
    guest: str | None
    entries: int | None
    """How many of the template's events have happened, or None for all."""
    delivered: bool
    cleared: bool

    @property
    def patient(self) -> str:
        return self.guest or f"kiosk-{self.number % _SCREENS + 1}"

    def names(self, files: dict[str, str]) -> dict[str, str]:
        """Return the new names of what the template contains, and of its files."""
        state = self.template.state
        staff = f"desk-{self.number % _SCREENS + 1}"
        return {
            state.session: self.name,
            self.template.staff: staff,
            self.template.patient: self.patient,
            **files,
        }


def make_folder(data: Path, sessions: int, templates: Sequence[Template] = ()) -> None:
    """Make a data folder with so many sessions, spread over the five years before now.

    Half of the patients used their own phone. All but a few of the newest sessions are completed,
    delivered and cleared. `templates`: sessions to copy; played on a real box if there are none.
    """
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    _make_empty(draft)
    if sessions:
        _fill(draft, sessions, templates or play_templates())
    draft.rename(data)


def _make_empty(data: Path) -> None:
    """Make the folder by starting a box once, with a destination for completed sessions."""
    data.mkdir(parents=True, mode=0o700)
    (data / "delivered").mkdir()
    with box.serving(data, 60.0):
        box.run("deliver", "add", DESTINATION, "--folder", data / "delivered", data=data)
    data.with_name(f"{data.name}.log").unlink()


def _fill(data: Path, sessions: int, templates: Sequence[Template]) -> None:
    # Nothing of it is worth a sync: a folder that is not whole is not renamed.
    with closing(Store(data)) as store, patch("os.fsync", new=lambda _: None):
        store._db.execute("PRAGMA synchronous=OFF")  # noqa: SLF001
        store._db.execute(f"PRAGMA cache_size={_CACHE_PAGES}")  # noqa: SLF001
        _enrol(store)
        for plan in _plans(sessions, templates):
            _write(store, plan)
            if plan.number % _CHECKPOINT_EVERY == 0:
                store.checkpoint()


def _enrol(store: Store) -> None:
    at = datetime.now(UTC) - YEARS
    devices = [
        Device(f"{name}-{n}", f"{name} {n}", role, at, secret_sha256="0" * 64, online=True)
        for name, role in (("desk", Role.FACILITY), ("kiosk", Role.PATIENT))
        for n in range(1, _SCREENS + 1)
    ]
    _commit(store, Transaction(devices={device.device: device for device in devices}))


def _plans(sessions: int, templates: Sequence[Template]) -> Iterator[_Plan]:
    rng, now = Random(sessions), datetime.now(UTC).replace(microsecond=0)  # noqa: S311
    for number in range(sessions):
        left = sessions - number
        is_open = left <= _OPEN
        template = templates[number % len(templates)]
        age = YEARS * ((left - 0.5) / sessions) + _RETAINED * 2
        if left <= _OPEN + _NOT_CLEARED:
            age = _RETAINED / 4
        yield _Plan(
            number,
            f"s-{rng.getrandbits(48):012x}",
            now - age,
            template,
            guest=f"guest-{rng.getrandbits(48):012x}" if number % 2 else None,
            entries=len(template.events) // 2 if is_open else None,
            delivered=not 0 <= left - _OPEN - _NOT_CLEARED - 1 < _REFUSED,
            cleared=left > _OPEN + _NOT_CLEARED,
        )


def _write(store: Store, plan: _Plan) -> None:
    """Write a session as a box does: it is opened, has documents, and comes to its end."""
    first = plan.template.again(plan.opened_at, plan.names({}), entries=1)
    opened = Transaction(events=first.events, states={plan.name: first.state})
    if plan.guest is not None:
        _let_in(opened, plan, plan.guest)
    _commit(store, opened)
    cipher = store.cipher(plan.name)
    files = {}
    for file in plan.template.files(plan.entries):
        upload, document = plan.template.documents[file]
        files[file] = store.document_store.put((plan.name, upload), cipher, document)
    whole = plan.template.again(plan.opened_at, plan.names(files), plan.entries)
    rest = Transaction(events=whole.events[1:], states={plan.name: whole.state})
    if plan.entries is None:
        _end(rest, plan, whole)
    _commit(store, rest)
    store.sign_head(whole.state.updated_at)


def _let_in(opened: Transaction, plan: _Plan, guest: str) -> None:
    at = plan.opened_at
    revoked = at + timedelta(minutes=10) if plan.entries is None else None
    opened.devices[guest] = Device(
        guest, GUEST, Role.PATIENT, at, "0" * 64, revoked_at=revoked, guest_of=plan.name
    )
    paired = DevicePaired(subject=guest, role=Role.PATIENT)
    opened.box_events.append(LoggedBoxEvent(at, paired, session=plan.name))


def _end(rest: Transaction, plan: _Plan, whole: Written) -> None:
    at = whole.state.updated_at
    delivery = queued(plan.name, DESTINATION, at)
    status = DeliveryStatus.DELIVERED if plan.delivered else DeliveryStatus.REFUSED
    act = DeliveryChanged(
        destination=DESTINATION,
        status="delivered" if plan.delivered else "refused",
        sha256="0" * 64,
    )
    rest.queued.append(delivery)
    rest.deliveries.append(replace(delivery, status=status, attempts=1, sha256=act.sha256))
    rest.box_events.append(LoggedBoxEvent(at, act, session=plan.name))
    if plan.cleared:
        rest.cleared[plan.name] = at + _RETAINED


def _commit(store: Store, transaction: Transaction) -> None:
    store.write(transaction)
    store.sync(transaction)
