"""Every command is documented, and has help with an example."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli import app

from .conftest import Handrail

ROOT = Path(__file__).parents[2]


def _commands(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            if command.invoke_without_command:
                yield (*names, name), command
            yield from _commands(command, (*names, name))
        else:
            yield (*names, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))
GROUPS = sorted({names[:-1] for names in COMMANDS})


def test_the_reference_is_as_the_program_is(handrail: Handrail) -> None:
    """docs/reference/command-line.md is what `handrail reference` prints."""
    written = (ROOT / "docs" / "reference/command-line.md").read_text()
    assert handrail("reference").out == written, (
        "run `./run handrail reference > docs/reference/command-line.md`"
    )


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_each_command_has_help_with_an_example(names: tuple[str, ...], handrail: Handrail) -> None:
    """`--help` says what it does and shows how; all but the broker's take `--data`."""
    ran = handrail(*names, "--help")
    assert ran.code == 0
    assert COMMANDS[names].help
    assert f"Example: handrail {' '.join(names)}" in ran.out
    assert names[0] == "broker" or "--data" in ran.out


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
def test_each_group_has_help_with_an_example(names: tuple[str, ...], handrail: Handrail) -> None:
    """The example is one of the group's own commands."""
    ran = handrail(*names, "--help")
    assert ran.code == 0
    assert f"Example: {' '.join(('handrail', *names))} " in ran.out


def test_the_reference_lists_the_allowed_values() -> None:
    """Of an option whose values are in `--help` only, since it has no metavar."""
    written = (ROOT / "docs" / "reference/command-line.md").read_text()
    assert r"`--format pdf\|fhir\|questionnaire-response\|json\|csv`" in written
    assert r"`--paper us-letter\|a4`" in written


def test_no_example_serves_the_network_in_the_clear() -> None:
    """An example that listens beyond loopback uses TLS."""
    epilog = COMMANDS["serve",].epilog
    assert "--http-redirect" in epilog or "127.0.0.1" in epilog  # it requires TLS


def test_the_program_without_a_command_shows_its_help(handrail: Handrail) -> None:
    """It names all exit codes; a command that is none is wrong use."""
    ran = handrail("--help")
    assert ran.code == 0
    said = " ".join(ran.out.split())
    assert "0 success, 1 refused or failed, 2 invalid usage, 3 no box can be reached" in said
    assert "130 interrupted" in said
    assert handrail("no-such-command").code == 2
    assert handrail("--version").out.startswith("handrail ")
