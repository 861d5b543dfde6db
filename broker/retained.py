"""The newest retained message of each topic (3.3.1.3), found by filter without a walk over all."""

from __future__ import annotations

from collections.abc import Iterator

from .message import Message


class _Node:
    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.message: Message | None = None


class RetainedMessages:
    """Bounded in number and bytes; in memory only."""

    __slots__ = ("_max_bytes", "_max_count", "_root", "bytes", "count")

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._root = _Node()
        self._max_count = max_count
        self._max_bytes = max_bytes
        self.count = 0
        self.bytes = 0

    def put(self, message: Message) -> bool:
        """Keep this as its topic's retained message; False when a limit does not allow it.

        The one before it is dropped even then: an old state must not pass for the newest.
        """
        self.remove(message.topic)
        if self.count >= self._max_count or self.bytes + message.size > self._max_bytes:
            return False
        node = self._root
        for level in message.topic.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        node.message = message
        self.count += 1
        self.bytes += message.size
        return True

    def remove(self, topic: str) -> None:
        """Forget a topic's retained message (3.3.1-10)."""
        path = [self._root]
        levels = topic.split("/")
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return
            path.append(child)
        if path[-1].message is None:
            return
        self.count -= 1
        self.bytes -= path[-1].message.size
        path[-1].message = None
        for index in range(len(levels), 0, -1):
            if path[index].message is not None or path[index].children:
                return
            del path[index - 1].children[levels[index - 1]]

    def match(self, topic_filter: str) -> Iterator[Message]:
        """Give the retained messages whose topics a filter matches (4.7)."""
        nodes: list[_Node] = [self._root]
        for depth, level in enumerate(topic_filter.split("/")):
            if level == "#":
                for node in nodes:
                    yield from _below(node, hide_dollar=depth == 0)
                return
            nodes = list(_step(nodes, level, hide_dollar=depth == 0))
        for node in nodes:
            if node.message is not None:
                yield node.message

    def __iter__(self) -> Iterator[Message]:
        """Give all of them."""
        return _below(self._root, hide_dollar=False)


def _step(nodes: list[_Node], level: str, *, hide_dollar: bool) -> Iterator[_Node]:
    for node in nodes:
        if level == "+":
            yield from _children(node, hide_dollar=hide_dollar)
        elif child := node.children.get(level):
            yield child


def _children(node: _Node, *, hide_dollar: bool) -> Iterator[_Node]:
    for level, child in node.children.items():
        if not (hide_dollar and level.startswith("$")):  # 4.7.2-1
            yield child


def _below(top: _Node, *, hide_dollar: bool) -> Iterator[Message]:
    """Give all messages at and below a node; iterative, for topics may be deep."""
    waiting = [top]
    while waiting:
        node = waiting.pop()
        if node.message is not None:
            yield node.message
        hide = hide_dollar and node is top
        waiting.extend(_children(node, hide_dollar=hide))
