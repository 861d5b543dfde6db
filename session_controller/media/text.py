"""Plain text and tables of it: what matches no other type."""

import re

from session_controller.media.kinds import CSV
from session_controller.media.outcome import Inspected, UnfitError

_CONTROLS = frozenset((*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)))) - set("\t\n\r\x0c")

FORMULA = re.compile(
    r"((?:^|[,;|\t\r\n])[ \x0b\x0c\x85\xa0\u2000-\u200b\u2028\u2029\u202f\u3000\ufeff\"]*+)"
    r"([=+\-@\uff1d\uff0b\uff0d\uff20])"
)
"""The beginning of a formula in CSV: which separator a spreadsheet expects depends on its language.

So a cell may begin after any of them, and after a line break even within quotation marks.
"""
_NUMBER = re.compile(r"[+\-][\d .:/()'\xa0-]*+(?:[eE][+\-]?\d++)?%?\"?(?=[,;|\t\r\n]|$)")
"""A cell of digits that begins with a sign: a number, or one of a telephone."""


def inspect_text(data: bytes, media_type: str) -> Inspected:
    """Read text as UTF-8 (RFC 3629) without control characters. Raises `UnfitError`."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnfitError("pretends" if b"\0" in data else "unsupported") from error
    if not _CONTROLS.isdisjoint(text):
        raise UnfitError("pretends")
    if media_type == CSV and _has_formula(text.removeprefix("\ufeff")):
        raise UnfitError("active_content")
    return Inspected(media_type, data)


def _has_formula(table: str) -> bool:
    """Return whether a cell could be taken for a formula: whoever opens it would run it."""
    return any(not _NUMBER.match(table, found.start(2)) for found in FORMULA.finditer(table))
