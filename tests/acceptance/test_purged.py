"""After a purge no byte of what a patient entered is anywhere: folder, logs, copies, restores."""

import json
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.playing import OURS, Played, play
from tests.cli.conftest import Handrail, Serving
from tests.delivery.fhir_server import FhirServer, Trouble

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


_LOCAL = 200
"""Of a large value, SQLite keeps at least 489 bytes in one place (its file format, 1.6)."""


def leaves(value: Any) -> Iterator[str]:
    """Give every text in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, str):
        yield value


def entered(played: Played) -> list[bytes]:
    """Give what the patient entered: texts that are not the form's own, strokes, documents."""
    form = json.dumps(played.form, ensure_ascii=False)
    texts = {text for text in leaves(list(played.said.values())) if text not in form}
    texts |= {one.printed_name for one in played.signed}
    strokes = {json.dumps(one.strokes[0][:3], separators=(",", ":")) for one in played.signed}
    words = [text.encode() for text in texts | strokes if len(text) >= 6]
    return [*words, *(data[20:60] for data in played.result.documents.values())]


def stored(data: Path, session: str) -> list[bytes]:
    """Give what the box stores of a session, as it stores it: its key first, wrapped."""
    with closing(sqlite3.connect(f"file:{data}/handrail.sqlite?mode=ro", uri=True)) as db:
        queries = (
            "SELECT wrapped FROM keys WHERE name='session:' || ?",
            "SELECT state FROM sessions WHERE session=?",
            "SELECT content FROM events WHERE session=? AND revision IS NOT NULL",
            "SELECT outcome FROM deliveries WHERE session=?",
        )
        found = [bytes(row[0]) for query in queries for row in db.execute(query, [session])]
    files = (data / "documents" / session).iterdir()
    whole = found + [file.read_bytes() for file in files]
    return [piece[:_LOCAL] for piece in whole]


def found_in(folder: Path, pieces: list[bytes]) -> list[str]:
    """Name the files below a folder that hold any of the pieces, whatever kind of file."""
    contents = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [
        f"{path.relative_to(folder)}: {len(piece)} bytes"
        for path, content in contents.items()
        for piece in pieces
        if piece in content
    ]


def test_nothing_is_left(tmp_path: Path, handrail: Handrail, fhir_server: FhirServer) -> None:
    """In the folder, while the box serves and after; in its log; in a backup that is restored."""
    home, data = tmp_path / "box", tmp_path / "box" / "data"
    home.mkdir()
    copy = tmp_path / "stick" / "handrail.backup"
    copy.parent.mkdir()
    with Serving(data) as serving:
        handrail("deliver", "add", "ehr", "--fhir", fhir_server.base, "--data", data)
        quoting = {"resourceType": "OperationOutcome", "issue": []}
        fhir_server.troubles = deque([Trouble(422, body=quoting, on="/fhir")])
        played = play(data, OURS, seed=3)
        handrail("deliver", "now", "--data", data)
        handrail("session", "show", played.session, "--data", data)
        words = entered(played)
        assert len(words) > 20
        sealed = stored(data, played.session)
        assert len(sealed) > 60
        assert len(found_in(home, sealed)) >= len(sealed)
        assert found_in(home, words) == []
        assert handrail("backup", "--data", data).code == 0
        assert handrail("backup", "--to", copy, "--data", data).code == 0
        assert found_in(tmp_path / "stick", sealed)
        ran = handrail("session", "purge", played.session, "--undelivered", "--data", data)
        assert ran.code == 0, ran.err
        _nowhere(home, words, sealed)
        assert serving.end() == 0
    _nowhere(home, words, sealed)
    taken = sorted((data / "backups").glob("*.sqlite"))
    assert taken
    for backup in (*taken, copy):
        ran = handrail("restore", backup, "--data", data)
        assert ran.code == 0, ran.err
        assert found_in(home, words) == []
        _only_that_it_was(handrail, data, played, words)


def _nowhere(home: Path, words: list[bytes], sealed: list[bytes]) -> None:
    """Of what was sealed nothing is left but in backups, and there not its key (the first)."""
    assert found_in(home, words) == []
    beyond = [f for f in found_in(home, sealed) if not f.startswith("data/backups/")]
    assert beyond == []
    assert found_in(home, sealed[:1]) == []


def _only_that_it_was(handrail: Handrail, data: Path, played: Played, words: list[bytes]) -> None:
    assert handrail("audit", "verify", "--data", data).code == 0
    assert handrail("session", "export", played.session, "--format", "csv", "--data", data).code
    listed = handrail("audit", "list", "--session", played.session, "--data", data, "--json").out
    kinds = {json.loads(line)["what"] for line in listed.splitlines()}
    assert {"Signed", "Completed", "SessionPurged"} <= kinds
    assert not any(word.decode(errors="replace") in listed for word in words)
