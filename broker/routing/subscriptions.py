"""A trie of topic filters (4.7): idle subscriptions add no cost to a message."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


class _Node(Generic[S]):
    """A node: one level. `members` are the subscribers whose filter ends here, with their QoS.

    Most nodes need only one of the two dictionaries; each is created when needed.
    """

    __slots__ = ("children", "members")

    def __init__(self) -> None:
        self.children: dict[str, _Node[S]] | None = None
        self.members: dict[S, int] | None = None

    def child(self, level: str) -> _Node[S] | None:
        """Return the child node of a level, or None."""
        return self.children.get(level) if self.children else None


class SubscriptionTrie(Generic[S]):
    """Filters with their subscribers. `version` increases with each change, for caches."""

    __slots__ = ("_root", "count", "version")

    def __init__(self) -> None:
        self._root: _Node[S] = _Node()
        self.count = 0
        self.version = 0

    def add(self, topic_filter: str, subscriber: S, qos: int) -> None:
        """Add a subscription, or change the QoS of an existing one (3.8.4-3)."""
        node = self._root
        for level in topic_filter.split("/"):
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        if node.members is None:
            node.members = {}
        self.count += subscriber not in node.members
        node.members[subscriber] = qos
        self.version += 1

    def remove(self, topic_filter: str, subscriber: S) -> None:
        """Remove a subscription, if there is one (3.10.4-5)."""
        path = [self._root]
        levels = topic_filter.split("/")
        for level in levels:
            child = path[-1].child(level)
            if child is None:
                return
            path.append(child)
        members = path[-1].members
        if members is None or members.pop(subscriber, None) is None:
            return
        self.count -= 1
        self.version += 1
        self._prune(path, levels)

    @staticmethod
    def _prune(path: list[_Node[S]], levels: list[str]) -> None:
        for index in range(len(levels), 0, -1):
            above = path[index - 1].children
            if path[index].members or path[index].children or above is None:
                return
            del above[levels[index - 1]]

    def match(self, topic: str) -> dict[S, int]:
        """Return each subscriber of a topic once, with its highest granted QoS (3.3.5-1)."""
        found: dict[S, int] = {}
        for node in self._matching_nodes(topic):
            for subscriber, qos in (node.members or {}).items():
                if qos >= found.get(subscriber, 0):
                    found[subscriber] = qos
        return found

    def _matching_nodes(self, topic: str) -> Iterator[_Node[S]]:
        """Walk level by level; leading wildcards do not match `$…` (4.7.2-1)."""
        levels = topic.split("/")
        nodes = [self._root]
        for depth, level in enumerate(levels):
            wild = depth > 0 or not topic.startswith("$")
            below: list[_Node[S]] = []
            for node in nodes:
                children = node.children
                if children is None:
                    continue
                if wild and (rest := children.get("#")):
                    yield rest
                if wild and (any_one := children.get("+")):
                    below.append(any_one)
                if exact := children.get(level):
                    below.append(exact)
            if not below:
                return
            nodes = below
        for node in nodes:
            yield node
            if parent_too := node.child("#"):  # a/# matches a (4.7.1.2)
                yield parent_too
