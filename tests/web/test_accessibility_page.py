"""The page on accessibility names each criterion, and tests that there are."""

import re
from pathlib import Path

from tests.conftest import ROOT

_PAGE = (ROOT / "docs" / "explanation" / "accessibility.md").read_text(encoding="utf-8")
_A_AND_AA = 55


def test_each_criterion_has_a_row() -> None:
    """Once, with a state."""
    rows = re.findall(r"^\| (\d\.\d\.\d+) [^|]+\| (met|in part|nothing) \|", _PAGE, re.MULTILINE)
    assert len({number for number, _ in rows}) == len(rows) == _A_AND_AA


def test_each_test_that_is_named_is_there() -> None:
    """By its name."""
    written = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", _PAGE))
    assert named
    assert {name for name in named if f"def {name}(" not in written} == set()
