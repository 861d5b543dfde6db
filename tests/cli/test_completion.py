"""The scripts of each shell complete what the commands accept, and the manual page shows them."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.machine import require

from .conftest import Handrail
from .test_help import COMMANDS

_SHOWN = [" ".join(names) for names, command in COMMANDS.items() if not command.hidden]

_TRY = {
    "bash": """
        . "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _handrail
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        _describe() { print -l -- "${(@P)2%%:*}" }
        _files() { true }
        script=$1; shift
        words=("$@") CURRENT=$#
        source $script
    """,
    "fish": 'source $argv[1]; complete -C "$argv[2..]" | string split -f1 \\t; true',
}
"""Prints what is completed for the words after the script's name, a line each."""


class Completion:
    """A shell with the script."""

    def __init__(self, shell: str, script: Path) -> None:
        (self._program,) = require(shell)
        self._shell, self._script = shell, script

    def __call__(self, *words: str) -> set[str]:
        """Return what is offered for the last word, of those that begin with it."""
        options = {"bash": ["-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[self._shell]
        name = [] if self._shell == "fish" else [self._shell]
        order = [self._program, *options, _TRY[self._shell], *name, self._script, *words]
        ran = subprocess.run(
            order,
            capture_output=True,
            text=True,
            check=True,
            cwd=self._script.parent,
            env={"PATH": os.environ["PATH"], "HOME": str(self._script.parent)},
        )
        assert ran.stderr == ""
        return {line for line in ran.stdout.split() if line.startswith(words[-1])}


@pytest.fixture(params=["bash", "zsh", "fish"])
def completion(request: pytest.FixtureRequest, handrail: Handrail, tmp_path: Path) -> Completion:
    """Return a shell that has read the script that the program prints."""
    script = tmp_path / "script"
    script.write_text(handrail("completion", request.param).out)
    return Completion(request.param, script)


def test_commands_and_their_groups(completion: Completion) -> None:
    """The first word and the second, also after options; none that is hidden."""
    assert completion("handrail", "") >= {"serve", "session", "doctor"}
    assert "reference" not in completion("handrail", "r")
    assert completion("handrail", "session", "o") == {"open"}
    assert completion("handrail", "session", "") == {
        one.split()[1] for one in _SHOWN if one.startswith("session ")
    }


def test_options_of_the_command_that_is_typed(completion: Completion) -> None:
    """And of no other; an argument that reads like a command is none."""
    offered = completion("handrail", "session", "open", "--")
    shown = {name for option in COMMANDS["session", "open"].params for name in option.opts}
    assert offered == {name for name in shown if name.startswith("--")} | {"--help"}
    assert "--label" in completion("handrail", "session", "open", "serve", "--la")


def test_values_of_an_option(completion: Completion) -> None:
    """The words it allows; else files, which the shell adds by itself."""
    assert completion("handrail", "session", "export", "--format", "") >= {"pdf", "fhir"}
    assert completion("handrail", "serve", "--site", "s") <= {"script"}


def test_the_manual_page_has_each_command(handrail: Handrail, tmp_path: Path) -> None:
    """`man` shows it without a warning, with no mark of Markdown left."""
    (man,) = require("man")
    page = tmp_path / "handrail.1"
    page.write_text(handrail("reference", "--man").out)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "100"}
    shown = subprocess.run(
        [man, "--warnings", "-l", page], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""
    assert [one for one in _SHOWN if f"\n   handrail {one}\n" not in shown.stdout] == []
    assert "--format pdf|fhir|questionnaire-response|json|csv" in shown.stdout
    assert "`" not in shown.stdout
    assert "**" not in shown.stdout
