"""The years in fast motion run, and count: ten days here, at a small scale."""

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.motion.card import FolderCard, NoMountError, bytes_written, mounted
from benchmarks.motion.forking import forked_helpers
from benchmarks.motion.report import report
from benchmarks.motion.sessions import End, Plan, plans
from benchmarks.motion.years import BEGIN, Load, Share, Year, fast_motion
from benchmarks.years.templates import Template
from schemas.base import Role
from schemas.questionnaire.load import load_flow
from session_controller.backup.keeping import Keep, kept
from session_controller.backup.manifest import FOLDER as BACKUPS
from session_controller.backup.shelf import DOCUMENTS, names_in
from session_controller.engine import events as f
from session_controller.engine.history import replay
from session_controller.engine.state import StoredDocument
from session_controller.storage.database import DATABASE
from tests.conftest import ROOT

DAYS, A_DAY = 10, 8
_WEEKDAYS = (0, 1, 2, 3, 4, 7, 8, 9)
"""The working days among the ten; the last three are in the second week."""
_PHOTOGRAPH = 200_000
_MOST_WRITTEN = 12
"""Times what came in as documents: a part of it is in the database before it is a file."""
_HASH = "0" * 64


def _template() -> Template:
    """Return a short session with a document."""
    flow = load_flow((ROOT / "flows" / "quick-check-in.json").read_bytes())
    upload = {"field_id": "new-card", "upload": "u-1", "size": 200, "sha256": _HASH}
    stored = StoredDocument(_HASH, _HASH, 200, "image/jpeg")
    facts = (
        f.SessionOpened(
            flow_ref=flow.flow_ref,
            label=None,
            check_words=("poppy", "ember"),
            host="desk",
            host_role=Role.FACILITY,
            host_online=True,
        ),
        f.DeviceJoined(device="kiosk", role=Role.PATIENT, online=True),
        f.FieldEntered(field_id="last-name", value="Kowalski"),
        f.FieldEntered(field_id="birth-date", value="1980-02-03"),
        f.UploadBegun(**upload, media_type="image/jpeg"),
        f.UploadProgressed(field_id="new-card", received=200),
        f.UploadFinished(field_id="new-card", stored=stored),
        f.Completed(),
    )
    devices = ("desk", *["kiosk"] * 6, "desk")
    events = tuple(
        f.Event("s", number, BEGIN, fact, device)
        for number, (fact, device) in enumerate(zip(facts, devices, strict=True), 1)
    )
    return Template(flow, events, replay(flow, events).state, {_HASH: ("u-1", bytes(200))})


def _load() -> Load:
    return Load((_template(),), os.urandom(_PHOTOGRAPH), A_DAY, unreachable=(1,))


def _planned(load: Load) -> Iterator[tuple[int, Plan]]:
    """Yield the sessions, each with the day on which it is led."""
    found = plans(load.templates, 1, load.photograph)
    for number, plan in enumerate(islice(found, A_DAY * len(_WEEKDAYS))):
        yield _WEEKDAYS[number // A_DAY], plan


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_days_leave_what_is_still_needed(tmp_path: Path) -> None:
    """Nothing is refused; what is delivered or came to nothing is purged; backups are thinned.

    In the second week the destination cannot be reached: what is not delivered stays.
    """
    load, passed = _load(), list[Year]()
    share = Share(tmp_path / "share")
    share.folder.mkdir()
    with forked_helpers() as helpers:
        card = FolderCard(tmp_path, lambda: bytes_written(os.getpid(), helpers) - share.bytes)
        asyncio.run(fast_motion(card, share, load, days=DAYS, passed=passed, say=print))
    (year,) = passed
    assert (year.failed_backups, year.refusals, year.bugs) == ([], 0, 0)
    planned = list(_planned(load))
    waiting = [p for day, p in planned if p.end is End.COMPLETED and day >= 7]
    expired = [p for day, p in planned if p.end is End.EXPIRED and day == DAYS - 1]
    completed = [p for _, p in planned if p.end is End.COMPLETED]
    assert year.opened == len(planned)
    assert year.delivered == len(completed) - len(waiting) > 0
    assert year.waiting == len(waiting) > 0
    assert year.stored == len(waiting) + len(expired)
    assert year.purged == len(planned) - year.stored
    at = [BEGIN + timedelta(minutes=2, hours=6 * n) for n in range(DAYS * 4)]
    assert (year.backups, year.kept) == (len(at), len(kept(at[::-1], Keep())))
    assert year.documents_mb < 0.2 * len(waiting) + 0.1, "those of purged sessions are gone"
    shelved = {session for session, _ in names_in(tmp_path / "data" / BACKUPS / DOCUMENTS)}
    assert len(waiting) <= len(shelved) <= year.stored, "those in backups are gone too"
    assert year.written_gb * 1000 < _MOST_WRITTEN * year.received_mb
    assert (tmp_path / "data" / DATABASE).stat().st_size < 4e6


@pytest.mark.slow
def test_a_card_counts_what_its_device_receives_and_is_removed(tmp_path: Path) -> None:
    """What is written to it counts, and what others write does not; nothing is left behind."""
    try:
        with mounted(tmp_path) as card:
            before = card.written()
            (tmp_path / "beside").write_bytes(bytes(5_000_000))
            (card.folder / "on it").write_bytes(os.urandom(3_000_000))
            assert 3_000_000 <= card.written() - before < 4_000_000
            assert 0 < card.usage(card.folder).percent < 1
            assert card.usage(card.folder).total > 30e9
    except NoMountError as error:
        pytest.skip(f"cannot mount here: {error}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside", "card"]
    assert not any((tmp_path / "card").iterdir())


def test_a_machine_that_cannot_make_a_card_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the attempt is left behind but an empty folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoMountError, match="mkfs"), mounted(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["card"]


def test_the_report_has_a_column_for_each_year_and_says_what_it_extrapolates() -> None:
    """A part of the five years is extrapolated; a failure reaches no goal."""
    first = Year(days=364, written_gb=400, used=10)
    second = Year(days=91, written_gb=100, used=12, failed_backups=["2028-01-01 no room"])
    lines = report("a card", [first, second], 1820).splitlines()
    assert lines[0] == "On a card; 455 of 1,820 days passed."
    assert "| | year 1 | year 2, 91 days |" in lines
    assert "| written to the disk, GB | 400.0 | 100.0 |" in lines
    assert "| refusals, bugs and failed backups | 1 | 0 | no |" in lines
    assert "| disk at the end, % | 12.0 | < 60 | yes |" in lines
    extrapolated = "written in five years, extrapolated from 455 of 1,820 days, GB"
    assert f"| {extrapolated} | 2,000 | < 5,000 | yes |" in lines
    assert lines[-1] == "2028-01-01 no room"
