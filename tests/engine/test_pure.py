"""The rules and the forms are pure: time is an argument, and nothing is opened.

The linter of imports keeps `time`, `random`, `os` and the like out (pyproject.toml). What is left
comes without an import of its own: the clock of `datetime`, and `open`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = ("schemas", "session_controller/engine", "session_controller/forms")
_CLOCKS = {"now", "today", "utcnow"}
_OPENS = {"open", "input", "exec", "eval", "__import__"}


def impure_calls(path: Path) -> Iterator[str]:
    """Find calls that read a clock, open a file, or run what is written in a string."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(attr=name) if name in _CLOCKS:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {name}"
            case ast.Name(id=name) if name in _OPENS:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {name}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_reads_a_clock_or_opens_a_file(folder: str) -> None:
    """So that any history of commands, replayed, gives the same state."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    assert [call for path in paths for call in impure_calls(path)] == []
