"""Make text printable: characters without a glyph are named, long words may be broken."""

import unicodedata
from collections.abc import Callable, Iterator

import regex

from schemas.questionnaire.model import Json

_ALWAYS_THERE = frozenset(map(chr, (*range(0x20, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))))
"""Latin-1 is in the fonts that the typesetter includes."""

_OVERRIDES = frozenset("\u202a\u202b\u202d\u202e")
"""Could make a text look different than it is (UAX 9, 2.1 and 2.2); isolates and marks are safe."""

_NOT_ALLOWED = frozenset("\0\ufeff\ufffe")
"""No PDF/UA may hold these, whether or not a font has a glyph (ISO 14289-1, 7.21.7)."""

_JOINERS = frozenset(map(chr, (0x200C, 0x200D, *range(0xFE00, 0xFE10))))
"""Characters that shape their neighbours and have no glyph of their own."""

_LONG = regex.compile(r"[^\s\u200b\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]{25,}")
"""Text in which no line can break, and which may be wider than a column."""

_UUID = regex.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The form of most session ids: narrow, and better copied in one piece."""

_PIECE = 8
_BREAK = "\u200b"

Unshowable = Callable[[set[str]], frozenset[str]]


def legible(value: Json, unshowable: Unshowable) -> tuple[Json, bool]:
    """Return a JSON value with printable text, and whether a character had to be named.

    `unshowable` asks the fonts.
    """
    used = {character for text in _texts(value) for character in text}
    named = {c for c in used if _is_control(c) or c in _OVERRIDES | _NOT_ALLOWED}
    named |= unshowable(used - named - _ALWAYS_THERE - {"\n", "\t", "\r"})
    names = {ord(c): "" if c in _JOINERS else f"[U+{ord(c):04X}]{_BREAK}" for c in named}
    shown = _changed(value, lambda text: _breakable(_lines(text).translate(names)))
    return shown, bool(named)


def _is_control(character: str) -> bool:
    """Return whether a character is a control, lone surrogate or noncharacter."""
    category = unicodedata.category(character)
    is_text = character in "\n\t\r" or category not in {"Cc", "Cs"}
    return not is_text or ord(character) & 0xFFFE == 0xFFFE  # noqa: PLR2004 - U+nFFFE, U+nFFFF


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")


def _breakable(text: str) -> str:
    is_short = len(text) < 25 or _UUID.fullmatch(text)  # noqa: PLR2004 - as `_LONG`
    return text if is_short else _LONG.sub(_broken, text)


def _broken(found: "regex.Match[str]") -> str:
    """Allow a break every few characters, but never inside a grapheme cluster (UAX 29)."""
    graphemes = regex.findall(r"\X", found[0])
    return _BREAK.join("".join(piece) for piece in _pieces(graphemes))


def _pieces(graphemes: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(graphemes), _PIECE):
        yield graphemes[start : start + _PIECE]


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _changed(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _changed(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_changed(part, change) for part in value]
    return value
