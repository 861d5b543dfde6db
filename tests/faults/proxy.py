"""A bad network: a TCP proxy between screens and box that delays, throttles, cuts and goes deaf."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random

from tests.waiting import turns


@dataclass
class Weather:
    """What the network is like now; may be changed while it is in use."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    cut_after: int | None = None
    """Cut each connection after so many bytes, wherever in a packet that is."""
    deaf_up: bool = False
    """What screens say is swallowed, and the connection stands: half-open."""
    deaf_down: bool = False
    """What the box says is swallowed."""


class Proxy:
    """Runs in a thread of its own; `port` is where the screens connect."""

    def __init__(self, target: int, seed: int = 1) -> None:
        self.weather = Weather()
        self.cuts = 0
        self._target = target
        self._rng = Random(seed)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._thread.start()

    def _run(self) -> None:
        async def serve() -> None:
            self._stop = asyncio.Event()
            server = await asyncio.start_server(self._accept, sock=self._listener)
            ready.set()
            await self._stop.wait()
            server.close()
            await turns(3)  # what was accepted by then gets its task
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                self._cut()
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                await turns(3)  # an aborted transport closes its socket a turn later
            self._cut()
            await turns(3)

        ready = self._ready = threading.Event()
        self._loop.run_until_complete(serve())
        self._loop.close()

    def cut(self) -> None:
        """Cut every connection, as an access point does that restarts."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._writers:
            self.cuts += 1
            writer.transport.abort()

    def close(self) -> None:
        """Cut all, and end."""
        self._ready.wait(5)
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accept a connection; it is registered first, so that it is always closed."""
        self._writers.add(writer)
        task = asyncio.ensure_future(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._let_go(task, writer))

    def _let_go(self, task: asyncio.Future[None], writer: asyncio.StreamWriter) -> None:
        self._tasks.discard(task)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return
        self._writers.add(up_writer)
        tasks = {
            asyncio.create_task(self._carry(reader, up_writer, up=True)),
            asyncio.create_task(self._carry(up_reader, writer, up=False)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers.discard(up_writer)
            up_writer.transport.abort()  # first: what follows may be cancelled
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        """Carry one direction: what is read waits in a queue for as long as it is under way."""
        road: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        arriving = asyncio.create_task(self._deliver(road, writer))
        try:
            with suppress(ConnectionError):
                while data := await reader.read(4096):
                    weather = self.weather
                    if weather.deaf_up if up else weather.deaf_down:
                        continue
                    late = weather.delay_s + self._rng.uniform(0, weather.jitter_s)
                    await road.put((self._loop.time() + late, data))
                    if arriving.done():
                        return
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)

    async def _deliver(
        self, road: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        carried = 0
        while True:
            due, data = await road.get()
            weather = self.weather
            if weather.bytes_per_s:
                due = max(due, self._loop.time() + len(data) / weather.bytes_per_s)
            await asyncio.sleep(max(0.0, due - self._loop.time()))  # the fault: a slow network
            left = len(data)
            if weather.cut_after is not None:
                left = max(0, weather.cut_after - carried)
            writer.write(data[:left])
            await writer.drain()
            carried += left
            if left < len(data):
                self.cuts += 1
                writer.transport.abort()
                return


@contextmanager
def proxied(target: int, seed: int = 1) -> Iterator[Proxy]:
    """Yield a proxy to a port, and close it."""
    proxy = Proxy(target, seed)
    try:
        yield proxy
    finally:
        proxy.close()
