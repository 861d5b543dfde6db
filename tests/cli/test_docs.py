"""The commands that the docs tell people to type are there, with the options that they show."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
_FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NO_COMMANDS = ("handrail ready", "handrail broker ready", "handrail export seal")
"""What the program says, and what a signature begins with."""
_INLINE = re.compile(r"`((?:\./run )?handrail [^`]+)`")


def commands_of(text: str) -> list[str]:
    """Find what a page shows of our command line, in blocks and within sentences."""
    blocks = "\n".join(_FENCED.findall(text)).replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in blocks.splitlines()]
    prose = [" ".join(one.split()) for one in _INLINE.findall(_FENCED.sub("", text))]
    found = [*lines, *prose]
    said = [one.removeprefix("./run ") for one in found]
    return [
        one for one in said if re.match(r"handrail [a-z]", one) and not one.startswith(_NO_COMMANDS)
    ]


def faults_of(line: str) -> list[str]:
    """Say what is wrong with a command as it is shown."""
    words = shlex.split(line.replace(" …", "").replace("…", "x"), comments=True)[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands") and words and re.match(r"[a-z]", words[0]):
        return [f"{line}: there is no {words[0]}"]
    known = {name for one in command.params for name in [*one.opts, *one.secondary_opts]}
    options = [re.split("[=|]", word)[0] for word in words if word.startswith("--")]
    return [f"{line}: no {one}" for one in options if one not in known | {"--help", "--version"}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_is_there(page: Path) -> None:
    """By its name and by its options, so that what is typed as written is understood."""
    assert [one for line in commands_of(page.read_text()) for one in faults_of(line)] == []


def test_the_pages_show_commands() -> None:
    """They are found in blocks, over several lines, and within sentences."""
    beyond = commands_of((ROOT / "docs" / "beyond-loopback.md").read_text())
    assert any("--tls-cert" in line and "--http" in line for line in beyond)
    delivery = commands_of((ROOT / "docs" / "delivery.md").read_text())
    assert any(line.startswith("handrail deliver add central") for line in delivery)
    assert faults_of("handrail deliver add x --no-such-thing")
    assert faults_of("handrail deliver nothing")
