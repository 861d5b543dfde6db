"""Topic names and filters (MQTT 3.1.1, 4.7): validation and matching. Pure."""

from __future__ import annotations

from .errors import Violation

MAX_BYTES = 65_535


def decode_utf8(raw: bytes) -> str:
    """Decode a UTF-8 string of a packet.

    Raises Violation for ill-formed UTF-8 or surrogates (1.5.3-1) and for NUL (1.5.3-2).
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Violation("1.5.3-1: ill-formed UTF-8") from None
    if "\0" in text:
        raise Violation("1.5.3-2: NUL in a string")
    return text


def check_name(topic: str, max_levels: int) -> None:
    """Raise Violation unless this is a valid topic name (3.3.2-2, 4.7.1-1, 4.7.3-1)."""
    if not topic:
        raise Violation("4.7.3-1: empty topic")
    if "+" in topic or "#" in topic:
        raise Violation("3.3.2-2: wildcard in a topic name")
    if topic.count("/") >= max_levels:
        raise Violation("topic has too many levels")


def require_name(topic: str, max_levels: int) -> None:
    """Raise ValueError unless the host program may publish to this topic name."""
    if len(topic.encode()) > MAX_BYTES:
        raise ValueError("1.5.3: a string has at most 65,535 bytes")
    try:
        check_name(topic, max_levels)
    except Violation as violation:
        raise ValueError(violation.rule) from None


def check_filter(topic_filter: str, max_levels: int) -> None:
    """Raise Violation unless this is a valid topic filter (4.7.1-2, 4.7.1-3, 4.7.3-1)."""
    if not topic_filter:
        raise Violation("4.7.3-1: empty topic filter")
    levels = topic_filter.split("/")
    if len(levels) > max_levels:
        raise Violation("topic filter has too many levels")
    if "#" in topic_filter and ("#" in "/".join(levels[:-1]) or "#" in levels[-1][1:]):
        raise Violation("4.7.1-2: # must be the whole last level")
    if any("+" in level and level != "+" for level in levels):
        raise Violation("4.7.1-3: + must be a whole level")
    if levels[-1] != "#" and "#" in levels[-1]:
        raise Violation("4.7.1-2: # must be the whole last level")


def is_filter(text: str, max_levels: int = 128) -> bool:
    """Return whether this is a valid topic filter."""
    try:
        check_filter(text, max_levels)
    except Violation:
        return False
    return "\0" not in text and len(text.encode(errors="replace")) <= MAX_BYTES


def covers(pattern: str, topic_filter: str) -> bool:
    """Return whether `pattern` matches every topic that `topic_filter` matches.

    For a filter without wildcards this is plain matching (4.7). `plus/+` does not cover `plus/#`.
    A leading wildcard does not match topics that begin with $ (4.7.2-1).
    """
    wanted = topic_filter.split("/")
    given = pattern.split("/")
    if topic_filter.startswith("$") and given[0] in ("+", "#"):
        return False
    for index, level in enumerate(given):
        if level == "#":  # matches its parent too (4.7.1.2), so wanted may end here
            return True
        if index >= len(wanted) or not _covers_level(level, wanted[index]):
            return False
    return len(given) == len(wanted)


def _covers_level(given: str, wanted: str) -> bool:
    return wanted != "#" and (given in ("+", wanted))
