"""Maintains a connection: presence, will, and reconnecting with back-off."""

import logging
import ssl
import time
from asyncio import TimerHandle
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clients.sdk.address import Address
from clients.sdk.errors import Closed, NotAuthorized
from clients.sdk.files import write_private
from clients.sdk.network.backoff import Backoff
from clients.sdk.network.connection import Connection, Login, Message
from clients.sdk.network.loop import NetworkLoop

_log = logging.getLogger(__name__)

_LASTED = 10.0
"""Seconds after which a connection counts as stable and the back-off is reset."""


@dataclass(frozen=True)
class Wiring:
    """How to connect: address, login, keepalive, TLS and back-off."""

    address: Address
    login: Login
    keepalive: int = 30
    tls: ssl.SSLContext | None = None
    backoff: Backoff = field(default_factory=Backoff)


class LinkEvents(Protocol):
    """Callbacks of a link; always called in the loop's thread."""

    def link_up(self) -> None:
        """Handle a new connection: subscribed, presence sent."""

    def link_down(self) -> None:
        """Handle a lost connection; reconnecting is under way."""

    def link_received(self, message: Message) -> None:
        """Handle a message."""


PresenceOf = Callable[[bool, int], Message]
"""Builds the presence message for (online, connection number)."""


class ConnectionNumbers:
    """Increasing connection numbers: the time in ms, but always above the previous one.

    With a folder, the last number is stored there, for a device whose clock is reset at boot.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = folder / "connection" if folder is not None else None
        self._last = 0
        if self._file is not None and self._file.exists():
            digits = self._file.read_bytes().strip()
            self._last = int(digits) if digits.isdigit() else 0

    def next(self) -> int:
        """Return the number of a new connection."""
        self._last = max(self._last + 1, time.time_ns() // 1_000_000)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._file, b"%d\n" % self._last)
        return self._last


class Link:
    """A connection that is re-established. Used in the loop's thread only, except for `first`."""

    def __init__(
        self,
        loop: NetworkLoop,
        wiring: Wiring,
        events: LinkEvents,
        *,
        filters: set[str],
        presence: PresenceOf | None = None,
        numbers: ConnectionNumbers | None = None,
    ) -> None:
        self.first: Future[None] = Future()
        """Resolved with the first connection, or failed if the broker refuses it."""
        self.online = False
        self.last_error = "not tried yet"
        self._loop = loop
        self._wiring = wiring
        self._events = events
        self._filters = filters
        self._presence = presence
        self._numbers = numbers or ConnectionNumbers()
        self._number = 0
        self._connection: Connection | None = None
        self._since = 0.0
        self._retry: TimerHandle | None = None
        self._stopping: Future[None] | None = None

    def start(self) -> None:
        """Connect, and reconnect until `stop`."""
        if self._stopping is not None:
            return
        self._number = self._numbers.next()
        self._connection = Connection(
            self._loop,
            self._wiring.address,
            self._wiring.login,
            self,
            filters=sorted(self._filters),
            will=self._presence(False, self._number) if self._presence else None,
            keepalive=self._wiring.keepalive,
            tls=self._wiring.tls,
        )
        self._connection.open()

    def stop(self, stopped: Future[None]) -> None:
        """Publish `offline`, disconnect and resolve `stopped`."""
        if self._stopping is not None:
            self._stopping.add_done_callback(lambda _: stopped.set_result(None))
            return
        self._stopping = stopped
        if self._retry is not None:
            self._retry.cancel()
        if self._connection is None:
            self._finish()
        elif self.online and self._presence is not None:
            connection = self._connection
            connection.publish(self._presence(False, self._number), connection.disconnect)
            # The connection may be lost at this very moment.
            self._retry = self._loop.later(2.0, connection.drop)
        elif self.online:
            self._connection.disconnect()
            self._retry = self._loop.later(2.0, self._connection.drop)
        else:
            self._connection.drop()

    def _finish(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        if not self.first.done():
            self.first.set_exception(Closed("closed before it was connected"))
        if self._stopping is not None and not self._stopping.done():
            self._stopping.set_result(None)

    def interrupt(self) -> None:
        """Drop the connection as an unplugged cable would, and reconnect."""
        if self._connection is not None:
            self._connection.drop("interrupted")

    def publish(self, message: Message, done: Callable[[], None] | None = None) -> None:
        """Publish while online; offline it is dropped, and the sender resends it later."""
        if self.online and self._connection is not None:
            self._connection.publish(message, done)

    def subscribe(self, wanted: str) -> None:
        """Subscribe now and after each reconnect."""
        self._filters.add(wanted)
        if self.online and self._connection is not None:
            self._connection.subscribe(wanted)

    def unsubscribe(self, wanted: str) -> None:
        """Unsubscribe from a filter."""
        self._filters.discard(wanted)
        if self.online and self._connection is not None:
            self._connection.unsubscribe(wanted)

    # Events of the connection

    def opened(self) -> None:
        """Publish this device's presence, then notify the listener."""
        if self._stopping is not None:
            return
        self.online = True
        self._since = self._loop.now
        if self._presence is not None:
            self.publish(self._presence(True, self._number))
        if not self.first.done():
            self.first.set_result(None)
        self._events.link_up()

    def received(self, message: Message) -> None:
        """Pass a message on."""
        self._events.link_received(message)

    def ended(self, reason: str, *, refused: bool) -> None:
        """Schedule a reconnect, unless the link was stopped."""
        self._connection = None
        self.last_error = reason
        was_online, self.online = self.online, False
        if was_online and self._loop.now - self._since >= _LASTED:
            self._wiring.backoff.reset()
        if was_online:
            self._events.link_down()
        if self._stopping is not None:
            self._finish()
            return
        if refused and not self.first.done():
            self.first.set_exception(NotAuthorized(reason))
        delay = self._wiring.backoff.next(refused=refused)
        _log.info("%s; reconnecting in %.1f s", reason, delay)
        self._retry = self._loop.later(delay, self.start)
