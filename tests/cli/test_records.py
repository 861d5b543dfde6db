"""What is given out of a box, checked without it; its keys, and its log."""

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Handrail

FORMATS = {
    "pdf": b"%PDF-",
    "fhir": b"{",
    "json": b"{",
    "csv": b"step,",
    "questionnaire-response": b"{",
}


@pytest.fixture
def session(data: Path, handrail: Handrail) -> str:
    """A completed session of the box that serves for this module."""
    done = handrail("session", "list", "--all", "--data", data, "--json").json
    if not done:
        ran = handrail("simulate", "pre-registration", "--sessions", "1", "--data", data)
        assert ran.code == 0, ran.err
        done = handrail("session", "list", "--all", "--data", data, "--json").json
    return str(done[0]["session"])


@pytest.mark.parametrize("form", FORMATS)
def test_a_record_is_written_with_its_seal(
    data: Path, session: str, handrail: Handrail, tmp_path: Path, form: str
) -> None:
    """For its owner alone; the seal fits it, and no other file."""
    record = tmp_path / f"record.{form}"
    ran = handrail(
        "session", "export", session, "--format", form, "--output", record, "--data", data
    )
    assert ran.code == 0, ran.err
    assert record.read_bytes().startswith(FORMATS[form])
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    key = handrail("key", "show", "--data", data, "--json").json["public_key"]
    assert handrail("record", "verify", record, "--key", key).code == 0
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 1
    record.write_bytes(content)
    found = handrail("record", "verify", record, "--key", key, "--json")
    assert found.code == 1
    assert found.json["seal"]["session"] == session
    assert found.json["faults"] == ["what is in it was changed after the box gave it out"]


def test_a_seal_that_was_changed_or_is_anothers_is_found(
    data: Path, session: str, handrail: Handrail, tmp_path: Path
) -> None:
    """Whatever of it was changed, and whoever made another with a key of their own."""
    record = tmp_path / "record.json"
    handrail("session", "export", session, "--format", "json", "--output", record, "--data", data)
    beside = tmp_path / "record.json.seal.json"
    seal = json.loads(beside.read_text())
    for name, value in seal.items():
        if name in ("v", "signature"):
            continue
        other = value + 1 if isinstance(value, int) else _turned(name, str(value))
        beside.write_text(json.dumps(seal | {name: other}))
        assert handrail("record", "verify", record).code in (1, 2), name
    beside.write_text(json.dumps(seal))
    assert handrail("record", "verify", record).code == 0
    assert handrail("record", "verify", record, "--key", "0" * 64).code == 1
    beside.unlink()
    assert handrail("record", "verify", record).code == 2


def _turned(name: str, value: str) -> str:
    if name == "exported_at":
        return "1" + value[1:]
    if name == "format":
        return "csv"
    last = "0" if value[-1] != "0" else "1"
    return value[:-1] + last


def test_documents_are_listed_and_fetched(
    data: Path, session: str, handrail: Handrail, tmp_path: Path
) -> None:
    """As they are kept; what is no document is refused."""
    lines = handrail("document", "list", session, "--data", data, "--json").json
    assert {line["field_id"] for line in lines} >= {"id-front"}
    picture = tmp_path / "front.jpg"
    fetched = handrail(
        "document", "fetch", session, "id-front", "--output", picture, "--data", data
    )
    assert fetched.code == 0, fetched.err
    assert picture.read_bytes().startswith(b"\xff\xd8")
    wrong = handrail("document", "fetch", session, "last-name", "--data", data)
    assert wrong.code == 1
    assert "no such document" in wrong.err


def test_the_log_tells_who_looked_and_nothing_of_what_was_entered(
    data: Path, session: str, handrail: Handrail
) -> None:
    """Looks, exports and administration are entries; answers are not in it."""
    handrail("session", "show", session, "--data", data)
    handrail("session", "export", session, "--format", "csv", "--data", data)
    ran = handrail("audit", "list", "--session", session, "--data", data, "--json")
    entries = [json.loads(line) for line in ran.out.splitlines()]
    kinds = {entry["what"] for entry in entries}
    assert {"FieldEntered", "Signed", "Completed", "SessionSeen", "SessionExported"} <= kinds
    assert all(entry["session"] == session for entry in entries)
    answers = handrail("session", "export", session, "--format", "csv", "--data", data).out
    names = [line.split(",")[5] for line in answers.splitlines() if ",last-name," in line]
    assert names
    assert names[0] not in ran.out
    assert handrail("audit", "list", "--data", data).code == 0


def test_the_log_is_verified_with_a_receipt(data: Path, handrail: Handrail, tmp_path: Path) -> None:
    """While the box serves; a receipt of another box is told apart."""
    receipt = tmp_path / "log.json"
    assert handrail("audit", "sign", "--output", receipt, "--data", data).code == 0
    found = handrail("audit", "verify", "--receipt", receipt, "--data", data, "--json")
    assert found.json["whole"], found.out
    assert found.json["signed"] >= json.loads(receipt.read_text())["entry"]
    body = json.loads(receipt.read_text())
    receipt.write_text(json.dumps(body | {"entry": body["entry"] + 10_000}))
    found = handrail("audit", "verify", "--receipt", receipt, "--data", data)
    assert found.code == 1
    assert "by the receipt" in found.err
    for nonsense in (b"{}", b"\xff\xfe"):
        receipt.write_bytes(nonsense)
        assert handrail("audit", "verify", "--receipt", receipt, "--data", data).code == 2


def test_a_key_is_rotated_while_the_box_serves(
    data: Path, session: str, handrail: Handrail
) -> None:
    """Everything opens as before."""
    old = (data / "box.key").read_bytes()
    ran = handrail("key", "rotate", "--data", data)
    assert ran.code == 0, ran.err
    assert (data / "box.key").read_bytes() != old
    assert handrail("session", "export", session, "--format", "csv", "--data", data).code == 0
    assert handrail("audit", "verify", "--data", data).code == 0


def test_tampering_with_the_database_is_named(tmp_path: Path, handrail: Handrail) -> None:
    """The command says which entry, and ends with 1."""
    data = tmp_path / "data"
    assert handrail("device", "enrol", "Desk", "--role", "facility", "--data", data).code == 0
    with closing(sqlite3.connect(data / "handrail.sqlite", isolation_level=None)) as db:
        db.execute(
            "UPDATE events SET content=replace(content, 'desk', 'dusk') WHERE kind=?",
            ["DeviceEnrolled"],
        )
    found = handrail("audit", "verify", "--data", data)
    assert found.code == 1
    assert "DeviceEnrolled" in found.err
    assert "what it says was changed" in found.err


def test_a_backup_is_restored_with_its_keys_alone(
    data: Path, session: str, handrail: Handrail, tmp_path: Path
) -> None:
    """FILE and FILE.keys together bring everything back; FILE alone does not, and says so."""
    copy = tmp_path / "handrail.backup"
    ran = handrail("backup", "--to", copy, "--data", data)
    assert ran.code == 0, ran.err
    keys = tmp_path / "handrail.backup.keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    content = keys.read_bytes()
    keys.unlink()
    elsewhere = tmp_path / "elsewhere"
    without = handrail("restore", copy, "--data", elsewhere)
    assert without.code == 1
    assert "keys are missing" in without.err
    keys.write_bytes(content)
    assert handrail("restore", copy, "--data", elsewhere).code == 0
    assert handrail("audit", "verify", "--data", elsewhere).code == 0
    picture = tmp_path / "front.jpg"
    ran = handrail(
        "document", "fetch", session, "id-front", "--output", picture, "--data", elsewhere
    )
    assert ran.code == 0, ran.err
