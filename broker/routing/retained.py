"""The retained message of each topic (3.3.1.3), indexed for lookup by filter."""

from __future__ import annotations

from collections.abc import Iterator

from broker.packets.message import Message


class RetainedNode:
    """A node of the trie: one topic level, and the retained message of a topic that ends here."""

    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, RetainedNode] | None = None  # None: most nodes are leaves
        self.message: Message | None = None

    def child(self, level: str) -> RetainedNode | None:
        """Return the child node of a level, or None."""
        return self.children.get(level) if self.children else None


class RetainedMessages:
    """Retained messages in memory, bounded in number and bytes."""

    __slots__ = ("_by_last_level", "_max_bytes", "_max_count", "_root", "bytes", "count")

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._root = RetainedNode()
        self._by_last_level: dict[str, dict[str, RetainedNode]] = {}
        self._max_count = max_count
        self._max_bytes = max_bytes
        self.count = 0
        self.bytes = 0

    def put(self, message: Message) -> RetainedNode | None:
        """Store the retained message of a topic. Return its node, or None beyond a limit.

        The previous one is deleted in any case: an old state must not pass for the newest.
        """
        self.remove(message.topic)
        levels = message.topic.split("/")
        if self.count >= self._max_count or self.bytes + message.size > self._max_bytes:
            return None
        node = self._root
        for level in levels:
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = RetainedNode()
            node = child
        node.message = message
        self._by_last_level.setdefault(level, {})[message.topic] = node
        self.count += 1
        self.bytes += message.size
        return node

    def replace(self, node: RetainedNode, message: Message) -> bool:
        """Replace the retained message at a node that `put` returned.

        Return False if there is no message any more or the new one exceeds a limit.
        """
        last = node.message
        if last is None:
            return False
        total = self.bytes - last.size + message.size
        if total > self._max_bytes:
            return False
        node.message = message
        self.bytes = total
        return True

    def remove(self, topic: str) -> None:
        """Delete the retained message of a topic, if there is one (3.3.1-10)."""
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
        """Yield the retained messages whose topics match a filter (4.7), with RETAIN set."""
        levels = topic_filter.split("/")
        if "+" in levels and levels[-1] not in {"+", "#"}:
            # The last level often identifies a device: `sessions/+/state/{device}` has one match
            # among all sessions, and a walk through the trie would visit each of them.
            alike = self._by_last_level.get(levels[-1], {})
            for topic, node in list(alike.items()):
                if node.message is not None and _matches(levels, topic.split("/")):
                    yield node.message.as_retained()
            return
        nodes: list[RetainedNode] = [self._root]
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
        """Iterate over all retained messages."""
        return _below(self._root, hide_dollar=False)


def _matches(levels: list[str], topic: list[str]) -> bool:
    """Return whether a filter without `#` matches a topic (4.7)."""
    if len(levels) != len(topic) or (levels[0] == "+" and topic[0].startswith("$")):  # 4.7.2-1
        return False
    return all(wanted in ("+", level) for wanted, level in zip(levels, topic, strict=True))


def _step(nodes: list[RetainedNode], level: str, *, hide_dollar: bool) -> Iterator[RetainedNode]:
    for node in nodes:
        if level == "+":
            yield from _children(node, hide_dollar=hide_dollar)
        elif child := node.child(level):
            yield child


def _children(node: RetainedNode, *, hide_dollar: bool) -> Iterator[RetainedNode]:
    for level, child in (node.children or {}).items():
        if not (hide_dollar and level.startswith("$")):  # 4.7.2-1
            yield child


def _below(top: RetainedNode, *, hide_dollar: bool) -> Iterator[Message]:
    """Yield all messages at and below a node; iterative, since topics may be deep."""
    waiting = [top]
    while waiting:
        node = waiting.pop()
        if node.message is not None:
            yield node.message.as_retained()
        hide = hide_dollar and node is top
        waiting.extend(_children(node, hide_dollar=hide))
