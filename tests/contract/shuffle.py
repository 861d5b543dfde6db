"""A network path that keeps MQTT's promise of order and no more: each topic's own (3.1.1, 4.6).

Each PUBLISH, from a client and to it, is held for a random moment; those of one topic stay in order
and overtake those of all others. Everything else passes at once.
"""

import asyncio
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

from tests.waiting import turns

_PUBLISH, _DISCONNECT = 3, 14
_LONGEST_S = 0.02


class Shuffler:
    """Runs in a thread of its own; `port` is where clients connect."""

    def __init__(self, target: int, seed: int = 1) -> None:
        self.shuffled = 0
        """How many messages have overtaken another."""
        self._target = target
        self._rng = Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="shuffler")
        self._thread.start()

    def close(self) -> None:
        """Cut all, and end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener)
        await self._stop.wait()
        server.close()
        await turns(3)  # what was accepted by then gets its task
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await turns(3)  # an aborted transport closes its socket a turn later
        for writer in self._writers:
            writer.transport.abort()
        await turns(3)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._let_go(task, writer))

    def _let_go(self, task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        self._tasks.discard(task)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up, down = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the box has stopped
            return
        both = [
            asyncio.create_task(self._carry(reader, down)),
            asyncio.create_task(self._carry(up, writer)),
        ]
        try:
            await asyncio.wait(both)
        finally:
            down.transport.abort()  # first: what follows may be cancelled
            for way in both:
                way.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        lanes: dict[bytes, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)
        order: list[bytes] = []
        movers: list[asyncio.Task[None]] = []
        try:
            while packet := await _packet(source):
                kind = packet[0] >> 4
                if kind == _PUBLISH:
                    topic = _topic(packet)
                    if topic not in lanes:
                        movers.append(asyncio.create_task(self._move(lanes[topic], order, target)))
                    order.append(packet)
                    lanes[topic].put_nowait(packet)
                    continue
                if kind == _DISCONNECT:
                    await asyncio.gather(*(lane.join() for lane in lanes.values()))
                target.write(packet)
            await asyncio.gather(*(lane.join() for lane in lanes.values()))
            with suppress(OSError):
                target.write_eof()
        finally:
            for mover in movers:
                mover.cancel()
            await asyncio.gather(*movers, return_exceptions=True)

    async def _move(
        self, lane: "asyncio.Queue[bytes]", order: list[bytes], target: asyncio.StreamWriter
    ) -> None:
        while True:
            packet = await lane.get()
            await asyncio.sleep(self._rng.uniform(0, _LONGEST_S))  # the shuffling itself
            self.shuffled += order[0] is not packet
            order.remove(packet)
            target.write(packet)
            lane.task_done()


async def _packet(source: asyncio.StreamReader) -> bytes:
    """Read one control packet (3.1.1, 2.2); empty at the end of the connection."""
    try:
        head = await source.readexactly(1)
        length = shift = 0
        while True:
            byte = await source.readexactly(1)
            head += byte
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if not byte[0] & 0x80:
                return head + await source.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return b""


def _topic(packet: bytes) -> bytes:
    start = 2
    while packet[start - 1] & 0x80:
        start += 1
    return packet[start + 2 : start + 2 + int.from_bytes(packet[start : start + 2], "big")]


@contextmanager
def shuffled(target: int) -> Iterator[Shuffler]:
    """Shuffle between clients and the broker at a port, until the `with` ends."""
    shuffler = Shuffler(target)
    try:
        yield shuffler
    finally:
        shuffler.close()
