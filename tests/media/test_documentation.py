"""The page about documents names what the code knows."""

from pathlib import Path

from session_controller.media import kinds
from session_controller.media.outcome import REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "reference/documents.md").read_text(encoding="utf-8")


def test_every_reason_stands_on_the_page() -> None:
    """Whoever builds a screen finds each word that a refusal may bear, and no other."""
    rows = {line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")}
    assert {row for row in rows if "/" not in row and row != "reason"} == REASONS


def test_every_known_kind_stands_on_the_page() -> None:
    """What is taken where a flow names nothing is listed."""
    assert not [kind for kind in kinds.KNOWN if f"`{kind}`" not in PAGE]
