"""Where the event loop waits for the disk: on the spot while that is quick, else on a thread.

To have a thread woken and to be woken by it costs more than the rest of a small batch, and twice a
good disk's answer. But a disk may take seconds; then the broker must go on reading meanwhile.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from session_controller.batch import Batch

_T = TypeVar("_T")

_SMALL = 8
"""Events of a batch that is synced on the spot. While a larger one waits, others have sent:
there is something to read meanwhile."""
_QUICK_S = 0.005
"""What the loop may stand still for a sync; a large batch takes it ten times as long."""
_WARY = 50
"""Syncs on the thread after one that was not quick."""


class Syncing:
    """Commits batches, and has its thread do what else uses the database; one call at a time."""

    def __init__(
        self, sync: Callable[[Batch], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sync = sync
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "store")
        self._wary = 0
        """How many syncs are still to be made on the thread, for want of trust."""

    async def sync(self, batch: Batch) -> None:
        """Commit a batch that is written. Raises what the store raises."""
        if len(batch.events) <= _SMALL and not self._wary:
            self._timed(batch)
        else:
            await self.run(lambda: self._timed(batch))

    def _timed(self, batch: Batch) -> None:
        begin = self._clock()
        try:
            self._sync(batch)
        finally:
            slow = self._clock() - begin > _QUICK_S
            self._wary = _WARY if slow else max(0, self._wary - 1)

    async def run(self, turn: Callable[[], _T]) -> _T:
        """Give what a call gave that was made on the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, turn)

    def close(self) -> None:
        """End the thread, once what it does is done."""
        self._thread.shutdown()
