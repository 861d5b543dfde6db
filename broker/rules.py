"""Who may publish and subscribe to what: rules as data, denied unless allowed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .topics import covers, is_filter

_MARK = re.compile("%[uc]")


@dataclass(frozen=True, slots=True)
class Rules:
    """What one role may do: topic patterns with + and #.

    `%u` stands for the user name and `%c` for the client id; either must then fill into one
    topic level, so that a user called `+` or `a/b` gets nothing by it.
    """

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    deny_publish: tuple[str, ...] = ()
    """Taken out of `publish` again."""
    deny_subscribe: tuple[str, ...] = ()
    """Taken out of `subscribe` again.

    A SUBSCRIBE that lies wholly in a denied pattern is refused. A wider one (`#`) is granted and
    nothing denied is ever delivered through it.
    """

    def __post_init__(self) -> None:
        """Raise ValueError for a pattern that is no topic filter."""
        patterns = (*self.publish, *self.subscribe, *self.deny_publish, *self.deny_subscribe)
        for pattern in patterns:
            if not is_filter(pattern):
                raise ValueError(f"not a topic filter: {pattern!r}")


NOTHING = Rules()


class Access:
    """The rules of one role with one user's name and client id filled in."""

    __slots__ = ("_client_id", "_deny_publish", "_deny_subscribe", "_rules", "_user")

    def __init__(self, rules: Rules, user: str, client_id: str) -> None:
        self._rules = rules
        self._user = user
        self._client_id = client_id
        # A denial that cannot be filled in would deny nothing where something was meant.
        self._deny_publish = _fill_denials(rules.deny_publish, user, client_id)
        self._deny_subscribe = _fill_denials(rules.deny_subscribe, user, client_id)

    def may_publish(self, topic: str) -> bool:
        """Say whether messages to this topic are allowed; `$…` is the broker's own, for nobody."""
        return (
            not topic.startswith("$")
            and _any_covers(self._filled(self._rules.publish), topic)
            and not _any_covers(self._deny_publish, topic)
        )

    def may_subscribe(self, topic_filter: str) -> bool:
        """Say whether every topic that this filter matches is allowed, denials aside."""
        return _any_covers(self._filled(self._rules.subscribe), topic_filter) and not _any_covers(
            self._deny_subscribe, topic_filter
        )

    def may_receive(self, topic: str) -> bool:
        """Say whether a message on this topic may be delivered through an allowed wider filter."""
        return not _any_covers(self._deny_subscribe, topic)

    def _filled(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return _fill(patterns, self._user, self._client_id)

    @property
    def filters_deliveries(self) -> bool:
        """Say whether `may_receive` can ever say no."""
        return bool(self._deny_subscribe)


def _any_covers(patterns: tuple[str, ...], topic_filter: str) -> bool:
    # Most clients ask for just what their rules say, and every pattern covers itself.
    return topic_filter in patterns or any(covers(pattern, topic_filter) for pattern in patterns)


@lru_cache(256)
def _fill(patterns: tuple[str, ...], user: str, client_id: str) -> tuple[str, ...]:
    """Fill patterns in for a client; of many that are connected, most are not asked for again."""
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
    # One pass over both marks: a user called "%c" is not filled in a second time.
    return _MARK.sub(lambda mark: values[mark[0]], pattern)


def _widen(pattern: str) -> str:
    return "/".join("+" if _MARK.search(level) else level for level in pattern.split("/"))


def _fits_a_level(value: str) -> bool:
    # $ would open the broker's own topics where a pattern begins with the mark.
    return bool(value) and value[0] != "$" and not any(mark in value for mark in "/+#\0")
