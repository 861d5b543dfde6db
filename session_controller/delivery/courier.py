"""The courier: one route per destination, so that a failing destination delays no other."""

import asyncio
from collections.abc import Callable, Iterable

from schemas.wire.destinations import Destination
from session_controller.delivery.outbox import Outbox
from session_controller.delivery.route import Circumstances, Route
from session_controller.delivery.sender import Sender

OpenSender = Callable[[Destination], Sender]


class Courier:
    """Delivers the outbox's waiting sessions. For use within one event loop.

    It sends nothing automatically before `start`; `send_now` works without.
    """

    def __init__(
        self, site: str, outbox: Outbox, open_sender: OpenSender, around: Circumstances
    ) -> None:
        self._site = site
        self._outbox = outbox
        self._open_sender = open_sender
        self._around = around
        self._destinations: dict[str, Destination] = {}
        self._routes: dict[str, Route] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._started = False

    async def serve(self, destinations: Iterable[Destination]) -> None:
        """Replace the destinations; routes of unchanged ones keep running."""
        wanted = {each.name: each for each in destinations}
        for name, known in list(self._destinations.items()):
            if wanted.get(name) != known:
                await self._close(name)
        for name, destination in wanted.items():
            if name not in self._routes:
                self._open(destination)

    def start(self) -> None:
        """Start automatic delivery: at once, and whenever something is due."""
        self._started = True
        for name in self._routes:
            self._run(name)

    async def stop(self) -> None:
        """Stop; an interrupted delivery is sent again after the next start."""
        for name in list(self._routes):
            await self._close(name)

    def wake(self) -> None:
        """Check at once whether something is due."""
        for route in self._routes.values():
            route.wake()

    async def send_now(self) -> None:
        """Send everything due to all destinations, including those backing off."""
        await asyncio.gather(*(route.send_now() for route in self._routes.values()))

    def _open(self, destination: Destination) -> None:
        name = destination.name
        self._destinations[name] = destination
        sender = self._open_sender(destination)
        self._routes[name] = Route(name, self._site, sender, self._outbox, self._around)
        if self._started:
            self._run(name)

    def _run(self, name: str) -> None:
        task = asyncio.create_task(self._routes[name].run(), name=f"handrail-deliver-{name}")
        self._running[name] = task

    async def _close(self, name: str) -> None:
        del self._destinations[name]
        task, route = self._running.pop(name, None), self._routes.pop(name)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await route.close()
