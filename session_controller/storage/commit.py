"""Group commit: sync on the event loop while the disk is fast, otherwise on a thread.

Switching to a thread and back costs more than the rest of a small transaction, and twice a good
disk's latency. But a disk may take seconds; the broker must go on reading meanwhile.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from session_controller.storage.transaction import Transaction

_T = TypeVar("_T")

_SMALL = 8
"""Events in a transaction that is synced on the event loop. During a larger transaction, others
have sent messages, and the loop can read those while a thread syncs.
"""
_QUICK_S = 0.005
"""How long a sync may block the loop; a large transaction takes ten times as long."""
_WARY = 50
"""How many syncs run on the thread after a slow one."""


class GroupCommit:
    """Commits transactions, and runs other database calls on its thread; one call at a time."""

    def __init__(
        self, sync: Callable[[Transaction], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sync = sync
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "store")
        self._wary = 0
        """How many syncs still have to run on the thread after a slow one."""

    async def sync(self, transaction: Transaction) -> None:
        """Commit a written transaction. Raises what `Store.sync` raises."""
        if len(transaction.events) <= _SMALL and not self._wary:
            self._timed(transaction)
        else:
            await self.run(lambda: self._timed(transaction))

    def _timed(self, transaction: Transaction) -> None:
        begin = self._clock()
        try:
            self._sync(transaction)
        finally:
            slow = self._clock() - begin > _QUICK_S
            self._wary = _WARY if slow else max(0, self._wary - 1)

    async def run(self, turn: Callable[[], _T]) -> _T:
        """Run a call on the thread and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, turn)

    def close(self) -> None:
        """End the thread after its current call."""
        self._thread.shutdown()


class StoreTurn(Protocol):
    """Runs calls that use the database between two transactions, on the database thread."""

    def __call__(self, turn: Callable[[], _T], /) -> Awaitable[_T]:
        """Return what the call returned."""
