"""From a topic to its receivers (3.3.5), with a cache that each change of a subscription voids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codec import MAX_QOS, encode_length, encode_text
from .counters import Counters
from .message import Message
from .reports import Reports
from .retained import Place, RetainedMessages
from .settings import Limits
from .subscriptions import SubscriptionTrie

if TYPE_CHECKING:
    from .local import LocalSubscription
    from .publishing import Acknowledgement
    from .session import Session

MAX_CACHED_TOPICS = 20_000
"""Topics whose receivers are remembered; forgotten all at once beyond, then found again."""


class Topic:
    """A topic name with its receivers as of one version of the subscriptions."""

    __slots__ = ("_text", "locals", "name", "place", "sessions", "version")

    def __init__(self, name: str) -> None:
        self.name = name
        self._text: bytes | None = None  # made when the host first publishes to it
        self.version = -1
        self.sessions: tuple[tuple[Session, int], ...] = ()
        self.locals: tuple[LocalSubscription, ...] = ()
        self.place: Place | None = None
        """Where its retained message was put, if it ever had one."""

    def head(self, payload_bytes: int) -> bytes:
        """Give what stands before the packet id of its PUBLISH with such a payload (3.3)."""
        text = self._text
        if text is None:
            text = self._text = encode_text(self.name)
        return encode_length(len(text) + 2 + payload_bytes) + text


class Router:
    """Owns subscriptions and retained messages, and hands messages to everyone who is to have them.

    When `route` returns, every matching session holds the message or has dropped it by its limits:
    only then may a publisher be acknowledged.
    """

    def __init__(self, limits: Limits, counters: Counters, reports: Reports) -> None:
        self.subscriptions: SubscriptionTrie[Session] = SubscriptionTrie()
        self.local_subscriptions: SubscriptionTrie[LocalSubscription] = SubscriptionTrie()
        self._limits = limits
        self.forget_retained()
        self._counters = counters
        self._reports = reports
        self._rules_version = 0

    def forget_retained(self) -> None:
        """Begin without retained messages."""
        limits = self._limits
        self.retained = RetainedMessages(limits.retained_messages, limits.retained_bytes)
        self._topics: dict[str, Topic] = {}  # which know where their retained messages were

    def known(self, name: str) -> Topic | None:
        """Give the Topic of a name that was one before: what stands here was checked."""
        return self._topics.get(name)

    def topic(self, name: str) -> Topic:
        """Give the one Topic of this name, which names a topic."""
        topic = self._topics.get(name)
        if topic is None:
            if len(self._topics) >= MAX_CACHED_TOPICS:
                self._topics.clear()
            topic = self._topics[name] = Topic(name)
        return topic

    def rules_changed(self) -> None:
        """Forget who gets what: rules may keep some deliveries back."""
        self._rules_version += 1

    def route(
        self,
        topic: Topic,
        message: Message,
        acknowledgement: Acknowledgement | None = None,
        *,
        keep: bool = False,
    ) -> None:
        """Hand a message to every session and local subscription that its topic reaches.

        `keep`: it becomes its topic's retained message, or clears that if it is empty (3.3.1.3).
        """
        if keep:
            self._retain(topic, message)
        self._bring_up_to_date(topic)
        for session, granted in topic.sessions:
            session.deliver(message, granted)
        for subscription in topic.locals:
            subscription.deliver(message, acknowledgement)
        if keep:
            message.forget_packet()

    def reaches_host(self, topic: Topic) -> bool:
        """Say whether a local subscription gets this topic."""
        self._bring_up_to_date(topic)
        return bool(topic.locals)

    def _bring_up_to_date(self, topic: Topic) -> None:
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
        if topic.place is not None and self.retained.replace(topic.place, message):
            return
        topic.place = self.retained.put(message)
        if topic.place is None:
            self._counters.dropped_retained_full += 1
            self._reports.once(message.publisher[0], "no room for its retained messages")

    def publish(
        self,
        topic: Topic,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        publisher: tuple[str, str],
    ) -> None:
        """Route what does not come from a socket's PUBLISH: wills, local and `$SYS` messages."""
        head = topic.head(len(payload))
        message = Message(topic.name, payload, min(qos, MAX_QOS), publisher, head=head)
        self.route(topic, message, keep=retain)
