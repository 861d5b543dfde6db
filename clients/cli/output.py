"""Output of the commands: JSON for programs, tables and lines for people."""

import json
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

Line = TypeVar("Line")


def plain(value: "BaseModel | Sequence[BaseModel]") -> Any:
    """Return an answer of the box as JSON, without the fields that only the protocol needs."""
    if isinstance(value, Sequence):
        return [plain(each) for each in value]
    return value.model_dump(mode="json", exclude={"v", "type", "request_id"})


def print_json(value: Any) -> None:
    """Print indented JSON."""
    sys.stdout.write(json_text(value, indent=2) + "\n")
    sys.stdout.flush()


def print_line(value: Any) -> None:
    """Print JSON on one line, and flush."""
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def json_text(value: Any, indent: int | None = None) -> str:
    """Return JSON in which characters that could act on a terminal are escaped (RFC 8259, 7)."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "\n".join(map(_escaped, text.split("\n")))  # in strings, line feeds are escaped


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return _controls().sub(lambda found: json.dumps(found[0])[1:-1], line)


def first(found: Iterable[Line], limit: int) -> tuple[list[Line], bool]:
    """Return the first lines of a list, and whether there are more."""
    lines = list(islice(found, limit + 1))
    return lines[:limit], len(lines) > limit


_WIDE = 200
"""Of an output that is no terminal."""


def out() -> "Console":
    """Return a console on stdout; lines are not wrapped to 80 columns off a terminal."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    return console(file=sys.stdout, width=width, highlight=False, emoji=False)


def console(**options: Any) -> "Console":
    """Return a console on which no text that is printed can act on the terminal."""
    from rich.console import Console
    from rich.segment import Segment

    class Guarded(Console):
        def render(self, *args: Any, **more: Any) -> Iterator[Segment]:
            for text, style, control in super().render(*args, **more):
                yield Segment(text if control else printable_lines(text), style, control)

    return Guarded(**options)


def echo(text: str) -> None:
    """Print text to stdout as it is; what it quotes cannot act on the terminal."""
    sys.stdout.write(printable_lines(text))
    sys.stdout.flush()


