"""The in-process link: the host program as a client without a socket, trusted, without rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from .errors import Violation
from .logs import logger, place
from .message import Message
from .topics import check_filter, require_name

if TYPE_CHECKING:
    from .counters import Counters
    from .publishing import Acknowledgement
    from .routing import Router

_MAX_LEVELS = 128


def _nothing() -> None:
    """Release what was never held."""


class LocalMessage(NamedTuple):
    """One message as the host program gets it. Its repr has no payload, for logs' sake."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    """True for a retained message that the subscription found; False for one just published."""
    client_id: str
    user: str
    acknowledgement: Acknowledgement | None = None
    """What `defer` holds."""

    def __repr__(self) -> str:
        """Tell all but what it says."""
        return f"LocalMessage({self.topic!r}, qos={self.qos}, client_id={self.client_id!r})"

    def defer(self) -> Callable[[], None]:
        """Hold the publisher's PUBACK (QoS 1) or PUBREC (QoS 2) until the result is called.

        To be called within the handler. The result may be called from the event loop's thread
        only, more than once, and after the connection has gone. For what has no acknowledgement
        (QoS 0, wills, retained and local messages) both do nothing. Acknowledgements go out in
        the order of the messages (4.6.0-2): one that is held holds those behind it.
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
        """Call the handler; what it raises is logged without the payload, and counted."""
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
            logger.error("handler failed: %s", place(error))


class LocalClient:
    """Made by `Broker.attach`. All calls from the broker's event loop."""

    def __init__(self, client_id: str, user: str, router: Router, counters: Counters) -> None:
        self.client_id = client_id
        self.user = user
        self._router = router
        self._counters = counters
        self._publisher = (client_id, user)
        self._subscriptions: dict[str, LocalSubscription] = {}

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Call `handler` for each matching message, first for the retained ones.

        It runs in the event loop while the publisher's message is routed, so it must be quick.
        A second call for one filter replaces the handler. Raises ValueError for what is no filter.
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
        """Take a subscription away; one that is not there is no error."""
        subscription = self._subscriptions.pop(topic_filter, None)
        if subscription is not None:
            self._router.local_subscriptions.remove(topic_filter, subscription)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Route a message; when this returns, every matching session holds it.

        Raises ValueError for what names no topic.
        """
        router = self._router
        known = router.known(topic)
        if known is None:
            require_name(topic, _MAX_LEVELS)
            known = router.topic(topic)
        router.publish(known, payload, qos=qos, retain=retain, publisher=self._publisher)

    def close(self) -> None:
        """Drop all subscriptions."""
        for topic_filter in list(self._subscriptions):
            self.unsubscribe(topic_filter)
