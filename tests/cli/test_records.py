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
    assert found.json["faults"] == ["the content was changed after the export"]


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


def test_the_log_is_listed_in_pages(data: Path, session: str, handrail: Handrail) -> None:
    """Newest first; a hint names the next page, and all pages together are the whole log."""

    def numbers(*words: str) -> list[int]:
        ran = handrail("audit", "list", *words, "--data", data, "--json")
        assert ran.code == 0, ran.err
        return [json.loads(line)["entry"] for line in ran.out.splitlines()]

    every = numbers("--all")
    assert every == sorted(every, reverse=True)
    assert every[-1] == 1
    first = numbers("--limit", "7")
    assert first == every[:7] or first[0] > every[0], "or an entry was made since"
    assert numbers("--limit", "7", "--before", str(every[6])) == every[7:14]
    assert numbers("--after", str(every[3]), "--before", str(every[0])) == every[1:3]
    assert numbers("--since", "2999-01-01") == []
    assert len(numbers("--since", "1d", "--all")) >= len(every)
    assert set(numbers("--session", session, "--all")) < set(every) | {every[0] + 1}
    ran = handrail("audit", "list", "--limit", "3", "--before", every[4], "--data", data)
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        "entry",
        *map(str, every[5:8]),
    ]
    assert f"--before {every[7]}" in ran.err
    ran = handrail("audit", "list", "--before", "3", "--data", data)
    assert "--before" not in ran.err, "there is no next page"
    assert "no such entries" in handrail("audit", "list", "--before", "1", "--data", data).err
    for wrong in (("--since", "yesterday"), ("--limit", "0"), ("--before", "x")):
        ran = handrail("audit", "list", *wrong, "--data", data)
        assert ran.code == 2
        assert "Traceback" not in ran.err


def test_a_verification_continues_from_the_last(data: Path, handrail: Handrail) -> None:
    """It says from which entry, and that `--all` verifies those before again."""
    assert handrail("audit", "sign", "--data", data).code == 0
    assert handrail("audit", "verify", "--data", data, "--json").json["remembered"]
    found = handrail("audit", "verify", "--data", data, "--json").json
    assert found["after"] > 0
    assert found["verified_at"]
    ran = handrail("audit", "verify", "--data", data)
    assert "--all verifies them again" in ran.out
    for extent in ("--all", "--deep"):
        found = handrail("audit", "verify", extent, "--data", data, "--json").json
        assert (found["after"], found["verified_at"], found["whole"]) == (0, None, True)


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
    assert "according to the receipt" in found.err
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
    assert "its content was changed" in found.err


def test_a_backup_is_restored_with_its_keys_alone(
    data: Path, session: str, handrail: Handrail, tmp_path: Path
) -> None:
    """FOLDER and FOLDER.keys together bring everything back; one alone does not, and says so."""
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


def test_a_copy_writes_only_what_is_new(data: Path, handrail: Handrail, tmp_path: Path) -> None:
    """A second copy to a folder leaves packs and documents as they are, and replaces the list."""
    copy = tmp_path / "stick" / "handrail"
    first = handrail("backup", "--to", copy, "--data", data, "--json").json["file"]
    there = {path: path.stat().st_mtime_ns for path in copy.rglob("*/*") if path.is_file()}
    assert there
    second = handrail("backup", "--to", copy, "--data", data, "--json").json["file"]
    assert [str(path) for path in copy.glob("*.backup")] == [second] != [first]
    kept = {path: path.stat().st_mtime_ns for path in copy.rglob("*/*") if path in there}
    assert kept.items() <= there.items()
    assert any("documents" in str(path) for path in kept)
    assert handrail("restore", copy, "--data", tmp_path / "elsewhere").code == 0


def test_what_a_restore_replaced_is_named_and_deleted(
    data: Path, handrail: Handrail, tmp_path: Path
) -> None:
    """`doctor` names it with its size; it goes on request only, and not while it may be needed."""
    copy, box = tmp_path / "copy", tmp_path / "box"
    assert handrail("backup", "--to", copy, "--data", data).code == 0
    for _ in range(2):
        assert handrail("restore", copy, "--data", box).code == 0
    [aside] = box.glob("replaced-*")
    assert f"{aside} holds what a restore replaced" in handrail("doctor", "--data", box).out
    both = handrail("restore", copy, "--forget-replaced", "--data", box)
    assert both.code == 2
    (box / "restoring").touch()
    ran = handrail("restore", "--forget-replaced", "--data", box)
    assert ran.code == 1
    assert "complete the restore first" in ran.err
    (box / "restoring").unlink()
    ran = handrail("restore", "--forget-replaced", "--data", box)
    assert ran.code == 0, ran.err
    assert str(aside) in ran.err
    assert list(box.glob("replaced-*")) == []
    assert "replaced data" not in handrail("doctor", "--data", box).out


def test_what_was_changed_is_listed_and_the_looking_is_logged(
    data: Path, session: str, handrail: Handrail
) -> None:
    """Of all fields or of one; the audit log tells who looked at which."""
    every = handrail("session", "history", session, "--data", data, "--json").json
    assert {"last-name", "first-name"} <= {one["field_id"] for one in every}
    named = handrail("session", "history", session, "--field", "last-name", "--data", data)
    assert named.code == 0
    assert "last-name" in named.out
    assert "first-name" not in named.out
    log = handrail("audit", "list", "--session", session, "--data", data, "--json")
    assert "FieldHistorySeen" in {json.loads(line)["what"] for line in log.out.splitlines()}


def test_earlier_answers_are_in_the_record(
    data: Path, session: str, handrail: Handrail, tmp_path: Path
) -> None:
    """The JSON export holds each change with both values, unmasked, until the purge."""
    record = tmp_path / "record.json"
    ran = handrail(
        "session", "export", session, "--format", "json", "--output", record, "--data", data
    )
    assert ran.code == 0, ran.err
    content = json.loads(record.read_bytes())
    entered = {one["field_id"]: one["after"] for one in content["history"]}
    answers = {one["field_id"]: one["value"] for one in content["answers"]}
    assert answers.keys() <= entered.keys()
    assert entered["last-name"] == answers["last-name"]
