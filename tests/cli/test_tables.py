"""Lists for people: nothing that a person copies is cut, however narrow the terminal."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Group
from rich.text import Text

from clients.cli import output
from clients.cli.output import moment, moment_of, print_table

from .conftest import Handrail

WIDTHS = (40, 60, 80, 120)
ID = "s-0123456789ab"
AT = "2026-11-29 16:16:22+01:00"
LONG = "a label of many words, which somebody typed at the front desk"
COLUMNS = ("session", "label", "status", "host", "last change")
ROWS = [(ID, LONG, "active", "front-desk", AT), ("s-1", "", "waiting", "", AT)]
LOCAL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d")


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A terminal of that width, without color."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("NO_COLOR", "1")
    found: int = request.param
    return found


def test_a_table_fits_and_cuts_nothing(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is as wide as the terminal at most; ids and times are in one piece each."""
    print_table(COLUMNS, ROWS, "none", prose=("label",), spare=("host",))
    out = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    assert ID in out
    assert all(part in out for part in AT.split())
    assert all(word in out for word in LONG.split())
    assert "\x1b" not in out


def test_spare_columns_go_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column that can be spared goes before an id or a time wraps."""
    monkeypatch.setenv("COLUMNS", "72")
    print_table(COLUMNS, ROWS, "none", prose=("label",), spare=("host",))
    out = capsys.readouterr().out
    assert "front-desk" not in out
    assert AT in out


def test_a_row_that_fits_in_no_table_is_a_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name and a value on each line, and all columns again."""
    monkeypatch.setenv("COLUMNS", "60")
    name = "d" * 45
    print_table(COLUMNS, [(name, "", "active", name, AT)], "none", spare=("host",))
    out = capsys.readouterr().out
    assert out.count(name) == 2
    assert re.search(rf"^last change +{re.escape(AT)}", out, re.MULTILINE)
    assert "label" not in out, "it is empty"


def test_control_characters_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What a label or a changed file holds does not act on the terminal."""
    print_table(("name",), [("a\x1b[2Jb\nc",)], "none")
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in capsys.readouterr().out


def test_times_are_local_with_their_offset() -> None:
    """`2026-11-29 17:16:22+01:00`; what is no time stays as it is."""
    assert moment(None) == ""
    assert LOCAL.fullmatch(moment_of("2026-11-29T16:16:22.123Z"))
    assert moment_of("changed by hand") == "changed by hand"


@pytest.mark.parametrize("columns", [60, 80])
def test_every_list_is_whole_when_it_is_narrow(
    data: Path, handrail: Handrail, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids as in the JSON, and times with their offset, in each list."""
    label = "Room 12, the second one on the left behind the stairs"
    order = ("session", "open", "quick-check-in", "--label", label, "--data", data)
    handrail(*order)
    handrail("device", "enrol", "Kiosk", "--role", "patient", "--data", data)
    folder = Path("deliveries-of-completed-sessions")
    folder.mkdir()
    handrail("deliver", "add", f"folder-{columns}", "--folder", folder, "--data", data)
    monkeypatch.setenv("COLUMNS", str(columns))
    for command, key in (
        (("session", "list"), "session"),
        (("device", "list"), "device"),
        (("flow", "list"), "flow_ref"),
    ):
        found = handrail(*command, "--data", data, "--json").json
        out = handrail(*command, "--data", data).out
        assert [one[key] for one in found if one[key] not in out] == [], command
        assert "…" not in out
        assert max(len(line.rstrip()) for line in out.splitlines()) <= columns, command
    assert f"folder-{columns}" in handrail("deliver", "list", "--data", data).out
    lines = handrail("audit", "list", "--data", data).out.splitlines()
    entries = [line for line in lines if not line.startswith(" ")]
    assert len(entries) > 3
    assert all(LOCAL.search(line) for line in entries), "each begins with its time"
    assert max(map(len, lines)) <= columns
    assert LOCAL.search(" ".join(handrail("session", "list", "--data", data).out.split()))


def test_times_in_json_are_in_utc(data: Path, handrail: Handrail) -> None:
    """RFC 3339, with milliseconds and `Z`."""
    handrail("session", "open", "quick-check-in", "--data", data)
    line = handrail("session", "list", "--data", data, "--json").json[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["opened_at"])


def test_a_terminal_without_a_character(tmp_path: Path) -> None:
    """A terminal that knows ASCII alone shows a number for what it lacks; the command goes on."""
    line = [sys.executable, "-m", "cli", "doctor", "--data", str(tmp_path / "n\u00e9ant")]
    known = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        line,
        cwd=Path(__file__).parents[2],
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "does not exist" in ran.stdout
    assert "n\\xe9ant" in ran.stdout
    assert ran.stderr == ""


STRANGE = "a\x1b[2J\x9b31m\x7f\u202e\u2028b\U000e0001"
"""What a form's title, a name, a label or the answer of a FHIR server may hold."""
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0001]")
WRITTEN = "\u0645\u06cc\u200c\u062e\u0648 \U0001f469\u200d\u2695 \u05e9\u05dc\u200f 12\xa0m"
"""Persian with a joiner, an emoji of two, Hebrew with a mark, a space that does not break."""


def _page(text: str) -> None:
    output.out().print(Group(Text(text), text, Text.assemble(("x", "red"), text)))


PRINTERS: dict[str, Callable[[str], object]] = {
    "table": lambda text: print_table(("name",), [(text,)], "none"),
    "rows": lambda text: output.print_rows({"name": 100}, [(text,)], "none"),
    "facts": lambda text: output.print_facts({"name": text}),
    "message": output.say,
    "text": output.echo,
    "page": _page,
    "json": lambda text: output.print_json({text: [text]}),
    "line": lambda text: output.print_line({text: [text]}),
}


@pytest.mark.parametrize("printer", PRINTERS)
def test_nothing_that_is_printed_acts_on_the_terminal(
    printer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Controls and format characters are replaced; in JSON they are escaped: nothing is lost."""
    PRINTERS[printer](STRANGE)
    out, err = capsys.readouterr()
    assert not ACTING.search(out + err)
    assert "b" in out + err
    if printer in {"json", "line"}:
        assert json.loads(out) == {STRANGE: [STRANGE]}
    else:
        assert "\N{REPLACEMENT CHARACTER}" in out + err


@pytest.mark.parametrize("printer", PRINTERS)
def test_what_languages_need_is_printed(printer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Joiners and marks of direction are part of how a name is written."""
    PRINTERS[printer](WRITTEN)
    out, err = capsys.readouterr()
    assert WRITTEN in out + err


def test_one_module_prints() -> None:
    """No command writes to the terminal on its own, but an export, as its bytes are."""
    folder = Path(output.__file__).parent
    found = {
        (file.name, ast.unparse(node.func))
        for place in (folder, folder.parent / "demo")
        for file in place.glob("*.py")
        if file.name != "output.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
    }
    names = {"sys.stdout.write", "sys.stderr.write", "typer.echo", "print", "Console"}
    assert {(file, name) for file, name in found if name in names} == {
        ("lazy.py", "sys.stderr.write")
    }
