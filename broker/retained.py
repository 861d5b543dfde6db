"""The newest retained message of each topic (3.3.1.3), found by filter without a walk over all."""

from __future__ import annotations

from collections.abc import Iterator

from .message import Message


class Place:
    """One level of a topic; where a topic ends here, its retained message."""

    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, Place] | None = None  # most are the last
        self.message: Message | None = None

    def child(self, level: str) -> Place | None:
        """Give the place below on a level, or None."""
        return self.children.get(level) if self.children else None


class RetainedMessages:
    """Bounded in number and bytes; in memory only."""

    __slots__ = ("_by_last_level", "_max_bytes", "_max_count", "_root", "bytes", "count")

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._root = Place()
        self._by_last_level: dict[str, dict[str, Place]] = {}
        self._max_count = max_count
        self._max_bytes = max_bytes
        self.count = 0
        self.bytes = 0

    def put(self, message: Message) -> Place | None:
        """Keep this as its topic's retained message; gives where, or None beyond a limit.

        The one before it is dropped even then: an old state must not pass for the newest.
        """
        self.remove(message.topic)
        levels = message.topic.split("/")
        if self.count >= self._max_count or self.bytes + message.size > self._max_bytes:
            return None
        place = self._root
        for level in levels:
            if place.children is None:
                place.children = {}
            child = place.children.get(level)
            if child is None:
                child = place.children[level] = Place()
            place = child
        place.message = message
        self._by_last_level.setdefault(level, {})[message.topic] = place
        self.count += 1
        self.bytes += message.size
        return place

    def replace(self, place: Place, message: Message) -> bool:
        """Put a message in the place of its topic's last one, where there still is one, and room.

        `place` is what `put` gave for that one.
        """
        last = place.message
        if last is None:
            return False
        total = self.bytes - last.size + message.size
        if total > self._max_bytes:
            return False
        place.message = message
        self.bytes = total
        return True

    def remove(self, topic: str) -> None:
        """Forget a topic's retained message (3.3.1-10)."""
        path = [self._root]
        levels = topic.split("/")
        for level in levels:
            child = path[-1].child(level)
            if child is None:
                return
            path.append(child)
        if path[-1].message is None:
            return
        self.count -= 1
        self.bytes -= path[-1].message.size
        path[-1].message = None
        alike = self._by_last_level[levels[-1]]
        del alike[topic]
        if not alike:
            del self._by_last_level[levels[-1]]
        for index in range(len(levels), 0, -1):
            above = path[index - 1].children
            if path[index].message is not None or path[index].children or above is None:
                return
            del above[levels[index - 1]]

    def match(self, topic_filter: str) -> Iterator[Message]:
        """Give the retained messages whose topics a filter matches (4.7), flagged as such."""
        levels = topic_filter.split("/")
        if "+" in levels and levels[-1] not in {"+", "#"}:
            # Everyone's last level is often a name of their own: `sessions/+/state/{device}`
            # has one match among all sessions, and a walk would look at each of them.
            alike = self._by_last_level.get(levels[-1], {})
            for topic, node in list(alike.items()):
                if node.message is not None and _matches(levels, topic.split("/")):
                    yield node.message.as_retained()
            return
        nodes: list[Place] = [self._root]
        for depth, level in enumerate(levels):
            if level == "#":
                for node in nodes:
                    yield from _below(node, hide_dollar=depth == 0)
                return
            nodes = list(_step(nodes, level, hide_dollar=depth == 0))
        for node in nodes:
            if node.message is not None:
                yield node.message.as_retained()

    def __iter__(self) -> Iterator[Message]:
        """Give all of them."""
        return _below(self._root, hide_dollar=False)


def _matches(levels: list[str], topic: list[str]) -> bool:
    """Match a filter without `#` (4.7)."""
    if len(levels) != len(topic) or (levels[0] == "+" and topic[0].startswith("$")):  # 4.7.2-1
        return False
    return all(wanted in ("+", level) for wanted, level in zip(levels, topic, strict=True))


def _step(nodes: list[Place], level: str, *, hide_dollar: bool) -> Iterator[Place]:
    for node in nodes:
        if level == "+":
            yield from _children(node, hide_dollar=hide_dollar)
        elif child := node.child(level):
            yield child


def _children(node: Place, *, hide_dollar: bool) -> Iterator[Place]:
    for level, child in (node.children or {}).items():
        if not (hide_dollar and level.startswith("$")):  # 4.7.2-1
            yield child


def _below(top: Place, *, hide_dollar: bool) -> Iterator[Message]:
    """Give all messages at and below a node; iterative, for topics may be deep."""
    waiting = [top]
    while waiting:
        node = waiting.pop()
        if node.message is not None:
            yield node.message.as_retained()
        hide = hide_dollar and node is top
        waiting.extend(_children(node, hide_dollar=hide))
