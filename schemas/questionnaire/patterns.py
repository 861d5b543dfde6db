"""Whether a form's regular expression is safe to use: how large it gets, and how long it takes.

A pattern is a program of whoever wrote the form, run on what a guest types (OWASP: ReDoS).
"""

import re
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import TYPE_CHECKING

from schemas.questionnaire.extensions import REGEX
from schemas.questionnaire.model import FlowError, Json, Note

if TYPE_CHECKING:
    import regex

MAX_PATTERN = 2_000
"""Characters; the longest patterns of real forms, of mail and web addresses, have 500."""
MAX_EXPANDED = 10_000
"""Elements with all repetitions written out, as `regex` compiles them: some megabytes."""
_TRIED_LENGTH = 256
"""Characters: exponential time shows at 40, and a quadratic pattern passes."""
_TRIED_SECONDS = 0.05
MAX_SECONDS = 2.0
"""Processor time of all patterns of a form: those of real ones take a hundredth of it."""
_PIECES = 8

Clock = Callable[[], float]
"""Processor time in seconds."""

_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?P<least>\d*)(?:,\d*)?\}|(?P<open>\()|(?P<close>\))|.",
    re.DOTALL,
)
_UNSUPPORTED = re.compile(r"(?<!\\)\(\?(?:#|[a-zA-Z0-9]*x)")
"""Comments and the verbose mode, in which a repetition need not follow what it repeats."""
_UNREADABLE = "is not a supported regular expression"


def check_patterns(questionnaire: Json, clock: Clock) -> None:
    """Check each pattern of a questionnaire, before it is compiled.

    Raises `FlowError` with all that are not safe.
    """
    until = clock() + MAX_SECONDS
    problems = [
        Note(f'Questionnaire.item (linkId "{link_id}").extension(regex)', problem)
        for link_id, pattern in _patterns(questionnaire)
        if (problem := pattern_problem(pattern, lambda: until - clock())) is not None
    ]
    if problems:
        raise FlowError(tuple(problems))


def _patterns(questionnaire: Json) -> Iterator[tuple[str, str]]:
    """Yield the patterns with the linkId of their items, in order, however deep they are."""
    rest: list[tuple[str, Json]] = [("", questionnaire)]
    while rest:
        link_id, value = rest.pop()
        if isinstance(value, list):
            rest += [(link_id, one) for one in reversed(value)]
        elif isinstance(value, dict):
            own = value.get("linkId")
            name = own if isinstance(own, str) else link_id
            pattern = value.get("valueString")
            if value.get("url") == REGEX and isinstance(pattern, str):
                yield name, pattern
            rest += [(name, one) for one in reversed(value.values())]


def pattern_problem(pattern: str, left_s: Clock = lambda: MAX_SECONDS) -> str | None:
    """Return why a pattern cannot be used, or None. `left_s` returns for how long it is tried."""
    import regex  # noqa: PLC0415 - for flows that have patterns

    problem = size_problem(pattern)
    if problem is not None:
        return problem
    try:
        compiled = regex.compile(pattern)
    except (regex.error, ValueError, OverflowError, RecursionError, KeyError, IndexError):
        return _UNREADABLE
    if any(_is_slow(compiled, text, left_s()) for text in _tried(pattern)):
        return (
            f"takes too long on some answers of {_TRIED_LENGTH} characters; repeat nothing that is "
            "repeated itself, as in (a+)+"
        )
    return None


def size_problem(pattern: str) -> str | None:
    """Return why a pattern must not be compiled, or None."""
    if len(pattern) > MAX_PATTERN:
        return f"must have at most {MAX_PATTERN} characters"
    if _UNSUPPORTED.search(pattern):
        return f"{_UNREADABLE}: leave out comments and (?x)"
    if _expanded(pattern) > MAX_EXPANDED:
        return f"repeats too much: at most {MAX_EXPANDED} characters, all repetitions counted"
    return None


def _expanded(pattern: str) -> int:
    """Return how many elements a pattern has with its least repetitions written out."""
    sizes, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        if token["open"]:
            sizes.append(0)
        elif token["close"] and len(sizes) > 1:
            last = sizes.pop() + 1
            sizes[-1] += last
        elif token["least"] is not None:
            times = max(int(token["least"] or 0), 1)
            sizes[-1] += last * (times - 1)
            last *= times
        else:
            last = 1
            sizes[-1] += 1
    return sum(sizes)


def _tried(pattern: str) -> Iterator[str]:
    """Yield texts that repeat what a pattern names, and end with what it may not match."""
    named = re.sub(r"\\.", "", pattern)
    characters = dict.fromkeys(re.findall(r"[^\W_]", named)[:_PIECES] + list("aA0 -.,@"))
    pieces = [*characters, *map("".join, permutations(characters, 2))]
    pieces += re.findall(r"[^\W_]{3,}", named)[:_PIECES]
    for piece in pieces:
        text = (piece * _TRIED_LENGTH)[:_TRIED_LENGTH]
        yield text + "\n"
        yield text + "!"


def _is_slow(compiled: "regex.Pattern[str]", text: str, left_s: float) -> bool:
    if left_s <= 0:
        return True
    try:
        compiled.fullmatch(text, timeout=min(_TRIED_SECONDS, left_s))
    except TimeoutError:
        return True
    return False
