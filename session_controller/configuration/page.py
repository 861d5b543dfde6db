"""Writes the table of all keys into docs/reference/configuration.md.

`python -m session_controller.configuration.page docs/reference/configuration.md`; a test compares
the page with the keys.
"""

import sys
from pathlib import Path

from session_controller.configuration.sections import Known, known
from session_controller.configuration.values import written

_HEAD = "| key | option | default | what it sets | why this default | a change needs |"


def table() -> str:
    """Return the table of all keys as Markdown."""
    rule = " | ".join(["---"] * (_HEAD.count("|") - 1))
    return "\n".join([_HEAD, f"| {rule} |", *map(_row, known())])


def _row(one: Known) -> str:
    said = one.said
    default = said.unset if one.default is None else f"`{written(one.default)}`"
    option = f"`{said.option}`" if said.option else ""
    about = said.about.replace("|", "\\|")
    cells = (
        f"`{one.path}`",
        option,
        default,
        about,
        said.why,
        "reload" if said.live else "restart",
    )
    return f"| {' | '.join(map(str, cells))} |".replace("  |", " |")


def with_table(page: str) -> str:
    """Return a page with its table of keys as it should be."""
    before, _, after = page.partition(_HEAD)
    rest = after[after.index("\n\n") :]
    return f"{before}{table()}{rest}"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_table(file.read_text("utf-8")), "utf-8")
