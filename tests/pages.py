"""Read what a page of the documentation says: its sections, and the tables in them."""

import re

from tests.conftest import ROOT

_CODE = re.compile(r"`([^`]+)`")
_BETWEEN_CELLS = re.compile(r"(?<!\\)\|")


def section(page: str, heading: str) -> str:
    """Return the text below a heading of a page in docs/, up to the next one of its level."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    level = len(heading.partition(" ")[0])
    _, found, after = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"{page} has no section {heading!r}"
    return re.split(rf"^#{{1,{level}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the tables in a section, cell by cell, without their heads."""
    lines = section(page, heading).splitlines()
    found = [line for line in lines if line.startswith("|")]
    ruled = {at for at, line in enumerate(found) if not set(line) - set("|-: ")}
    heads = ruled | {at - 1 for at in ruled}
    return [
        [cell.strip() for cell in _BETWEEN_CELLS.split(line)[1:-1]]
        for at, line in enumerate(found)
        if at not in heads
    ]


def codes(cell: str) -> list[str]:
    """Return what a cell, or any text, shows as code."""
    return [one.replace("\\|", "|") for one in _CODE.findall(cell)]


def first_codes(page: str, heading: str) -> list[str]:
    """Return what the first cells of a section's tables show as code, in order."""
    return [code for row in rows(page, heading) for code in codes(row[0])]
