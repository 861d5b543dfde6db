"""Whoever changes the log, a document or a record is found, and what was changed is named."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app
from tests.acceptance.playing import Played
from tests.cli.conftest import Handrail

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Tamper = Callable[[sqlite3.Connection], Any]


@pytest.fixture(scope="module")
def intact(ours: Played, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box at rest: restored from a backup of the one that serves, before any harm."""
    assert ours.session
    copy = tmp_path_factory.mktemp("copy") / "handrail.backup"
    folder = copy.with_name("data")
    for words in (["backup", "--to", copy, "--data", data], ["restore", copy, "--data", folder]):
        assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    return folder


@pytest.fixture
def box(intact: Path, tmp_path: Path) -> Path:
    """A copy of it, to do harm to."""
    return Path(shutil.copytree(intact, tmp_path / "box"))


def harm(box: Path, tamper: Tamper) -> Any:
    """Change the database, as somebody with an editor for it would."""
    with closing(sqlite3.connect(box / "handrail.sqlite", isolation_level=None)) as db:
        return tamper(db)


def entry_of(box: Path, kind: str) -> int:
    """Return the number of the first entry of a kind."""
    query = "SELECT id FROM events WHERE kind=? ORDER BY id"
    found: int = harm(box, lambda db: db.execute(query, [kind]).fetchone()[0])
    return found


def test_without_harm_the_log_is_whole(box: Path, handrail: Handrail) -> None:
    """What the other tests start from is found to be in order."""
    ran = handrail("audit", "verify", "--data", box, "--json")
    assert (ran.code, ran.json["faults"]) == (0, [])


@pytest.mark.parametrize("kind", ["FieldEntered", "Signed", "DocumentReviewed", "DeviceEnrolled"])
def test_any_byte_of_an_entry(box: Path, handrail: Handrail, kind: str) -> None:
    """A bit that is turned anywhere in what an entry says is found, and its entry is named."""
    number = entry_of(box, kind)
    select, update = (
        "SELECT content FROM events WHERE id=?",
        "UPDATE events SET content=? WHERE id=?",
    )
    (before,) = harm(box, lambda db: db.execute(select, [number]).fetchone())
    text = isinstance(before, str)
    content = before.encode() if text else before
    for at in (0, len(content) // 3, len(content) - 1):
        turned = bytearray(content)
        turned[at] ^= 1
        value = turned.decode() if text else bytes(turned)
        harm(box, lambda db, value=value: db.execute(update, [value, number]))
        found = handrail("audit", "verify", "--data", box)
        assert found.code == 1
        assert f"entry {number} ({kind}" in found.err
        assert "its content was changed" in found.err


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("at", "'2026-01-01T00:00:00.000Z'", "entry {0} ("),
        ("kind", "'FieldCleared'", "entry {0} ("),
        ("device", "'somebody-else'", "entry {0} ("),
        ("session", "'s-another'", "entry {0} ("),
        ("revision", "revision + 1", "entry {0} ("),
        ("seq", "seq + 1000", "entry {0} ("),
        ("command_id", "'another'", "entry {0} ("),
        ("content", "NULL", "its content was removed"),
        ("content_sha256", "zeroblob(32)", "entry {0} ("),
        ("chain", "zeroblob(32)", "entry {0} ("),
    ],
)
def test_every_column_of_an_entry(
    box: Path, handrail: Handrail, column: str, value: str, says: str
) -> None:
    """Who, when, what kind and in which order: nothing can be said otherwise."""
    number = entry_of(box, "FieldEntered")
    harm(box, lambda db: db.execute(f"UPDATE events SET {column}={value} WHERE id=?", [number]))
    found = handrail("audit", "verify", "--data", box)
    assert found.code == 1
    assert says.format(number) in found.err, found.err


