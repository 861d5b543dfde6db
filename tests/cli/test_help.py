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
            yield from _commands(command, (*names, name))
        else:
            yield (*names, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def test_the_reference_is_as_the_program_is(handrail: Handrail) -> None:
    """docs/command-line.md is what `handrail reference` prints."""
    written = (ROOT / "docs" / "command-line.md").read_text()
    assert handrail("reference").out == written, (
        "run `./run handrail reference > docs/command-line.md`"
    )


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_each_command_has_help_with_an_example(names: tuple[str, ...], handrail: Handrail) -> None:
    """`--help` says what it does and shows how; all but the broker's take `--data`."""
    ran = handrail(*names, "--help")
    assert ran.code == 0
    assert COMMANDS[names].help
    assert f"Example: handrail {' '.join(names)}" in ran.out
    assert names[0] == "broker" or "--data" in ran.out


def test_the_program_without_a_command_shows_its_help(handrail: Handrail) -> None:
    """It names all exit codes; a command that is none is wrong use."""
    ran = handrail("--help")
    assert ran.code == 0
    assert "Exit codes: 0 done" in ran.out
    assert handrail("no-such-command").code == 2
    assert handrail("--version").out.startswith("handrail ")
