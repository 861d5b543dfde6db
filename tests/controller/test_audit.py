"""Whoever changes, cuts or puts in an entry of the log is found out, and the place is named."""

import asyncio
import hashlib
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from session_controller.audit.hash_chain import Head, Place, content_hash, follow, sign
from session_controller.integrity.audit_log import LogCheck, Receipt, read_receipt
from session_controller.integrity.data_folder import reading, verify
from session_controller.storage.rows import checkpoint_row
from tests.controller.entering import enter_everything, take_as_it_is
from tests.faults.loopback import staged

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
COLUMNS = (
    "at",
    "kind",
    "session",
    "revision",
    "device",
    "seq",
    "command_id",
    "content",
    "content_sha256",
    "chain",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a session in which everything was entered, signed at its end."""
    folder = tmp_path_factory.mktemp("made") / "data"

    async def make() -> None:
        async with staged(folder, inspect=take_as_it_is) as stage:
            await stage.open()
            await enter_everything(stage, "Zorblatt")

    asyncio.run(make())
    return folder


@pytest.fixture
def database(made: Path, tmp_path: Path) -> Path:
    """The database of a copy of that folder."""
    path = shutil.copytree(made, tmp_path / "data") / "handrail.sqlite"
    assert verify(path).faults == ()
    return path


def change(path: Path, sql: str, *values: object) -> int:
    """Change the database behind the box's back; gives how many rows it were."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        count = db.execute(sql, values).rowcount
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return count


def faults(path: Path, receipt: Receipt | None = None) -> tuple[str, ...]:
    """Go through the log."""
    with reading(path) as reader:
        check = LogCheck(reader, receipt=receipt)
        return tuple(check.faults())


def rows(path: Path, what: str) -> list[tuple[object, ...]]:
    """Read something of the log."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.execute(f"SELECT {what} FROM events ORDER BY id"))


def _other(value: object) -> object:
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, int):
        return value + 1
    return f"{value}x" if value is not None else "x"


@pytest.mark.parametrize("value", ["text", 7, 1.5, b"bytes"])
@pytest.mark.parametrize("column", [c for c in COLUMNS if c not in ("revision", "seq")])
def test_whatever_is_put_in_a_columns_place_is_found(
    database: Path, column: str, value: object
) -> None:
    """Also what is of another type, or no text at all: a fault, and no failure."""
    change(database, f"UPDATE OR IGNORE events SET {column}=? WHERE id=5", value)
    change(database, f"UPDATE events SET {column}=CAST(X'ff41' AS TEXT) WHERE id=6")
    found = faults(database)
    assert any("entry 5 " in fault for fault in found), found
    assert any("entry 6 " in fault for fault in found), found


@pytest.mark.parametrize("column", COLUMNS)
def test_any_column_that_is_changed_is_found(database: Path, column: str) -> None:
    """In the first entry, the last, and one between; the fault names the entry."""
    values = rows(database, f"id, {column}")
    whole = database.read_bytes()
    for entry, value in (values[0], values[len(values) // 2], values[-1]):
        sql = f"UPDATE OR IGNORE events SET {column}=? WHERE id=?"
        new: object = _other(value) if column not in ("revision", "seq") else _number(value)
        assert change(database, sql, new, entry) == 1
        found = faults(database)
        assert any(f"entry {entry} " in fault for fault in found), (entry, found)
        database.write_bytes(whole)
    assert faults(database) == ()


def _number(value: object) -> int:
    return 4711 if value is None else int(str(value)) + 1000


CUTS: dict[str, tuple[Callable[[int], str], str]] = {
    "one": (lambda last: f"DELETE FROM events WHERE id={last // 2}", "removed"),
    "several": (lambda last: f"DELETE FROM events WHERE id BETWEEN 3 AND {last - 3}", "removed"),
    "the first": (lambda _: "DELETE FROM events WHERE id=1", "entry 1 was removed"),
    "the end": (lambda last: f"DELETE FROM events WHERE id>{last - 4}", "the log ends before"),
    "all": (lambda _: "DELETE FROM events", "the log ends before"),
    "one moved": (
        lambda last: f"UPDATE events SET id = CASE id WHEN {last} THEN -1 ELSE id END",
        "entry",
    ),
    "a copy": (
        lambda last: (
            f"INSERT INTO events SELECT {last}+1, at, kind, NULL, NULL, device, NULL,"
            " command_id, content, content_sha256, chain, person"
            " FROM events WHERE id=2"
        ),
        "was changed or inserted",
    ),
}


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_cut_out_or_put_in_is_found(database: Path, cut: str) -> None:
    """And the fault says where."""
    sql, wanted = CUTS[cut]
    last = len(rows(database, "id"))
    assert change(database, sql(last)) >= 1
    assert any(wanted in fault for fault in faults(database)), faults(database)


def test_an_end_that_was_cut_off_with_its_signatures_needs_a_receipt(database: Path) -> None:
    """The log alone looks whole then; a receipt that was kept elsewhere tells."""
    with reading(database) as reader:
        checkpoint = reader.checkpoints()[-1]
    receipt = read_receipt(Receipt.of(checkpoint, "main", 1).model_dump_json())
    assert faults(database, receipt) == ()
    last = checkpoint.head.entry
    change(database, "DELETE FROM events WHERE id>=?", last)
    change(database, "DELETE FROM checkpoints WHERE entry>=?", last)
    assert not any("ends before" in fault for fault in faults(database))
    assert any(
        "according to the receipt, the log ends" in fault for fault in faults(database, receipt)
    )


def test_a_log_that_was_written_anew_is_not_what_was_signed(database: Path) -> None:
    """Somebody who chains all entries again cannot sign them."""
    change(database, "UPDATE events SET device='somebody' WHERE id=4")
    with reading(database) as reader:
        entries = list(reader.entries())
    head = Head()
    for entry in reversed(entries):
        head = follow(head, entry.place, entry.content_sha256)
        change(database, "UPDATE events SET chain=? WHERE id=?", head.chain, entry.entry)
    assert any("differs from what was signed" in fault for fault in faults(database))


@pytest.mark.parametrize("column", ["at", "chain", "signature", "public_key"])
def test_a_signature_that_was_changed_is_not_genuine(database: Path, column: str) -> None:
    """Whatever of it."""
    with closing(sqlite3.connect(database)) as db:
        value = db.execute(f"SELECT {column} FROM checkpoints ORDER BY entry DESC").fetchone()[0]
    change(database, f"UPDATE checkpoints SET {column}=?", _other(value))
    assert any("not valid" in fault for fault in faults(database))


def test_content_that_is_gone_without_a_purge_is_found(database: Path) -> None:
    """Only a purge that the log knows of may take what an entry says."""
    change(database, "UPDATE events SET content=NULL WHERE revision=3")
    assert any("never purged" in fault for fault in faults(database))


def test_content_of_a_box_event_is_never_purged(database: Path) -> None:
    """Not even where a purge of its session is in the log."""
    (number, *_), *_ = rows(database, "id, revision")
    change(database, "UPDATE events SET content=NULL WHERE id=? AND revision IS NULL", number)
    assert any(f"entry {number} " in f and "was removed" in f for f in faults(database))


def test_a_session_that_disappears_is_missed(database: Path) -> None:
    """Its entries say that it was there."""
    change(database, "DELETE FROM sessions")
    found = verify(database).faults
    assert any("although it was never purged" in fault for fault in found)


def test_a_document_that_was_changed_is_named(database: Path) -> None:
    """By its session and its field; so is one that is missing."""
    (path,) = (database.parent / "documents").glob("*/*")
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert any("the document of new-card was changed" in f for f in verify(database).faults)
    path.unlink()
    assert any("the document of new-card is missing" in f for f in verify(database).faults)
    path.mkdir()
    assert any("the document of new-card cannot be read" in f for f in verify(database).faults)


def test_a_state_that_was_put_in_anothers_place_does_not_open(database: Path) -> None:
    """Sealed states are bound to their session, and checked against its log."""
    change(database, "UPDATE sessions SET state=X'00112233445566778899aabbccddeeff'")
    assert any("cannot be decrypted" in fault for fault in verify(database).faults)


def test_the_chain_is_the_documented_one() -> None:
    """A change of the formula would make every older log unreadable."""
    place = Place("2026-11-27T12:00:00.000Z", "FieldEntered", "s-1", 3, "kiosk", 2, "c-1")
    head = follow(Head(), place, content_hash(b"sealed"))
    assert head.entry == 1
    assert head.chain.hex() == _BY_HAND


_BY_HAND = hashlib.sha256(
    bytes(32)
    + (1).to_bytes(8, "big")
    + hashlib.sha256(b"sealed").digest()
    + b'["2026-11-27T12:00:00.000Z","FieldEntered","s-1",3,"kiosk",2,"c-1"]'
).hexdigest()


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE flows SET canonical=CAST(replace(canonical,'card','cart') AS BLOB)", "form"),
        ("UPDATE flows SET canonical='text'", "form"),
        ("UPDATE flows SET canonical=x'7b'", "form"),
        ("DELETE FROM keys WHERE name LIKE 'session:%'", "its key is missing"),
        ("UPDATE sessions SET ended_at='2020-01-01T00:00:00.000Z'", "do not match its state"),
        ("UPDATE sessions SET status='completed'", "do not match its state"),
        ("UPDATE checkpoints SET entry=-1", "not valid"),
        ("UPDATE checkpoints SET chain='text'", "differs from what was signed|not valid"),
        ("UPDATE checkpoints SET at=x'ff'", "not valid"),
        ("UPDATE checkpoints SET public_key=1, signature=2", "not valid"),
        ("UPDATE keys SET wrapped=x'00' WHERE name='log'", "put the right one back"),
        ("UPDATE sessions SET state='text'", "cannot be decrypted"),
        ("UPDATE keys SET wrapped=5 WHERE name='log'", "the key that signs"),
        ("UPDATE keys SET wrapped=5", "cannot be decrypted"),
        ("UPDATE flows SET added_at=x'ff'", "cannot be read"),
        ("UPDATE events SET at=x'ff' WHERE id=(SELECT max(id) FROM events)", "changed"),
        ("UPDATE events SET id=-id WHERE id=1", "inserted before the first"),
    ],
)
def test_what_stands_beside_the_log_is_looked_at_too(database: Path, sql: str, named: str) -> None:
    """Forms, keys, signatures, and what stands of a session in plain."""
    assert change(database, sql) > 0
    found = verify(database).faults
    assert any(re.search(named, fault) for fault in found), found


def test_a_log_that_somebody_else_signed_anew_is_found(database: Path) -> None:
    """Whoever writes it anew and signs that has not this box's key."""
    with reading(database) as reader:
        head = reader.head()
    own = sign(Ed25519PrivateKey.generate(), head, "2026-11-27T12:00:00.000Z")
    change(database, "DELETE FROM checkpoints")
    change(database, "INSERT INTO checkpoints VALUES (?,?,?,?,?)", *checkpoint_row(own))
    assert verify(database).faults == ("the log is signed by another key than this box's",)


def test_a_receipt_of_nonsense_is_not_genuine(database: Path) -> None:
    """Numbers that no log has are no reason to give up."""
    for entry in (-1, 1 << 70):
        receipt = Receipt(
            site="main", epoch=1, entry=entry, at="", chain="", signature="", public_key=""
        )
        assert any("not valid" in fault for fault in faults(database, receipt))
