"""Staff and patients at work through all faults: SDK clients that never stop, and a history."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from clients import AdminClient, Backoff, Credential, FacilityClient, NetworkLoop, PatientClient
from clients.sdk.errors import Refused as RefusedByBox
from schemas.base import Role
from schemas.wire.views import FacilityView, PatientView
from tests.waiting import wait_until

from .history import History, Told

FLOW = Path(__file__).parents[2] / "flows" / "quick-check-in.json"
STEPS = ("you", "changes", "agreement")
_IN_FLIGHT = 3
Choose = Callable[[], Future[Any]]


def quick() -> Backoff:
    """Come back soon: what is tested is whether, not when."""
    return Backoff(first=0.05, longest=0.3)


def admin_of(data: Path, url: str, *, slot: int = 1, site: str = "main") -> AdminClient:
    """Return facility IT's device of a data folder."""
    secret = json.loads((data / "admin.json").read_text())[f"admin-{slot}"]
    credential = Credential(site, f"admin-{slot}", Role.ADMIN, secret)
    return AdminClient(url, credential, backoff=quick())


class Couple:
    """One session: its staff and its patient, each with a few commands on the way."""

    def __init__(
        self, crew: "Crew", number: int, session: str, staff: FacilityClient, patient: PatientClient
    ) -> None:
        self.session = session
        self.staff = staff
        self.patient = patient
        self._crew = crew
        self._rng = Random(number)
        self._count = 0

    def begin(self) -> None:
        """Send the first commands; each answer brings the next."""
        for _ in range(_IN_FLIGHT):
            self._act(self._staff_acts)
            self._act(self._patient_acts)

    def say_a_last_word(self) -> None:
        """Send one more command each: it is decided on a connection that outlived every fault."""
        self.staff.highlight_field(self.session, None)
        self.patient.ask_for_help(self.session)

    def _act(self, choose: Choose) -> None:
        if self._crew.loop.inside:
            self._crew.loop.later(self._crew.pace_s, lambda: self._go_on(choose))
        else:
            self._go_on(choose)

    def _go_on(self, choose: Choose) -> None:
        if self._crew.working.is_set():
            pending: Future[Any] = choose()
            pending.add_done_callback(lambda done: self._done(done, choose))

    def _done(self, done: Future[Any], choose: Choose) -> None:
        self._crew.decided_at.append(time.monotonic())
        done.exception()
        self._act(choose)

    def _staff_acts(self) -> Future[Any]:
        act = self._rng.randrange(6)
        if act < 2:
            step = self._rng.choice(STEPS[:2])
            return self.staff.navigate(self.session, step)
        if act == 2:
            return self.staff.highlight_field(self.session, None)
        if act == 3:
            return self.staff.answer_help(self.session)
        if act == 4:
            return self.staff.cover_screen(self.session, covered=self._rng.random() < 0.5)
        return self.staff.navigate(self.session, "nowhere")

    def _patient_acts(self) -> Future[Any]:
        self._count += 1
        act = self._rng.randrange(7)
        if act == 0:
            return self.patient.clear_field(self.session, "last-name")
        if act == 1:
            return self.patient.ask_for_help(self.session)
        field_id, value = (
            ("last-name", f"Ada {self._count}"),
            ("birth-date", "1990-02-01"),
            ("anything-changed", True),
            ("what-changed", f"Moved {self._count}"),
            ("no-such-field", 1),
        )[act - 2]
        pending = self.patient.enter_field(self.session, field_id, value)
        pending.add_done_callback(lambda done: self._note(field_id, value, done))
        return pending

    def _note(self, field_id: str, value: object, done: Future[PatientView]) -> None:
        """Note what the patient's screen was told of an entry."""
        error, device = done.exception(), self.patient.credential.device
        told: tuple[str | None, int]
        if error is None:
            told = None, done.result().epoch
        elif isinstance(error, RefusedByBox):
            told = error.code, 0
        else:
            return  # the client was closed
        self._crew.history.note(Told(self.session, device, field_id, value, *told))

    def agrees(self) -> bool:
        """Return whether both screens show the same revision, and nothing is in flight."""
        staff, patient = self.staff.view(self.session), self.patient.view(self.session)
        return (
            staff is not None
            and patient is not None
            and (staff.epoch, staff.revision) == (patient.epoch, patient.revision)
            and staff.step_id == patient.step_id
            and all(p.online for p in staff.participants.values())
        )


class Crew:
    """Everyone who works with a box; they survive it."""

    def __init__(self, pace_s: float = 0.01) -> None:
        self.history = History()
        self.loop = NetworkLoop()
        self.couples: list[Couple] = []
        self.working = threading.Event()
        self.decided_at: list[float] = []
        self.pace_s = pace_s
        self.backoff: Callable[[], Backoff] = quick

    def hire(
        self, data: Path, url: str, count: int, *, through: str | None = None, keepalive: int = 30
    ) -> None:
        """Enrol screens, open sessions and connect; `through` is how the screens reach the box."""
        with admin_of(data, url) as admin:
            admin.add_flow(json.loads(FLOW.read_bytes()))
            for number in range(count):
                staff = self._enrol(admin, f"desk-{number}", Role.FACILITY)
                patient = self._enrol(admin, f"kiosk-{number}", Role.PATIENT)
                opened = admin.open_session_for(
                    staff.device, "quick-check-in", patient_device=patient.device
                )
                at = through or url
                options: Any = {"loop": self.loop, "keepalive": keepalive}
                self._join(
                    opened.session,
                    FacilityClient(at, staff, backoff=self.backoff(), **options),
                    PatientClient(at, patient, backoff=self.backoff(), **options),
                )

    def _enrol(self, admin: AdminClient, name: str, role: Role) -> Credential:
        enrolled = admin.enrol_device(name, role)
        return Credential(enrolled.site, enrolled.device, role, enrolled.secret or "")

    def _join(self, session: str, staff: FacilityClient, patient: PatientClient) -> None:
        self.history.watch(staff, FacilityView)
        self.history.watch(patient, PatientView)
        staff.start(20)
        patient.start(20)
        self.couples.append(Couple(self, len(self.couples), session, staff, patient))

    def work(self) -> None:
        """Begin."""
        self.working.set()
        for couple in self.couples:
            couple.begin()

    def rest(self, within_s: float = 60.0) -> float:
        """Send no more, have all decided, and wait until the screens agree; gives the seconds."""
        self.working.clear()
        began = time.monotonic()
        for couple in self.couples:
            couple.say_a_last_word()
        for couple in self.couples:
            couple.staff.flush(timeout=within_s)
            couple.patient.flush(timeout=within_s)
        # Both screens count: what one of them waits for may be a change of the other's.
        wait_until(
            lambda: all(couple.agrees() for couple in self.couples),
            "the screens agree",
            within_s,
            every_s=0.005,
        )
        return time.monotonic() - began

    def recovered_after(self, moments: list[float]) -> list[float]:
        """Return how long after each moment the next command was decided."""
        decided = sorted(self.decided_at)
        found = []
        for moment in moments:
            later = next((t for t in decided if t > moment), None)
            if later is not None:
                found.append(later - moment)
        return found

    def dismiss(self) -> None:
        """Disconnect."""
        self.working.clear()
        for couple in self.couples:
            couple.staff.close()
            couple.patient.close()
        self.loop.stop()


@contextmanager
def crew(pace_s: float = 0.01) -> Iterator[Crew]:
    """Yield a crew, and stop it."""
    people = Crew(pace_s)
    try:
        yield people
    finally:
        people.dismiss()