def say(text: str) -> None:
    """Print a message to stderr; what it quotes cannot act on the terminal."""
    sys.stderr.write(printable_lines(text) + "\n")
    sys.stderr.flush()


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    empty: str,
    *,
    prose: Collection[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print a table, or the message `empty` to stderr if there are no rows.

    Nothing is cut. If it is too wide, the columns `prose` wrap, and long words are broken there;
    then the columns `spare` are left out, the first ones first, as they are where they are empty;
    then all columns wrap between words; then each row is printed as a block of lines.
    """
    cells = [tuple(map(printable, row)) for row in rows]
    if not cells:
        say(empty)
        return
    screen = out()
    for table in _tables(columns, cells, screen.width, prose, spare):
        screen.print(table)
        return
    for number, row in enumerate(cells):
        if number:
            screen.print()
        print_facts({name: cell for name, cell in zip(columns, row, strict=True) if cell})


def _tables(
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    width: int,
    prose: Collection[str],
    spare: Sequence[str],
) -> "Iterator[Table]":
    """Yield the tables that fit a width, the best one first."""
    filled = [name for n, name in enumerate(columns) if any(row[n] for row in cells)]
    kept = [name for name in columns if name in filled or name not in spare]
    fewer = [[n for n in kept if n not in spare[:count]] for count in range(len(spare) + 1)]
    for names, breaks in [*((names, prose) for names in fewer), (fewer[-1], columns)]:
        places = [columns.index(name) for name in names]
        picked = [tuple(row[n] for n in places) for row in cells]
        widths = _fit(names, picked, width, breaks, prose)
        if widths is not None:
            yield _table(names, picked, widths)


def _fit(
    names: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int,
    wrapped: Collection[str],
    prose: Collection[str],
) -> list[int] | None:
    """Return the widths of columns that fit a width, or None if too much would be broken."""
    from rich.cells import cell_len

    columns = list(zip(names, *rows, strict=True))
    wanted = [max(map(cell_len, column)) for column in columns]
    least = list(wanted)
    for n, name in enumerate(names):
        if name in prose:
            least[n] = min(wanted[n], _NARROW)
        elif name in wrapped:
            least[n] = max(map(_longest_word, columns[n]))
    left = width - _GAP * (len(names) - 1)
    if sum(least) > left:
        return None
    while sum(wanted) > left:
        able = [n for n in range(len(names)) if wanted[n] > least[n]]
        wanted[max(able, key=lambda n: (names[n] in prose, wanted[n]))] -= 1
    return wanted


def _longest_word(cell: str) -> int:
    """Return the width of the longest word of a cell."""
    from rich.cells import cell_len

    return max(map(cell_len, cell.split()), default=0)


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in zip(names, widths, strict=True):
        table.add_column(name, width=width, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


_GAP = 2
_OCTETS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){7,}")
_NARROW = 16
"""A column of prose is not made narrower than this."""


def print_rows(widths: Mapping[str, int], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print a table row by row, as the rows come; longer values are not cut.

    `widths` has the columns by name. Where they do not fit, there are no columns: what is filled
    follows one after the other, and continues on an indented line. Prints the message `empty` to
    stderr if there are no rows.
    """
    room = _room()
    fits = sum(widths.values()) + _GAP * (len(widths) - 1) <= room
    header: Sequence[str] | None = tuple(widths)
    for row in rows:
        if not fits:
            _print_flowing(row, room)
        else:
            for line in filter(None, (header, row)):
                cells = zip(line, widths.values(), strict=True)
                padded = (value.ljust(width) for value, width in cells)
                sys.stdout.write(printable((" " * _GAP).join(padded).rstrip()) + "\n")
        header = None
    if header:
        say(empty)


def _room() -> int:
    """Return the width of the output, as `out` has it, without loading its library."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE


def _print_flowing(row: Sequence[str], room: int) -> None:
    """Print the cells that are filled one after the other; none is broken."""
    line = ""
    for cell in map(printable, filter(None, row)):
        longer = f"{line}{' ' * _GAP}{cell}" if line else cell
        if line and len(longer) > room:
            sys.stdout.write(line + "\n")
            longer = " " * (2 * _GAP) + cell
        line = longer
    sys.stdout.write(line + "\n")


def printable(line: str) -> str:
    """Replace what could act on a terminal: a file may be tampered with, a server may send it."""
    if line.isprintable():
        return line
    return "".join(c if _is_harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in line)


def _is_harmless(character: str) -> bool:
    """Return whether a character is printed: a glyph, a space, or a format that languages need."""
    if character.isprintable():
        return True
    shows = unicodedata.category(character) in {"Cf", "Zs"}
    return shows and _controls().match(character) is None


@cache
def _controls() -> "re.Pattern[str]":
    """Return what finds a character that acts: loaded when one is met, as few texts have any."""
    from schemas.base import CONTROLS

    return re.compile(f"[{CONTROLS}]")


def printable_lines(text: str) -> str:
    """Replace what could act on a terminal, other than line feeds."""
    return "\n".join(map(printable, text.split("\n")))


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one pair per line; a long value continues below its beginning.

    Without a library for that: most commands print no more than this.
    """
    indent = max(map(len, facts), default=0) + _GAP
    room = max(_room() - indent, _NARROW)
    for name, value in facts.items():
        first, *rest = [part for line in value.split("\n") for part in _folded(line, room)]
        sys.stdout.write(f"{name.ljust(indent)}{first}".rstrip() + "\n")
        for part in rest:
            sys.stdout.write(" " * indent + part + "\n")
    sys.stdout.flush()


def _folded(line: str, room: int) -> list[str]:
    """Break a line between words, a fingerprint between octets, and any other long word."""
    text = _OCTETS.sub(lambda found: _by_octets(found[0], room), printable(line))
    return textwrap.wrap(text, room, break_on_hyphens=False, drop_whitespace=True) or [""]


def _by_octets(fingerprint: str, room: int) -> str:
    """Return a fingerprint with a space where a line is full, if it is longer than one."""
    length = room // 3 * 3  # an octet and its colon
    if len(fingerprint) <= room:
        return fingerprint
    return " ".join(fingerprint[n : n + length] for n in range(0, len(fingerprint), length))


def moment(at: datetime | None) -> str:
    """Return a time in the local time zone, with its offset, or an empty string if absent."""
    return at.astimezone().isoformat(sep=" ", timespec="seconds") if at else ""


def moment_of(text: str) -> str:
    """Return a time in RFC 3339 as `moment` does; any other text, as of a changed log, as it is."""
    try:
        return moment(datetime.fromisoformat(text))
    except ValueError:
        return text
