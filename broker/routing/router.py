"""Routing of messages to their receivers (3.3.5), cached until a subscription changes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from broker.access.rules import Access
from broker.monitoring.counters import Counters
from broker.monitoring.reports import Reports
from broker.packets.codec import MAX_QOS, encode_length, encode_text
from broker.packets.message import Acknowledgement, Message
from broker.settings import Limits

from .retained import RetainedMessages, RetainedNode
from .subscriptions import SubscriptionTrie

MAX_CACHED_TOPICS = 20_000
"""Topics whose receivers are cached; beyond it, the cache is cleared."""


class Subscriber(Hashable, Protocol):
    """A session, as the router needs it."""

    access: Access

    def deliver(self, message: Message, granted: int) -> None:
        """Send a message at the lower of its QoS and the granted one, or queue it."""


class LocalSubscriber(Hashable, Protocol):
    """A subscription of the host program, as the router needs it."""

    def deliver(self, message: Message, acknowledgement: Acknowledgement | None = None) -> None:
        """Pass a message to the host program, which may defer the acknowledgement."""


class Topic:
    """A topic name with its receivers at one version of the subscriptions."""

    __slots__ = ("_text", "locals", "name", "retained_node", "sessions", "version")

    def __init__(self, name: str) -> None:
        self.name = name
        self._text: bytes | None = None  # encoded when the broker first publishes to it
        self.version = -1
        self.sessions: tuple[tuple[Subscriber, int], ...] = ()
        self.locals: tuple[LocalSubscriber, ...] = ()
        self.retained_node: RetainedNode | None = None
        """The node of its retained message, if it ever had one."""

    def head(self, payload_bytes: int) -> bytes:
        """Return the remaining length and topic of a PUBLISH with such a payload (3.3)."""
        text = self._text
        if text is None:
            text = self._text = encode_text(self.name)
        return encode_length(len(text) + 2 + payload_bytes) + text


class Router:
    """Subscriptions and retained messages, and delivery of messages to all their receivers.

    When `route` returns, every matching session has the message or has dropped it at a limit:
    only then may the publisher be acknowledged.
    """

    def __init__(self, limits: Limits, counters: Counters, reports: Reports) -> None:
        self.subscriptions: SubscriptionTrie[Subscriber] = SubscriptionTrie()
        self.local_subscriptions: SubscriptionTrie[LocalSubscriber] = SubscriptionTrie()
        self._limits = limits
        self.clear_retained()
        self._counters = counters
        self._reports = reports
        self._rules_version = 0

    def clear_retained(self) -> None:
        """Delete all retained messages."""
        limits = self._limits
        self.retained = RetainedMessages(limits.retained_messages, limits.retained_bytes)
        self._topics: dict[str, Topic] = {}  # they refer to nodes of the old trie

    def known(self, name: str) -> Topic | None:
        """Return the cached Topic of a name, which was validated before, or None."""
        return self._topics.get(name)

    def topic(self, name: str) -> Topic:
        """Return the Topic of a valid topic name."""
        topic = self._topics.get(name)
        if topic is None:
            if len(self._topics) >= MAX_CACHED_TOPICS:
                self._topics.clear()
            topic = self._topics[name] = Topic(name)
        return topic

    def rules_changed(self) -> None:
        """Invalidate the cached receivers: rules can prevent deliveries."""
        self._rules_version += 1

    def route(
        self,
        topic: Topic,
        message: Message,
        acknowledgement: Acknowledgement | None = None,
        *,
        keep: bool = False,
    ) -> None:
        """Deliver a message to every session and local subscription that matches its topic.

        With `keep`, it becomes the retained message of its topic, or deletes that one if it is
        empty (3.3.1.3).
        """
        if keep:
            self._retain(topic, message)
        self._update_receivers(topic)
        for session, granted in topic.sessions:
            session.deliver(message, granted)
        for subscription in topic.locals:
            subscription.deliver(message, acknowledgement)
        if keep:
            message.clear_packet()

    def reaches_host(self, topic: Topic) -> bool:
        """Return whether a local subscription matches this topic."""
        self._update_receivers(topic)
        return bool(topic.locals)

    def _update_receivers(self, topic: Topic) -> None:
        version = (
            self.subscriptions.version + self.local_subscriptions.version + self._rules_version
        )
        if topic.version != version:
            self._refresh(topic, version)

    def _refresh(self, topic: Topic, version: int) -> None:
        topic.sessions = tuple(
            (session, qos)
            for session, qos in self.subscriptions.match(topic.name).items()
            if not session.access.filters_deliveries or session.access.may_receive(topic.name)
        )
        topic.locals = tuple(self.local_subscriptions.match(topic.name))
        topic.version = version

    def _retain(self, topic: Topic, message: Message) -> None:
        if not message.payload:
            self.retained.remove(message.topic)
            return
        if topic.retained_node is not None and self.retained.replace(topic.retained_node, message):
            return
        topic.retained_node = self.retained.put(message)
        if topic.retained_node is None:
            self._counters.dropped_retained_full += 1
            self._reports.warn_once(
                message.publisher[0], "retained messages at their limit, message not retained"
            )

    def publish(
        self,
        topic: Topic,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        publisher: tuple[str, str],
    ) -> None:
        """Route a message that no client's PUBLISH carried: a will, a local or `$SYS` message."""
        head = topic.head(len(payload))
        message = Message(topic.name, payload, min(qos, MAX_QOS), publisher, head=head)
        self.route(topic, message, keep=retain)
