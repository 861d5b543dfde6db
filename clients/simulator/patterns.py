r"""Generates texts that match a regular expression, from the expression itself.

Supports what questionnaires use: literals, classes, `\d \w \s \p{L}`, groups, alternatives,
repetition, anchors. Lookarounds are skipped, and back references fail with `None`.
"""

import string
from collections.abc import Callable
from random import Random

import regex

_MOST = 4
"""Repetitions above the minimum, if a pattern has no maximum."""

_LETTERS = string.ascii_letters
_PRINTABLE = _LETTERS + string.digits + " -.,'"
_CLASSES = {
    "d": string.digits,
    "w": _LETTERS + string.digits,
    "s": " ",
    "D": _LETTERS,
    "W": "-",
    "S": _LETTERS + string.digits,
    "t": "\t",
    "n": "\n",
    "r": "\r",
}
_ANCHORS = "bBAZzG"
_LOOKAROUNDS = ("?=", "?!", "?<=", "?<!")

Maker = Callable[[Random], str]


class _UnreadableError(Exception):
    """The pattern uses an unsupported feature."""


def matching(pattern: str, rng: Random) -> str | None:
    """Generate a text that fully matches the pattern; return None if this attempt failed."""
    try:
        text = _Reader(pattern).alternatives()(rng)
    except (_UnreadableError, IndexError, ValueError):
        return None
    try:
        fits = regex.fullmatch(pattern, text, timeout=1) is not None
    except (TimeoutError, regex.error):
        return None
    return text if fits else None


class _Reader:
    """A recursive-descent parser; each method returns a generator of what it parsed."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def peek(self) -> str:
        """Return the next character without consuming it, or an empty string at the end."""
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        """Consume and return the next character."""
        self.at += 1
        return self.pattern[self.at - 1]

    def alternatives(self) -> Maker:
        """Parse `a|b|c`."""
        branches = [self.sequence()]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence())
        return lambda rng: rng.choice(branches)(rng)

    def sequence(self) -> Maker:
        """Parse a sequence."""
        parts: list[Maker] = []
        while self.peek() and self.peek() not in "|)":
            parts.append(self.repeated())
        return lambda rng: "".join(part(rng) for part in parts)

    def repeated(self) -> Maker:
        """Parse an atom with its quantifier."""
        one = self.one()
        least, most = self.times()
        return lambda rng: "".join(one(rng) for _ in range(rng.randint(least, most)))

    def times(self) -> tuple[int, int]:
        """Parse `?`, `*`, `+`, `{m,n}`, and skip lazy or possessive suffixes."""
        found = {"?": (0, 1), "*": (0, _MOST), "+": (1, 1 + _MOST)}.get(self.peek())
        if found is not None:
            self.take()
        elif self.peek() == "{" and (braces := self._braces()) is not None:
            found = braces
        else:
            return 1, 1
        if self.peek() and self.peek() in "?+":
            self.take()
        return found

    def _braces(self) -> tuple[int, int] | None:
        match = regex.compile(r"\{(\d*)(,?)(\d*)\}").match(self.pattern, self.at)
        if match is None or match[0] == "{}":
            return None
        self.at = match.end()
        least = int(match[1] or 0)
        if not match[2]:
            return least, least
        return least, int(match[3]) if match[3] else least + _MOST

    def one(self) -> Maker:
        """Parse a character, a class or a group."""
        character = self.take()
        if character == "(":
            return self.group()
        if character == "[":
            return _from(self.members())
        if character == "\\":
            return self.escape()
        if character in "^$":
            return _from("")
        return _from(_PRINTABLE if character == "." else character)

    def group(self) -> Maker:
        """Parse a group; a lookaround generates nothing."""
        nothing = any(self.pattern.startswith(mark, self.at) for mark in _LOOKAROUNDS)
        heading = regex.compile(r"\?(?:[:>=!|]|<[=!]|P?<\w+>|[a-zA-Z]+:)").match(
            self.pattern, self.at
        )
        if heading is not None:
            self.at = heading.end()
        elif self.peek() == "?":
            raise _UnreadableError
        inner = self.alternatives()
        if self.take() != ")":
            raise _UnreadableError
        return _from("") if nothing else inner

    def escape(self) -> Maker:
        """Parse an escape sequence outside a class."""
        character = self.take()
        if character in _ANCHORS:
            return _from("")
        if character == "p":
            return _from(self.property())
        if character in "Pkgux0123456789":
            raise _UnreadableError
        return _from(_CLASSES.get(character, character))

    def property(self) -> str:
        r"""Parse `\p{L}` or `\pN`: letters, or digits if the name begins with N."""
        name = self.take()
        if name == "{":
            end = self.pattern.index("}", self.at)
            name, self.at = self.pattern[self.at : end], end + 1
        return string.digits if name.startswith("N") else _LETTERS

    def members(self) -> str:
        """Parse a class `[a-z0-9_]`; a negated one yields the other usual characters."""
        negated = self.peek() == "^"
        if negated:
            self.take()
        found = ""
        while self.peek() != "]" or not found:
            found += self.member()
        self.take()
        if not negated:
            return found
        return "".join(one for one in _PRINTABLE if one not in found)

    def member(self) -> str:
        """Parse one character of a class, or a range."""
        first = self.take()
        if first == "\\":
            escaped = self.take()
            if escaped == "p":
                return self.property()
            if escaped in _CLASSES:
                return _CLASSES[escaped]
            first = escaped
        if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in {"]", ""}:
            self.take()
            last = self.take()
            last = self.take() if last == "\\" else last
            return "".join(map(chr, range(ord(first), min(ord(last), ord(first) + 255) + 1)))
        return first


def _from(characters: str) -> Maker:
    if not characters:
        return lambda _: ""
    return lambda rng: rng.choice(characters)
