"""A verification continues from the last one, and nothing is hidden from one of all."""

import dataclasses
import json
import shutil
import stat
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.audit.events import BoxStarted
from session_controller.audit.hash_chain import Head, follow
from session_controller.integrity import data_folder as integrity
from session_controller.integrity.audit_log import LogCheck, Receipt
from session_controller.integrity.data_folder import (
    Extent,
    FolderAudit,
    audit_folder,
    reading,
    verify,
)
from session_controller.integrity.verified_point import POINT_FILE, read_point
from session_controller.service.jobs.maintenance import Maintenance
from session_controller.storage.entities import EntryFilter, LoggedBoxEvent
from session_controller.storage.rows import session_row
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.controller.entering import enter_step_one
from tests.controller.test_audit import change, made
from tests.faults.loopback import staged

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
STARTED = BoxStarted(version="1", epoch=1)

_ = made


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of a data folder with a session, verified up to its newest signature."""
    folder = shutil.copytree(made, tmp_path / "data")
    found = audited(folder)
    assert (found.faults, found.after, found.remembered) == ((), 0, True)
    return folder


def audited(data: Path, extent: Extent = Extent.NEW, receipt: str | None = None) -> FolderAudit:
    """Verify a data folder."""
    return audit_folder(data, receipt, extent, NOW)


def log(data: Path, count: int, at: datetime = NOW) -> None:
    """Log box events, and sign them."""
    store = Store(data)
    append(store, count, at)
    store.sign_head(at)
    store.close()


def append(store: Store, count: int, at: datetime = NOW) -> None:
    """Log box events."""
    work = Transaction(box_events=[LoggedBoxEvent(at, STARTED)] * count)
    store.write(work)
    store.sync(work)


def hashed(data: Path) -> int:
    """Count the entries that the next verification would read."""
    with reading(data / "handrail.sqlite") as reader:
        point = read_point(data / POINT_FILE, reader)
        check = LogCheck(reader, start=point.head if point else None)
        assert list(check.faults()) == []
        return check.entries


def test_only_what_is_new_is_read(data: Path) -> None:
    """As many entries as were logged since, and the sessions that they are of."""
    assert hashed(data) == 0
    log(data, 7)
    assert hashed(data) == 7
    found = audited(data)
    assert found.faults == ()
    assert found.sessions == 0
    assert found.after == found.entries - 7
    assert found.verified_at == "2026-11-27T12:00:00.000Z"
    assert hashed(data) == 0
    assert audited(data, Extent.ALL).after == 0


def test_what_no_signature_covers_is_read_again(data: Path) -> None:
    """Anybody can append entries and chain them."""
    store = Store(data)
    append(store, 3)
    store.close()
    assert audited(data).faults == ()
    assert hashed(data) == 3


def test_a_session_with_new_entries_is_looked_at_in_whole(data: Path) -> None:
    """Its state, rebuilt from all of its events, and its documents."""
    database = data / "handrail.sqlite"
    point = json.loads((data / POINT_FILE).read_text())
    with reading(database) as reader:
        first = reader.checkpoints()[0].head
        signer = reader.log_signer()
        older = read_point(data / POINT_FILE, reader)
        assert signer
        assert older
        older = older.model_copy(update={"entry": 4, "chain": (reader.chain_at(4) or b"").hex()})
        signed = older.model_copy(update={"signature": signer.sign(older.message).hex()})
    assert first.entry > 4
    assert point["entry"] > 4
    (data / POINT_FILE).write_text(signed.model_dump_json())
    (document,) = (data / "documents").glob("*/*")
    document.unlink()
    found = audited(data)
    assert (found.after, found.sessions) == (4, 1)
    assert any("the document of new-card is missing" in fault for fault in found.faults)


def test_a_change_after_the_point_is_found(data: Path) -> None:
    """By the next verification, however often."""
    log(data, 5)
    change(
        data / "handrail.sqlite",
        "UPDATE events SET device='x' WHERE id=(SELECT max(id)-2 FROM events)",
    )
    for _ in range(2):
        assert any("was changed or inserted" in fault for fault in audited(data).faults)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET device='somebody' WHERE id=3",
        "UPDATE events SET content=x'00' WHERE id=3",
        "DELETE FROM events WHERE id=3",
        "UPDATE checkpoints SET signature=x'00'",
        "UPDATE sessions SET state=x'00'",
        "DELETE FROM keys WHERE name LIKE 'session:%'",
    ],
)
def test_a_change_before_the_point_is_found_by_all(data: Path, sql: str) -> None:
    """And from then on by every verification, until one of all finds nothing."""
    whole = (data / "handrail.sqlite").read_bytes()
    change(data / "handrail.sqlite", sql)
    assert audited(data).faults == (), "what the default does not look at"
    for extent in (Extent.ALL, Extent.NEW, Extent.DEEP, Extent.NEW):
        found = audited(data, extent)
        assert found.faults
        assert found.after == 0
        assert not found.remembered
    (data / "handrail.sqlite").write_bytes(whole)
    assert audited(data).remembered
    assert hashed(data) == 0


def test_an_end_that_was_cut_off_with_its_signatures_is_found(data: Path) -> None:
    """The point is a receipt: it does not go away with what it was of."""
    entry = json.loads((data / POINT_FILE).read_text())["entry"]
    for table, column in (("events", "id"), ("checkpoints", "entry")):
        change(data / "handrail.sqlite", f"DELETE FROM {table} WHERE {column}>=?", entry)
    for extent in (Extent.NEW, Extent.ALL, Extent.NEW):
        faults = audited(data, extent).faults
        assert any(f"ends before entry {entry}, which was verified" in fault for fault in faults)


@pytest.mark.parametrize("which", ["entry>4", "1"], ids=["the newest", "all"])
def test_signatures_that_were_removed_are_missed(data: Path, which: str) -> None:
    """The entries alone, which anybody can chain, are not enough."""
    log(data, 5)
    assert audited(data).remembered
    change(data / "handrail.sqlite", f"DELETE FROM checkpoints WHERE {which}")
    for extent in (Extent.NEW, Extent.ALL):
        assert any(
            "signatures of the log were removed" in one for one in audited(data, extent).faults
        )


def test_a_log_that_was_chained_again_differs_from_the_point(data: Path) -> None:
    """Also where the signatures after the change were removed."""
    database = data / "handrail.sqlite"
    change(database, "UPDATE events SET device='somebody' WHERE id=4")
    with reading(database) as reader:
        entries = list(reader.entries())
    head = Head()
    for entry in reversed(entries):
        head = follow(head, entry.place, entry.content_sha256)
        change(database, "UPDATE events SET chain=? WHERE id=?", head.chain, entry.entry)
    change(database, "DELETE FROM checkpoints")
    assert any("differs from what was verified" in fault for fault in audited(data).faults)


@pytest.mark.parametrize("how", ["forged", "deleted", "nonsense", "of another box"])
def test_a_point_that_the_box_did_not_sign_counts_for_nothing(data: Path, how: str) -> None:
    """Then all is verified: whoever can write the data folder cannot hide a change so."""
    log(data, 2)
    change(data / "handrail.sqlite", "UPDATE events SET device='somebody' WHERE id=3")
    path = data / POINT_FILE
    point = json.loads(path.read_text())
    if how == "forged":
        path.write_text(json.dumps(point | {"entry": point["entry"] + 1}))
    elif how == "deleted":
        path.unlink()
    elif how == "nonsense":
        path.write_text('{"entry": []}')
    else:
        path.write_text(json.dumps(point | {"signature": "00" * 64}))
    found = audited(data)
    assert found.after == 0
    assert any("entry 3 " in fault for fault in found.faults)


def test_a_restored_log_is_verified_from_its_beginning(data: Path) -> None:
    """It does not contain what was logged after the backup, and that is no fault."""
    log(data, 5)
    assert audited(data).remembered
    newest = json.loads((data / POINT_FILE).read_text())["entry"]
    database = data / "handrail.sqlite"
    change(database, "DELETE FROM checkpoints WHERE entry>=?", newest)
    change(database, "DELETE FROM events WHERE id>=?", newest)
    change(database, "INSERT OR REPLACE INTO meta VALUES ('epoch', '1789000000')")
    found = audited(data)
    assert (found.after, found.faults) == (0, ())


def test_a_receipt_is_compared_with_the_whole_log(data: Path) -> None:
    """One that is older than the last verification, too."""
    with reading(data / "handrail.sqlite") as reader:
        receipt = Receipt.of(reader.checkpoints()[0], "main", 1).model_dump_json()
    log(data, 5)
    assert audited(data, receipt=receipt).after == 0
    assert audited(data, receipt=receipt).faults == ()
    change(data / "handrail.sqlite", "UPDATE events SET device='somebody' WHERE id=3")
    assert audited(data, receipt=receipt).faults


def test_the_point_is_private_and_holds_no_patient_data(data: Path) -> None:
    """Numbers, hashes and a time."""
    path = data / POINT_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    point = json.loads(path.read_text())
    assert set(point) == {"v", "epoch", "entry", "chain", "at", "whole", "signature"}


def test_a_folder_that_cannot_be_written_is_verified_all_the_same(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next verification begins where this one did."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    log(data, 2)
    monkeypatch.setattr("session_controller.integrity.verified_point.write_private", refuse)
    found = audited(data)
    assert (found.faults, found.remembered) == ((), False)
    assert hashed(data) == 2


async def test_a_state_that_its_log_does_not_give_is_found_by_deep(tmp_path: Path) -> None:
    """Only who has the box's key can write one: all finds any other."""
    async with staged(tmp_path) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        stage.say("desk", "CANCEL", reason="patient_left")
        await stage.service.settled()
        state = stage.store.state(stage.session)
        assert state
        assert state.status.ended
        (entry,) = stage.store._db.execute("SELECT entry FROM sessions").fetchone()
        row = session_row(
            dataclasses.replace(state, label="another"), entry, stage.store.cipher(stage.session)
        )
    database = tmp_path / "handrail.sqlite"
    assert verify(database).faults == ()
    change(database, "UPDATE sessions SET state=?", row[-2])
    assert verify(database, Extent.ALL).faults == ()
    (fault,) = verify(database, Extent.DEEP).faults
    assert fault.endswith("the stored state differs from the log")
    change(database, "UPDATE events SET revision=99 WHERE kind='Cancelled'")
    assert any("differs from the log" in f for f in verify(database, Extent.ALL).faults)


