"""Where a batch is synced: on the spot while the disk is quick, on a thread while it is not."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from session_controller.engine.events import Event, Paused
from session_controller.storage.commit import _WARY, GroupCommit
from session_controller.storage.transaction import Transaction


def batch(events: int) -> Transaction:
    """Return a batch of so many events."""
    event = Event("s", 1, datetime(2026, 11, 27, tzinfo=UTC), Paused(), None, None)
    return Transaction(events=[event] * events)


class Disk:
    """Notes which thread syncs; `slow` syncs take a second of its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slow = False
        self.error: Exception | None = None
        self.on_the_spot: list[bool] = []
        self._loop = threading.get_ident()

    def sync(self, _: Transaction) -> None:
        """Sync."""
        self.on_the_spot.append(threading.get_ident() == self._loop)
        self.now += self.slow
        if self.error:
            raise self.error


def with_disk(play: Callable[[Disk, GroupCommit], Awaitable[None]]) -> Disk:
    """Run a coroutine with a disk and what syncs it."""
    disk = Disk()

    async def run() -> None:
        syncing = GroupCommit(disk.sync, lambda: disk.now)
        try:
            await play(disk, syncing)
        finally:
            syncing.close()

    asyncio.run(run())
    return disk


def test_a_small_batch_is_synced_on_the_spot() -> None:
    """A quick disk's answer is waited for where the batch was made; a large batch has a thread."""

    async def play(_: Disk, syncing: GroupCommit) -> None:
        await syncing.sync(batch(1))
        await syncing.sync(batch(8))
        await syncing.sync(batch(9))

    assert with_disk(play).on_the_spot == [True, True, False]


def test_a_slow_disk_keeps_the_loop_free() -> None:
    """After one slow sync the loop waits for none, until so many were quick in a row."""

    async def play(disk: Disk, syncing: GroupCommit) -> None:
        disk.slow = True
        await syncing.sync(batch(1))
        await syncing.sync(batch(1))
        disk.slow = False
        for _ in range(_WARY + 1):
            await syncing.sync(batch(1))

    assert with_disk(play).on_the_spot == [True, False] + [False] * _WARY + [True]


@pytest.mark.parametrize("messages", [1, 100])
def test_what_a_sync_raises_is_heard(messages: int) -> None:
    """A full disk is an error to who waits for the sync, wherever it runs."""

    async def play(disk: Disk, syncing: GroupCommit) -> None:
        disk.error = OSError("full")
        with pytest.raises(OSError, match="full"):
            await syncing.sync(batch(messages))

    assert len(with_disk(play).on_the_spot) == 1
