"""What is counted, logged and told to the observer when something happens to a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .counters import Counters
from .errors import Reason
from .logs import clean, logger, place
from .observer import Client, Observer

AT_A_LIMIT = frozenset(
    {
        Reason.CONNECT_TIMEOUT,
        Reason.INTERNAL_ERROR,
        Reason.LIMIT,
        Reason.NOT_AUTHENTICATED,
        Reason.PROTOCOL_ERROR,
        Reason.SLOW_CONSUMER,
        Reason.TOO_LARGE,
        Reason.TOO_MANY_CONNECTIONS,
        Reason.TOO_MANY_FAILURES,
        Reason.TOO_MANY_SESSIONS,
    }
)
"""Ends that an operator should hear of, once per client or address."""
MAX_REMEMBERED = 10_000
"""Clients about whose trouble was logged; a stranger must not fill the memory with names."""


class Reports:
    """One way out for everything that others may want to know."""

    def __init__(self, observer: Observer, counters: Counters) -> None:
        self._observer = observer
        self._counters = counters
        self._said: set[tuple[str, str]] = set()

    def connected(self, client: Client) -> None:
        """Report an accepted CONNECT."""
        self._counters.connects_accepted += 1
        self._notify(self._observer.connected, client)

    def disconnected(self, client: Client, reason: Reason) -> None:
        """Report the end of an accepted connection."""
        self._counters.ended[reason] += 1
        if reason in AT_A_LIMIT:
            self.once(client.client_id, reason)
        self._notify(self._observer.disconnected, client, reason)

    def refused(self, address: str, client_id: str, reason: Reason) -> None:
        """Report a connection whose CONNECT never was accepted."""
        self._counters.ended[reason] += 1
        if reason in AT_A_LIMIT:
            self.once(address, reason)
        self._notify(self._observer.refused, address, client_id, reason)

    def publish_denied(self, client: Client, topic: str) -> None:
        """Report a PUBLISH that the rules forbid."""
        self._counters.publish_denied += 1
        self.once(client.client_id, "publishes what its rules forbid")
        self._notify(self._observer.denied_publish, client, topic)

    def subscribe_denied(self, client: Client, topic_filter: str) -> None:
        """Report a filter that the rules forbid."""
        self._counters.subscribe_denied += 1
        self.once(client.client_id, "subscribes to what its rules forbid")
        self._notify(self._observer.denied_subscribe, client, topic_filter)

    def once(self, who: str, what: str) -> None:
        """Log one kind of trouble once per client or address."""
        if (who, what) in self._said:
            return
        if len(self._said) >= MAX_REMEMBERED:
            self._said.clear()
        self._said.add((who, what))
        logger.warning("%s: %s (said once)", clean(who), what)

    def _notify(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - an observer must not harm a client
            self._counters.observer_errors += 1
            logger.error("observer failed: %s", place(error))