def test_the_verification_of_a_backup_moves_no_point(data: Path) -> None:
    """It is of everything, and what a person verifies continues from what they verified."""
    order = [sys.executable, "-P", "-m", integrity.__name__, str(data / "handrail.sqlite")]
    before = (data / POINT_FILE).read_bytes()
    log(data, 3)
    assert subprocess.run(order, check=False).returncode == 0
    assert (data / POINT_FILE).read_bytes() == before
    change(data / "handrail.sqlite", "UPDATE events SET kind='Another' WHERE id=1")
    found = subprocess.run(order, check=False, capture_output=True, text=True)
    assert found.returncode == 1
    assert "entry 1" in found.stdout


def test_a_verification_keeps_nothing_of_each_entry(tmp_path: Path) -> None:
    """A log of twenty thousand entries needs no more memory than one of two thousand."""
    peaks = []
    store = Store(tmp_path)
    for count in (2_000, 18_000):
        append(store, count)
        store.sign_head(NOW)
        tracemalloc.start()
        check = LogCheck(store)
        assert list(check.faults()) == []
        assert sum(1 for _ in store.entries()) == check.entries
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    store.close()
    assert peaks[1] < 1.2 * peaks[0] + 10_000, peaks


# --- signatures ----------------------------------------------------------------------------


