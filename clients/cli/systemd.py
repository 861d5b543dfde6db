"""Notifications to systemd: ready, stopping and the watchdog (sd_notify(3))."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

_DATAGRAM = socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)

UPGRADING = "EXTEND_TIMEOUT_USEC=7200000000\nSTATUS=Backing up and migrating the data"
"""The start may take two hours: a backup is read, and each row may be rewritten."""


def notify(state: str) -> None:
    """Send a state such as `READY=1`; do nothing if systemd did not ask for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, _DATAGRAM) as channel:
        channel.setblocking(False)
        channel.connect(address)
        channel.send(state.encode())


def watchdog_s() -> float | None:
    """Return the interval in which systemd expects a sign of life, in seconds, or None."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdigit() and int(text) else None


async def feed_watchdog(is_well: Callable[[], bool]) -> None:
    """Send `WATCHDOG=1` twice in each interval while `is_well()`; return if none is wanted."""
    interval_s = watchdog_s()
    if interval_s is None:
        return
    while True:
        if is_well():
            notify("WATCHDOG=1")
        await asyncio.sleep(interval_s / 2)
