"""Rows 13, 21 and 24 of the faults of stock amqtt: what things cost, without sockets."""

import asyncio
import gc
import time
import tracemalloc
from typing import Any

from broker import BrokerSettings, Limits, Observer, Reason, Rules
from broker.protocol.connection import Connection
from broker.protocol.dispatch import accept
from broker.protocol.engine import Engine
from tests.waiting import turns

from .support import anyone, connect_packet, publish_packet, subscribe_packet, unsubscribe_packet


class Sink:
    """A transport that takes everything."""

    def write(self, data: bytes) -> None:
        """Discard the data."""

    def get_write_buffer_size(self) -> int:
        """Return 0: nothing is buffered."""
        return 0

    def pause_reading(self) -> None:
        """Nothing to pause."""

    resume_reading = close = abort = pause_reading


async def _connected(engine: Engine, client_id: str) -> Connection:
    connection = accept(engine, Sink(), listener="t", address="a")
    connection.feed(connect_packet(client_id))
    await asyncio.gather(*engine._tasks)
    return connection


def make_engine(**limits_: Any) -> Engine:
    """Return an engine without listeners."""
    limits = Limits(connections_per_address=10_000, subscriptions=10_000, **limits_)
    rules = {"all": Rules(("#",), ("#",))}
    engine = Engine(BrokerSettings(limits=limits, stop_seconds=0), anyone, rules, Observer())
    engine.bind_loop(asyncio.get_running_loop())
    return engine


def _retain(engine: Engine, name: str, payload: bytes) -> None:
    topic = engine.router.topic(name)
    engine.router.publish(topic, payload, qos=0, retain=True, publisher=("", ""))


async def test_row_21_what_is_idle_costs_nothing() -> None:
    """4,000 idle subscriptions and 4,000 retained messages cost less than 1.2 times none."""
    engine = make_engine()
    reader, writer = await _connected(engine, "reader"), await _connected(engine, "writer")
    reader.feed(subscribe_packet(("busy/+", 0)))
    idle = await _connected(engine, "idle")
    filters = [f"idle/{i}/+" for i in range(4_000)]
    burst = publish_packet("busy/t", b"x" * 100) * 500

    def spent() -> float:
        begin = time.perf_counter()
        for _ in range(10):
            writer.feed(burst)
            engine.flush()
        return time.perf_counter() - begin

    def measure(*, with_idle: bool) -> float:
        for i, topic_filter in enumerate(filters):
            if with_idle:
                idle.feed(subscribe_packet((topic_filter, 0), packet_id=i + 1))
                _retain(engine, f"idle/{i}", b"x")
            else:
                idle.feed(unsubscribe_packet(topic_filter, packet_id=i + 1))
                _retain(engine, f"idle/{i}", b"")
        return min(spent() for _ in range(5))

    spent()
    best = min(measure(with_idle=True) / measure(with_idle=False) for _ in range(5))
    await engine.close_all()
    assert best < 1.2


async def test_row_21_a_connect_costs_the_same_with_much_retained() -> None:
    """A CONNECT and SUBSCRIBE do not walk what is retained: 4,000 cost less than 1.2 times none."""

    async def spent(engine: Engine) -> float:
        begin = time.perf_counter()
        for i in range(200):
            connection = await _connected(engine, f"c{i}")
            connection.feed(subscribe_packet(("one/topic", 0)))
            connection.lost()
        return time.perf_counter() - begin

    bare, full = make_engine(), make_engine()
    for i in range(4_000):
        _retain(full, f"idle/{i}/x", b"x")
    await spent(bare)
    best = min([await spent(full) / await spent(bare) for _ in range(7)])
    assert best < 1.2


async def test_row_24_memory_per_connection_is_bounded() -> None:
    """A connected client with a subscription takes less than 6 KB of the broker's own memory."""
    engine = make_engine()
    keep = [await _connected(engine, f"warm{i}") for i in range(50)]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(500):
        keep.append(await _connected(engine, f"c{i}"))
        keep[-1].feed(subscribe_packet((f"own/{i}", 1)))
        engine.flush()
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / 500
    tracemalloc.stop()
    await engine.close_all()
    assert each < 6_000, f"{each:.0f} bytes"


class Stuck(Sink):
    """A transport whose peer reads nothing."""

    def __init__(self) -> None:
        self.size = 0
        self.reading = True
        self.aborted = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.size += len(data)

    def get_write_buffer_size(self) -> int:
        """Return the size of all data ever written."""
        return self.size

    def pause_reading(self) -> None:
        """Note it."""
        self.reading = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reading = True

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


async def test_row_13_a_client_that_reads_no_answers_is_not_read_either() -> None:
    """Who floods and never reads its PUBACKs is stopped by back-pressure, and later let go."""
    engine = make_engine(output_bytes=20_000, stalled_seconds=30)
    now = 1_000.0
    engine.now = lambda: now
    stuck = Stuck()
    connection = accept(engine, stuck, listener="t", address="a")
    connection.feed(connect_packet("flood", keepalive=1))
    await asyncio.gather(*engine._tasks)
    await turns()
    assert stuck.reading
    connection.output_waits()
    while stuck.reading:
        connection.feed(publish_packet("t", b"x", qos=1) * 1_000)
        engine.flush()
    assert 40_000 < stuck.size < 50_000
    for _ in range(3):
        engine.run_housekeeping()
        assert not connection.closed
        now += 15
    engine.run_housekeeping()
    assert connection.closed
    assert stuck.aborted
    assert engine.counters.ended[Reason.SLOW_CONSUMER] == 1
    connection.lost()
