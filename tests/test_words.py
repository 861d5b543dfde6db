"""Docstrings begin as their readers expect: with 'Return', 'Send', 'Record', or a sentence."""

import re

import pytest

from tests.conftest import ROOT

FOLDERS = (
    "benchmarks/**/*.py",
    "broker/**/*.py",
    "clients/web/src/**/*.ts*",
    "clients/web/tests/**/*.ts*",
    "cli.py",
    "hatch_build.py",
    "clients/**/*.py",
    "schemas/**/*.py",
    "session_controller/**/*.py",
    "tests/**/*.py",
)
_AVOIDED = re.compile(
    r'^\s*(?:r?"""|/\*\*\s+)((?:Gives?|Tells?|Says?|Takes?|Have|Hears?|Lets?)\b.*)', re.MULTILINE
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_docstring_begins_with_an_avoided_word(folder: str) -> None:
    """'Return the view', not 'Give the view'."""
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted(ROOT.glob(folder))
        for text in _AVOIDED.findall(path.read_text())
    ]
    assert found == []
