"""Authorization rules for topics, as data: denied unless allowed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from broker.packets.topics import covers, is_filter

_MARK = re.compile("%[uc]")


@dataclass(frozen=True, slots=True)
class Rules:
    """The permissions of one role, as topic patterns with + and #.

    `%u` is replaced with the user name and `%c` with the client id. The value must fit into one
    topic level, so that a user named `+` or `a/b` gains nothing by it.
    """

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    deny_publish: tuple[str, ...] = ()
    """Exceptions to `publish`."""
    deny_subscribe: tuple[str, ...] = ()
    """Exceptions to `subscribe`.

    A filter that a denied pattern covers is refused. A wider one (`#`) is granted, but nothing
    denied is delivered through it.
    """

    def __post_init__(self) -> None:
        """Raise ValueError for a pattern that is not a valid topic filter."""
        patterns = (*self.publish, *self.subscribe, *self.deny_publish, *self.deny_subscribe)
        for pattern in patterns:
            if not is_filter(pattern):
                raise ValueError(f"not a valid topic filter: {pattern!r}")


NOTHING = Rules()


class Access:
    """The rules of a role, with the name and client id of one user filled in."""

    __slots__ = ("_client_id", "_deny_publish", "_deny_subscribe", "_rules", "_user")

    def __init__(self, rules: Rules, user: str, client_id: str) -> None:
        self._rules = rules
        self._user = user
        self._client_id = client_id
        # A denial that cannot be filled in is widened: dropped, it would deny nothing.
        self._deny_publish = _fill_denials(rules.deny_publish, user, client_id)
        self._deny_subscribe = _fill_denials(rules.deny_subscribe, user, client_id)

    def may_publish(self, topic: str) -> bool:
        """Return whether publishing to a topic is allowed; `$…` is reserved for the broker."""
        return (
            not topic.startswith("$")
            and _any_covers(self._filled(self._rules.publish), topic)
            and not _any_covers(self._deny_publish, topic)
        )

    def may_subscribe(self, topic_filter: str) -> bool:
        """Return whether a filter is allowed; `may_receive` applies narrower denials."""
        return _any_covers(self._filled(self._rules.subscribe), topic_filter) and not _any_covers(
            self._deny_subscribe, topic_filter
        )

    def may_receive(self, topic: str) -> bool:
        """Return whether a topic may be delivered through a wider filter that is allowed."""
        return not _any_covers(self._deny_subscribe, topic)

    def _filled(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return _fill(patterns, self._user, self._client_id)

    @property
    def filters_deliveries(self) -> bool:
        """Whether `may_receive` can return False."""
        return bool(self._deny_subscribe)


def _any_covers(patterns: tuple[str, ...], topic_filter: str) -> bool:
    # Most clients subscribe to exactly a pattern of their rules, and each covers itself.
    return topic_filter in patterns or any(covers(pattern, topic_filter) for pattern in patterns)


@lru_cache(256)
def _fill(patterns: tuple[str, ...], user: str, client_id: str) -> tuple[str, ...]:
    """Fill in patterns for a client; a small cache, since most clients do not ask again."""
    filled = (_fill_one(pattern, user, client_id) for pattern in patterns)
    return tuple(pattern for pattern in filled if pattern is not None)


def _fill_denials(patterns: tuple[str, ...], user: str, client_id: str) -> tuple[str, ...]:
    return tuple(_fill_one(p, user, client_id) or _widen(p) for p in patterns)


def _fill_one(pattern: str, user: str, client_id: str) -> str | None:
    if "%" not in pattern:
        return pattern
    values = {"%u": user, "%c": client_id}
    if not all(_fits_a_level(value) for mark, value in values.items() if mark in pattern):
        return None
    # One pass over both marks: the user name "%c" must not be filled in a second time.
    return _MARK.sub(lambda mark: values[mark[0]], pattern)


def _widen(pattern: str) -> str:
    return "/".join("+" if _MARK.search(level) else level for level in pattern.split("/"))


def _fits_a_level(value: str) -> bool:
    # $ would grant the broker's own topics where a pattern begins with the mark.
    return bool(value) and value[0] != "$" and not any(mark in value for mark in "/+#\0")
