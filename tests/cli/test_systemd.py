"""Notifications to systemd, over a socket that plays it."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from clients.cli.systemd import feed_watchdog, notify, watchdog_s

from .conftest import STOP_WITHIN_S, Serving


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return the socket that systemd would listen on."""
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(STOP_WITHIN_S)
        yield listening


def test_a_state_is_sent(systemd: socket.socket) -> None:
    """As one datagram."""
    notify("READY=1")
    assert systemd.recv(100) == b"READY=1"


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """`@` stands for the null byte of Linux's abstract namespace."""
    name = f"handrail-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(STOP_WITHIN_S)
        notify("READY=1")
        assert listening.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/notify"])
def test_without_systemd_nothing_happens(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither without a socket nor with one that is gone."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("30000000", None, 30.0),
        pytest.param("30000000", str(os.getpid()), 30.0, id="this process"),
        ("30000000", "1", None),
        ("0", None, None),
        ("x", None, None),
        (None, None, None),
    ],
)
def test_the_watchdogs_interval(
    usec: str | None, pid: str | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In seconds; None where it is not set, or for another process."""
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert watchdog_s() == expected


async def test_the_watchdog_is_fed_only_while_all_is_well(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice in each interval it is asked; what is not well sends nothing."""
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    systemd.setblocking(False)
    asked = asyncio.Event()
    well = False

    def is_well() -> bool:
        asked.set()
        return well

    feeding = asyncio.create_task(feed_watchdog(is_well))
    try:
        for _ in range(3):
            asked.clear()
            await asked.wait()
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        well = True
        said = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(systemd, 100), 20)
        assert said == b"WATCHDOG=1"
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding


async def test_without_a_watchdog_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task ends at once."""
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await feed_watchdog(lambda: pytest.fail("asked"))


def test_a_box_notifies_of_its_life(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready once it serves, alive while it does, stopping before it ends."""
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    with Serving(tmp_path / "data") as serving:
        assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100) == b"WATCHDOG=1"
        assert serving.end() == 0
        assert systemd.recv(100) == b"STOPPING=1"
