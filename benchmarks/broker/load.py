"""The load generator: one scenario against one port, in its own process; prints JSON."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import uvloop

from .wire import Client, Publisher, connect

CAP_SECONDS = 15.0
"""Time cap of a scenario; messages not received by then are reported as missing."""
CONNECTING = 100
"""Concurrent connection attempts in a storm."""

Result = dict[str, float]


class Pair:
    """A publisher and its subscriber, with a window of messages in flight."""

    def __init__(self, name: str, qos: int, window: int, count: int) -> None:
        self.name, self.qos, self.window, self.count = name, qos, window, count
        self.publisher = Publisher(f"bench/{name}", qos)
        self.done = asyncio.Event()
        self._acked = 0

    async def open(self, port: int) -> None:
        """Connect both."""
        self.reader = await connect(port, f"reader-{self.name}")
        await self.reader.subscribe(f"bench/{self.name}", qos=self.qos)
        self.writer = await connect(port, f"writer-{self.name}")
        self.reader.on_messages = lambda _: self.push()
        self.writer.on_acks = self._on_acks

    def _on_acks(self, count: int) -> None:
        self._acked += count
        self.push()

    def push(self) -> None:
        """Send what the window allows; finish once everything has arrived and is acknowledged."""
        settled = self.reader.received
        if self.qos:
            settled = min(settled, self._acked)
        if settled >= self.count:
            self.done.set()
            return
        room = min(self.count, settled + self.window) - self.publisher.sent
        # Half a window at a time: with one message per system call, this program is the bottleneck.
        if room and (room * 2 >= self.window or self.publisher.sent + room == self.count):
            self.writer.transport.write(self.publisher.take(room))


async def pairs(port: int, how_many: int, qos: int, window: int, count: int) -> Result:
    """Run pairs to the end or to the cap; check every message and its order."""
    all_pairs = [Pair(f"{qos}-{i}", qos, window, count) for i in range(how_many)]
    for pair in all_pairs:
        await pair.open(port)
    begin = time.perf_counter()
    for pair in all_pairs:
        pair.push()
    try:
        async with asyncio.timeout(CAP_SECONDS):
            for pair in all_pairs:
                await pair.done.wait()
    except TimeoutError:
        pass
    spent = time.perf_counter() - begin
    received = sum(pair.reader.received for pair in all_pairs)
    sent = sum(pair.publisher.sent for pair in all_pairs)
    return {
        "messages_per_second": received / spent,
        "messages": received,
        "missing": sent - received,
        "out_of_order": sum(pair.reader.out_of_order for pair in all_pairs),
    }


async def ping_pong(port: int, count: int) -> Result:
    """Send a message back and forth at QoS 1, one at a time; return microseconds per round trip."""
    there, back = Publisher("bench/there", 1), Publisher("bench/back", 1)
    one, other = await connect(port, "one"), await connect(port, "other")
    await one.subscribe("bench/back", qos=1)
    await other.subscribe("bench/there", qos=1)
    times: list[float] = []
    done = asyncio.Event()
    begin = 0.0

    def serve() -> None:
        nonlocal begin
        begin = time.perf_counter()
        one.transport.write(there.take(1))

    def returned(_: list[int]) -> None:
        times.append((time.perf_counter() - begin) * 1e6)
        if len(times) < count:
            serve()
        else:
            done.set()

    other.on_messages = lambda _: other.transport.write(back.take(1))
    one.on_messages = returned
    serve()
    try:
        async with asyncio.timeout(CAP_SECONDS):
            await done.wait()
    except TimeoutError:
        pass
    times = sorted(times[len(times) // 10 :])
    return {
        "p50_us": statistics.median(times),
        "p99_us": times[int(len(times) * 0.99)],
        "messages": float(one.received + other.received),
    }


async def fan_out(port: int, readers: int, count: int, window: int) -> Result:
    """Send each message to 100 readers; return deliveries per second."""
    clients = [await connect(port, f"fan-{i}") for i in range(readers)]
    for client in clients:
        await client.subscribe("bench/fan")
    writer = await connect(port, "writer")
    publisher = Publisher("bench/fan", 0)
    done = asyncio.Event()

    def push(_: object = None) -> None:
        settled = min(client.received for client in clients)
        if settled >= count:
            done.set()
            return
        room = min(count, settled + window) - publisher.sent
        if room * 2 >= window or (room and publisher.sent + room == count):
            writer.transport.write(publisher.take(room))

    clients[-1].on_messages = push
    for client in clients[:-1]:
        client.on_messages = None
    begin = time.perf_counter()
    push()
    try:
        async with asyncio.timeout(CAP_SECONDS):
            while not done.is_set():
                await asyncio.wait([asyncio.ensure_future(done.wait())], timeout=0.005)
                push()
    except TimeoutError:
        pass
    received = sum(client.received for client in clients)
    return {
        "messages_per_second": received / (time.perf_counter() - begin),
        "messages": received,
        "missing": publisher.sent * readers - received,
        "out_of_order": sum(client.out_of_order for client in clients),
    }


async def storm(port: int, count: int) -> Result:
    """Connect many clients; return the seconds until all are connected."""
    gate = asyncio.Semaphore(CONNECTING)

    async def one(number: int) -> Client:
        async with gate:
            return await connect(port, f"storm-{number}")

    process = psutil.Process(int(os.environ["BROKER_PID"]))
    before = process.memory_info().rss
    begin = time.perf_counter()
    clients = await asyncio.gather(*(one(i) for i in range(count)))
    spent = time.perf_counter() - begin
    grown = process.memory_info().rss - before
    return {"seconds": spent, "messages": len(clients), "kb_per_client": grown / count / 1_024}


async def idle(port: int, count: int, messages: int) -> Result:
    """Measure one pair and a ping-pong with many idle subscriptions and retained messages."""
    holders = [await connect(port, f"idle-{i}") for i in range(count // 200)]
    for number, holder in enumerate(holders):
        for start in range(0, 200, 20):
            await holder.subscribe(*(f"idle/{number}/{start + i}/+" for i in range(20)))
    for number in range(count):
        retained = Publisher(f"kept/{number}", 0, retain=True)
        holders[0].transport.write(retained.take(1))
    probe = await connect(port, "probe")
    await probe.subscribe(f"kept/{count - 1}")
    beside = await pairs(port, 1, 0, 500, messages)
    to_and_fro = await ping_pong(port, min(messages, 1_500))
    return beside | {"p50_us": to_and_fro["p50_us"]}


SCENARIOS: dict[str, Callable[[int, float], Awaitable[Result]]] = {
    "one pair, QoS 0": lambda port, size: pairs(port, 1, 0, 500, int(150_000 * size)),
    "one pair, QoS 1": lambda port, size: pairs(port, 1, 1, 100, int(60_000 * size)),
    "100 pairs, QoS 0": lambda port, size: pairs(port, 100, 0, 10, int(2_000 * size)),
    "100 pairs, QoS 1": lambda port, size: pairs(port, 100, 1, 10, int(1_000 * size)),
    "100 pairs, one by one": lambda port, size: pairs(port, 100, 0, 1, int(1_000 * size)),
    "ping-pong, QoS 1": lambda port, size: ping_pong(port, int(4_000 * size)),
    "fan-out to 100": lambda port, size: fan_out(port, 100, int(2_000 * size), 50),
    "2,000 connect": lambda port, size: storm(port, 2_000),  # noqa: ARG005
    "4,000 idle": lambda port, size: idle(port, 4_000, int(100_000 * size)),
}


async def run(name: str, port: int, size: float) -> Result:
    """Run a scenario; also measure the broker's CPU time."""
    process = psutil.Process(int(os.environ["BROKER_PID"]))
    before = process.cpu_times()
    result = await SCENARIOS[name](port, size)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return result | {"cpu_us": spent * 1e6 / max(result["messages"], 1)}


if __name__ == "__main__":
    outcome = uvloop.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    Path("/dev/stdout").write_text(json.dumps(outcome), encoding="ascii")
