"""Where the event loop waits for the disk: on the spot while that is quick, else on a thread.

To have a thread woken and to be woken by it costs more than the rest of a small batch, and twice a
good disk's answer. But a disk may take seconds; then the broker must go on reading meanwhile.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_SMALL = 8
"""Messages of a batch that is synced on the spot. While a larger one waits, others have sent:
there is something to read meanwhile."""
_QUICK_S = 0.005
"""What the loop may stand still for a sync; a large batch takes it ten times as long."""
_WARY = 50
"""Syncs on the thread after one that was not quick."""


class Syncing:
    """Syncs the database. One caller at a time; `close` waits for what runs."""

    def __init__(
        self, sync: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sync = sync
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "store")
        self._wary = 0
        """How many syncs are still to be made on the thread, for want of trust."""

    async def sync(self, messages: int) -> None:
        """Sync a batch of so many messages. Raises what the sync raises."""
        if messages <= _SMALL and not self._wary:
            self._timed()
        else:
            await self.run(self._timed)

    def _timed(self) -> None:
        begin = self._clock()
        try:
            self._sync()
        finally:
            slow = self._clock() - begin > _QUICK_S
            self._wary = _WARY if slow else max(0, self._wary - 1)

    async def run(self, job: Callable[[], None]) -> None:
        """Have something slow done on the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