def signed_for_days(folder: Path) -> tuple[Store, list[Receipt]]:
    """A box that signed its log three times a day, until the middle of the third day."""
    store, receipts = Store(folder), []
    for day in range(3):
        for hour in (1, 2, 3):
            at = NOW.replace(hour=hour) + timedelta(days=day)
            append(store, 2, at)
            receipts.append(Receipt.of(store.sign_head(at), "main", 1))
    return store, receipts


def test_one_signature_of_each_day_is_kept(tmp_path: Path) -> None:
    """The last one; and all of the day that is not over yet."""
    store, receipts = signed_for_days(tmp_path)
    store.thin_signatures(NOW + timedelta(days=2))
    assert [c.head.entry for c in store.checkpoints()] == [6, 12, 14, 16, 18]
    store.thin_signatures(NOW + timedelta(days=9))
    assert [c.head.entry for c in store.checkpoints()] == [6, 12, 18]
    assert store.unsigned == 0
    store.close()
    for receipt in receipts:
        found = audited(tmp_path, receipt=receipt.model_dump_json())
        assert found.faults == (), "a receipt has its own copy of the signature"


def test_the_newest_signature_is_kept_whatever_the_clock_says(tmp_path: Path) -> None:
    """Also where an entry before it was signed at a later time."""
    store, _ = signed_for_days(tmp_path)
    append(store, 1)
    store.sign_head(NOW)
    store.thin_signatures(NOW + timedelta(days=30))
    assert store.checkpoints()[-1].head.entry == 19
    store.close()