def test_entries_that_are_cut_out_or_put_in(box: Path, handrail: Handrail) -> None:
    """A gap and a stranger are both named by their number."""
    number = entry_of(box, "Signed")
    newest = harm(box, lambda db: db.execute("SELECT max(id) FROM events").fetchone()[0])
    harm(box, lambda db: db.execute("DELETE FROM events WHERE id=?", [number]))
    found = handrail("audit", "verify", "--data", box)
    assert found.code == 1
    assert f"entry {number} was removed" in found.err
    columns = "at,kind,session,revision,device,NULL,command_id,content,content_sha256,chain,person"
    copied = f"INSERT INTO events SELECT ?,{columns} FROM events WHERE id=?"
    harm(box, lambda db: db.execute(copied, [newest + 1, number - 1]))
    found = handrail("audit", "verify", "--data", box)
    assert f"entry {newest + 1} (" in found.err
    assert "was changed or inserted" in found.err


def test_a_state_that_was_swapped(
    wavering: Played, data: Path, tmp_path: Path, handrail: Handrail
) -> None:
    """What a session holds cannot be put in another session's place."""
    assert handrail("backup", "--to", tmp_path / "copy", "--data", data).code == 0
    assert handrail("restore", tmp_path / "copy", "--data", tmp_path / "box").code == 0
    swap = (
        "UPDATE sessions SET state=(SELECT state FROM sessions WHERE session<>?1 LIMIT 1)"
        " WHERE session=?1"
    )
    harm(tmp_path / "box", lambda db: db.execute(swap, [wavering.session]))
    found = handrail("audit", "verify", "--data", tmp_path / "box")
    assert found.code == 1
    assert wavering.session in found.err


def test_any_byte_of_a_document(ours: Played, box: Path, handrail: Handrail) -> None:
    """A document that was changed, cut or taken away is named by session and field."""
    files = sorted((box / "documents" / ours.session).iterdir())
    assert len(files) == len(ours.result.documents)
    for file in files:
        whole = file.read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 1):
            turned = bytearray(whole)
            turned[at] ^= 1
            file.write_bytes(turned)
            _changed(handrail, box, ours, "was changed")
        file.write_bytes(whole[:-1])
        _changed(handrail, box, ours, "was changed")
        file.unlink()
        _changed(handrail, box, ours, "is missing")
        file.write_bytes(whole)
    assert handrail("audit", "verify", "--data", box).code == 0


def _changed(handrail: Handrail, box: Path, played: Played, how: str) -> None:
    found = handrail("audit", "verify", "--data", box, "--json")
    (fault,) = found.json["faults"]
    assert fault.startswith(f"{played.session}: the document of ")
    assert fault.split(" of ")[1].split(" ")[0] in played.result.documents
    assert fault.endswith(how)


@pytest.mark.parametrize("form", ["pdf", "fhir", "json", "csv", "questionnaire-response"])
def test_any_byte_of_a_record(
    ours: Played, data: Path, tmp_path: Path, handrail: Handrail, form: str
) -> None:
    """Wherever a record or its seal is changed, cut or made longer, it is no longer genuine."""
    file = tmp_path / f"record.{form}"
    handrail("session", "export", ours.session, "--format", form, "--output", file, "--data", data)
    key = handrail("key", "show", "--data", data, "--json").json["public_key"]
    whole = file.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 12)):
        turned = bytearray(whole)
        turned[at] ^= 1
        file.write_bytes(turned)
        ran = handrail("record", "verify", file, "--key", key, "--json")
        assert ran.code == 1
        assert ran.json["faults"] == ["the content was changed after the export"]
    for other in (whole[:-1], whole + b" ", b""):
        file.write_bytes(other)
        assert handrail("record", "verify", file, "--key", key).code == 1
    file.write_bytes(whole)
    seal = file.with_name(f"{file.name}.seal.json")
    text = seal.read_bytes()
    for at in range(0, len(text), 29):
        turned = bytearray(text)
        turned[at] ^= 1
        seal.write_bytes(turned)
        assert handrail("record", "verify", file, "--key", key).code in {1, 2}, at
    seal.write_bytes(text)
    assert json.loads(text)["public_key"] == key
    assert handrail("record", "verify", file, "--key", key).code == 0
