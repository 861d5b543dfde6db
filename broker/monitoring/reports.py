"""Reporting of events to counters, log and observer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker.packets.errors import Reason

from .counters import Counters
from .logs import clean, logger, traceback_location
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
"""Reasons that are logged as warnings, once per client or address."""
MAX_REMEMBERED = 10_000
"""Warnings stored to be logged once; bounded, since names of clients are unverified."""


class Reports:
    """Counts, logs and passes on the events of one broker."""

    def __init__(self, observer: Observer, counters: Counters) -> None:
        self._observer = observer
        self._counters = counters
        self._logged: set[tuple[str, str]] = set()

    def connected(self, client: Client) -> None:
        """Report an accepted CONNECT."""
        self._counters.connects_accepted += 1
        self._notify(self._observer.connected, client)

    def disconnected(self, client: Client, reason: Reason) -> None:
        """Report the end of an accepted connection."""
        self._counters.ended[reason] += 1
        if reason in AT_A_LIMIT:
            self.warn_once(client.client_id, reason)
        self._notify(self._observer.disconnected, client, reason)

    def refused(self, address: str, client_id: str, reason: Reason) -> None:
        """Report the end of a connection whose CONNECT was not accepted."""
        self._counters.ended[reason] += 1
        if reason in AT_A_LIMIT:
            self.warn_once(address, reason)
        self._notify(self._observer.refused, address, client_id, reason)

    def publish_denied(self, client: Client, topic: str) -> None:
        """Report a PUBLISH that the rules forbid."""
        self._counters.publish_denied += 1
        self.warn_once(client.client_id, "PUBLISH not allowed by its rules")
        self._notify(self._observer.denied_publish, client, topic)

    def subscribe_denied(self, client: Client, topic_filter: str) -> None:
        """Report a filter that the rules forbid."""
        self._counters.subscribe_denied += 1
        self.warn_once(client.client_id, "SUBSCRIBE not allowed by its rules")
        self._notify(self._observer.denied_subscribe, client, topic_filter)

    def warn_once(self, who: str, what: str) -> None:
        """Log a warning once per client or address."""
        if (who, what) in self._logged:
            return
        if len(self._logged) >= MAX_REMEMBERED:
            self._logged.clear()
        self._logged.add((who, what))
        logger.warning("%s: %s (logged once)", clean(who), what)

    def _notify(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001 - an observer must not harm a client
            self._counters.observer_errors += 1
            logger.error("observer failed: %s", traceback_location(error))