def test_signatures_are_thinned_once_a_day(tmp_path: Path) -> None:
    """With the first signature of the day."""
    store, _ = signed_for_days(tmp_path)
    now = [NOW + timedelta(days=2)]
    maintenance = Maintenance(store, None, lambda: now[0], lambda: 0.0)
    thinned = []
    maintenance.store.thin_signatures = thinned.append  # type: ignore[method-assign]
    for hours in (0, 1, 11, 12, 13, 36):
        now[0] = NOW + timedelta(days=2, hours=hours)
        maintenance.sign()
    assert [at.day for at in thinned] == [29, 30, 1]
    store.close()


# --- lists ---------------------------------------------------------------------------------


def steps(store: Store, wanted: EntryFilter) -> tuple[list[int], int]:
    """Return the entries of a list, and how many steps SQLite took for it."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    store._db.conn.set_progress_handler(step, 1)
    found = [entry.entry for entry in store.entries(wanted)]
    store._db.conn.set_progress_handler(None, 1)
    return found, count


def test_a_page_costs_the_same_however_long_the_log_is(tmp_path: Path) -> None:
    """The newest, those before a number, and those since a time."""
    store, costs = Store(tmp_path), []
    for day in range(3):
        append(store, 1_000, NOW + timedelta(days=day))
        store.sign_head(NOW + timedelta(days=day))
        newest = 1_000 * (day + 1)
        since = NOW + timedelta(days=day)
        pages = [
            steps(store, EntryFilter(limit=10)),
            steps(store, EntryFilter(limit=10, before=newest - 9)),
            steps(store, EntryFilter(after=newest - 20)),
            steps(store, EntryFilter(since=since)),
        ]
        assert pages[0][0] == [*range(newest, newest - 10, -1)]
        assert pages[1][0] == [*range(newest - 10, newest - 20, -1)]
        assert pages[2][0] == [*range(newest, newest - 20, -1)]
        assert pages[3][0] == [*range(newest, newest - 1_000, -1)]
        costs.append([cost for _, cost in pages])
    store.close()
    for first, last in zip(costs[0], costs[-1], strict=True):
        assert last <= first + 40


def test_entries_since_a_time_are_listed_though_the_clock_was_wrong(tmp_path: Path) -> None:
    """A box without a clock of its own starts in the past until it is told the time."""
    store = Store(tmp_path)
    for at in (NOW, datetime(1970, 1, 1, tzinfo=UTC), NOW + timedelta(hours=1)):
        append(store, 1, at)
        store.sign_head(at)
    found, _ = steps(store, EntryFilter(since=NOW))
    assert found == [3, 1]
    store.close()
