"""The in-process client of the host program: no socket, trusted, not subject to rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .monitoring.counters import Counters
from .monitoring.logs import logger, traceback_location
from .packets.errors import Violation
from .packets.message import Acknowledgement, Message
from .packets.topics import check_filter, require_name
from .routing.router import Router

_MAX_LEVELS = 128


def _nothing() -> None:
    """Do nothing: there is no acknowledgement to release."""


class LocalMessage(NamedTuple):
    """One message as the host program receives it. Its repr omits the payload, for logs."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    """True for a message that was retained before the subscription (3.3.1-8)."""
    client_id: str
    user: str
    acknowledgement: Acknowledgement | None = None
    """What `defer` defers; None if nothing is to be acknowledged."""

    def __repr__(self) -> str:
        """Return a representation without the payload."""
        return f"LocalMessage({self.topic!r}, qos={self.qos}, client_id={self.client_id!r})"

    def defer(self) -> Callable[[], None]:
        """Defer the publisher's PUBACK (QoS 1) or PUBREC (QoS 2) until the result is called.

        Call it within the handler. The result may be called from the event loop's thread only,
        more than once, and after the connection has closed. For messages without acknowledgement
        (QoS 0, wills, retained and local messages) both do nothing. Acknowledgements are sent in
        the order of the messages (4.6.0-2): a deferred one delays those behind it.
        """
        return self.acknowledgement.defer() if self.acknowledgement is not None else _nothing


Handler = Callable[[LocalMessage], None]


class LocalSubscription:
    """One filter of one local client."""

    __slots__ = ("_counters", "handler")

    def __init__(self, handler: Handler, counters: Counters) -> None:
        self.handler = handler
        self._counters = counters

    def deliver(self, message: Message, acknowledgement: Acknowledgement | None = None) -> None:
        """Call the handler; an exception is counted, and logged without the payload."""
        client_id, user = message.publisher
        self._counters.messages_local += 1
        local = LocalMessage(
            message.topic,
            message.payload,
            message.qos,
            message.retain,
            client_id,
            user,
            acknowledgement,
        )
        try:
            self.handler(local)
        except Exception as error:  # noqa: BLE001 - a handler must not harm a publisher
            self._counters.handler_errors += 1
            logger.error("handler failed: %s", traceback_location(error))


class LocalClient:
    """A client made by `Broker.attach`. Call it from the broker's event loop only."""

    def __init__(self, client_id: str, user: str, router: Router, counters: Counters) -> None:
        self.client_id = client_id
        self.user = user
        self._router = router
        self._counters = counters
        self._publisher = (client_id, user)
        self._subscriptions: dict[str, LocalSubscription] = {}

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Call `handler` for each matching message, first for the retained ones.

        The handler runs in the event loop while the message is routed, so it must be quick.
        A second call for the same filter replaces the handler. Raises ValueError for an invalid
        filter.
        """
        try:
            check_filter(topic_filter, _MAX_LEVELS)
        except Violation as violation:
            raise ValueError(violation.rule) from None
        self.unsubscribe(topic_filter)
        subscription = LocalSubscription(handler, self._counters)
        self._subscriptions[topic_filter] = subscription
        self._router.local_subscriptions.add(topic_filter, subscription, 2)
        for message in list(self._router.retained.match(topic_filter)):
            subscription.deliver(message)

    def unsubscribe(self, topic_filter: str) -> None:
        """Remove a subscription, if there is one."""
        subscription = self._subscriptions.pop(topic_filter, None)
        if subscription is not None:
            self._router.local_subscriptions.remove(topic_filter, subscription)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Route a message; on return, every matching session has it.

        Raises ValueError for an invalid topic name.
        """
        router = self._router
        known = router.known(topic)
        if known is None:
            require_name(topic, _MAX_LEVELS)
            known = router.topic(topic)
        router.publish(known, payload, qos=qos, retain=retain, publisher=self._publisher)

    def close(self) -> None:
        """Remove all subscriptions."""
        for topic_filter in list(self._subscriptions):
            self.unsubscribe(topic_filter)
