"""Whatever a person types is answered with a sentence: no input is a defect of the program.

All commands, each with every option and argument in turn set to what it cannot be.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import app

from .conftest import Handrail, Ran


def _commands(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            if command.invoke_without_command:
                yield (*names, name), command
            yield from _commands(command, (*names, name))
        else:
            yield (*names, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))
LIVE = {("demo",), ("soak",)}
"""They start boxes of their own: of these, only what is refused before that is typed."""

ORDINARY = {
    "account": "x",
    "backup": "missing",
    "device": "nobody",
    "field": "f",
    "file": "junk",
    "flow": "no-such-flow",
    "flow_id": "no-such-flow",
    "name": "x",
    "new": "junk",
    "old": "junk",
    "person": "p-000000000000",
    "reason": "x",
    "role": "patient",
    "room": "x",
    "rules_file": "junk",
    "session": "s-000000000000",
    "sessions": "s-000000000000",
}
"""Values for what a command requires, while something else is wrong."""
WRONG = ("", "x" * 3_000, "a\x07b", "\udcff", "-1", "9" * 30, "folder", "junk", "junk/below")
"""Empty, too long, a control character, a byte that is no text, numbers, paths of a wrong kind."""
MOMENTS = ("0001-01-01", "9999-12-31T23:59:59", "99999-01-01", "2026-02-30", "999999y", "1e9d")
NUMBERS = ("-1", "0", "1.5", "nan", "1e400", "0x10", str(2**63), str(-(2**63) - 1))
FILES = {
    "nul.json": b"\0" * 64,
    "utf16.json": '{"resourceType": "Questionnaire"}'.encode("utf-16"),
    "latin1.yaml": "resourceType: Questionnaire\ntitle: Caf\xe9\n".encode("latin-1"),
    "png.bin": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
    "pdf.bin": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
    "deep.json": b"[" * 100_000,
    "closed.json": b"[" * 50_000 + b"]" * 50_000,
    "open.json": b'{"resourceType": "Questionnaire", "item": [',
    "surrogate.json": b'{"resourceType": "Questionnaire", "title": "\\ud800"}',
    "number.json": b'{"resourceType": "Questionnaire", "item": [{"maxLength": 1e999}]}',
    "twice.json": b'{"resourceType": "Questionnaire", "resourceType": "Questionnaire"}',
    "scalar.json": b"7",
    "list.json": b"[]",
    "anchors.yaml": b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nitem: [*c, *c]\n",
    "tag.yaml": b"!!python/object/apply:os.system ['true']\n",
    "tabs.yaml": b"item:\n\t- linkId: a\n",
    "empty": b"",
    "one.csv": b"name;role\nFront desk;facility\n",
    "two.csv": b'name,role\n"Front desk,facility\n',
    "three.csv": b"name,role\n" + b"x" * 200_000 + b",patient\n",
    "four.csv": b"name,role\nA\x07B,patient\n\xff,patient\n",
    "broken.toml": b"= [",
}
"""What is not a form, a mapping, a list of devices, rules, a record or a key."""


@pytest.fixture
def typed(handrail: Handrail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Handrail:
    """Run a command among files of the wrong kind; nothing that is right serves."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "junk").write_bytes(b"\x00\xff{ not: json, nor CSV\n")
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr("clients.cli.running.run_until_told", lambda *_: None)
    return handrail


def _lines(names: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    """Yield the command lines to try: each parameter in turn with each wrong value."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one not in arguments and not one.is_flag]
    for wrong in (*arguments, *(one for one in options if one.name != "data")):
        for value in _wrong(wrong):
            given = [
                f"{one.opts[0]}={value if one is wrong else ORDINARY[one.name]}"
                for one in options
                if one is wrong or one.required or one.name == "role"
            ]
            named = [value if one is wrong else ORDINARY[one.name] for one in arguments]
            yield (*names, *given, "--", *named) if named else (*names, *given)


def _wrong(parameter: Any) -> Iterator[str]:
    """Yield the wrong values for a parameter of its type."""
    yield from WRONG
    kind = parameter.type_descriptor.annotation
    if kind is Path:
        yield from FILES
    elif kind in (int, float):
        yield from NUMBERS
    elif kind in (datetime, timedelta):
        yield from MOMENTS


def fault_of(ran: Ran, line: tuple[object, ...]) -> str | None:
    """Return what is wrong with how a command ended, or None."""
    text = ran.out + ran.err
    if "internal error" in text or "Traceback" in text:
        return f"{line}: {text[-400:]}"
    if ran.code not in (0, 1, 2, 3, 4):
        return f"{line}: exit code {ran.code}: {text[-400:]}"
    # The exit code of `doctor` is the worst level that it found, as Nagios expects.
    if ran.code in (2, 3) and not ran.err.strip() and line[0] != "doctor":
        return f"{line}: exit code {ran.code}, and not a word"
    return None


@pytest.mark.parametrize("names", sorted(COMMANDS.keys() - LIVE), ids=" ".join)
def test_wrong_values_are_answered(names: tuple[str, ...], data: Path, typed: Handrail) -> None:
    """A documented exit code and a sentence; never 'internal error', never a traceback."""
    command = COMMANDS[names]
    more = ("--data", str(data)) if names[0] not in ("serve", "broker") else ()
    at = len(names)
    lines = [(*line[:at], *more, *line[at:]) for line in _lines(names, command)]
    found = (fault_of(typed(*line), [w[:60] for w in line]) for line in lines)
    assert [fault for fault in found if fault] == []


@pytest.mark.parametrize(
    "line",
    [
        ("device", "enrol", "", "--role", "patient"),
        ("device", "enrol", "x"),
        ("device", "list", "--no-such-option"),
        ("session", "list", "--limit", "x"),
        ("session", "list", "--limit"),
        ("flow", "check", "missing.json"),
        ("session", "show", "S 1"),
    ],
    ids=" ".join,
)
def test_wrong_use_as_json(line: tuple[str, ...], data: Path, typed: Handrail) -> None:
    """`--json` is for errors too: one object on stderr, nothing on stdout, exit code 2."""
    more = () if line[:2] == ("flow", "check") else (f"--data={data}",)
    ran = typed(*line[:2], "--json", *more, *line[2:])
    error = json.loads(ran.err)["error"]
    assert (ran.code, ran.out) == (2, "")
    assert (error["code"], error["exit_code"]) == ("usage", 2)
    assert error["message"]


def test_a_refusal_as_json(data: Path, typed: Handrail) -> None:
    """The code of the rejection, its sentence, and what it says for programs."""
    ran = typed("device", "revoke", "nobody", "--data", data, "--json")
    error = json.loads(ran.err)["error"]
    assert (ran.code, ran.out) == (1, "")
    assert error["code"] == "not_a_participant"
    assert "no such device" in error["message"]
    limit = typed("device", "enrol", "x" * 65, "--role", "patient", "--data", data, "--json")
    assert json.loads(limit.err)["error"]["details"] == {"name": "must be at most 64 characters"}


def test_no_box_as_json(typed: Handrail) -> None:
    """Exit code 3, as `no_box`."""
    ran = typed("session", "watch", "s-1", "--data", "none", "--json")
    assert ran.code == 3
    assert json.loads(ran.err)["error"]["code"] == "no_box"


BROKEN = (
    "admin.json",
    "box.json",
    "box.key",
    "delivery.json",
    "handrail.sqlite",
    "lock",
    "recovery.json",
)
CONTENTS = {
    "junk": b"\x00\xff{ not: json",
    "list": b"[1, 2]",
    "object": b'{"v": 1, "site": 3, "mqtt": 7, "destinations": "x", "admin-1": {}}',
    "null": b"null",
    "empty": b"",
}


@pytest.mark.parametrize("kind", [*CONTENTS, "a folder"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_of_a_data_folder(
    name: str, kind: str, typed: Handrail, tmp_path: Path
) -> None:
    """A file that is not what it should be is named, or does not matter; also by `doctor`."""
    data = tmp_path / "data"
    assert typed("device", "enrol", "Desk", "--role", "facility", "--data", data).code == 0
    (data / name).unlink(missing_ok=True)
    if kind == "a folder":
        (data / name).mkdir()
    else:
        (data / name).write_bytes(CONTENTS[kind])
    lines = (("doctor",), ("deliver", "list"), ("device", "list"), ("audit", "list"), ("serve",))
    lines += (("key", "recovery", "show"), ("key", "recovery", "create"), ("backup",))
    found = [fault_of(typed(*line, "--data", data), line) for line in lines]
    assert [fault for fault in found if fault] == []


OUTSIDE = ("broker", "schema", "acl", "reference", "find")
"""They have no data folder."""


@pytest.mark.parametrize("where", ["junk", "junk/below", "x" * 3_000])
@pytest.mark.parametrize(
    "names", [names for names in sorted(COMMANDS) if names[0] not in OUTSIDE], ids=" ".join
)
def test_a_data_folder_that_is_none(names: tuple[str, ...], where: str, typed: Handrail) -> None:
    """A file, a path through a file, a name that is too long: a sentence, and no box."""
    needed = [
        f"{one.opts[0]}={ORDINARY[one.name]}" if one.param_type_name == "option" else "x"
        for one in COMMANDS[names].params
        if one.param_type_name == "argument" or one.required or one.name == "role"
    ]
    as_json = ["--json"] if any(one.name == "as_json" for one in COMMANDS[names].params) else []
    ran = typed(*names, "--data", where, *as_json, *needed)
    assert fault_of(ran, names) is None
    assert ran.code != 0
    if as_json and ran.code != 1 and names[0] != "doctor":
        assert json.loads(ran.err)["error"]["exit_code"] == ran.code
