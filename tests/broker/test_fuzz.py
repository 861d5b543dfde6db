"""Broken and hostile input: nothing unhandled, nothing left behind, nobody else disturbed."""

import asyncio
import gc
import os
import random
import tracemalloc
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker import Broker, Credentials, Identity, Limits, Rules
from broker.packets.codec import encode_length
from broker.protocol.dispatch import accept
from tests.waiting import turns, until

from .support import (
    Peer,
    ack,
    connect_packet,
    packet,
    publish_packet,
    running,
    subscribe_packet,
    unsubscribe_packet,
)
from .test_rows_cost import Sink, make_engine

CONNECTIONS = 20_000
AT_ONCE = 50
SEED = 20_261_122
SEEDS = [
    connect_packet("fuzz", user="fuzz"),
    connect_packet("fuzz", user="fuzz", will=("fuzz/will", b"gone"), will_qos=1, keepalive=9),
    publish_packet("fuzz/a", b"payload"),
    publish_packet("fuzz/a", b"payload", qos=1, packet_id=2, retain=True),
    publish_packet("fuzz/a", b"payload" * 30, qos=2, packet_id=3),
    subscribe_packet(("fuzz/#", 2), ("fuzz/+/b", 1)),
    unsubscribe_packet("fuzz/#"),
    ack(0x40, 1),
    ack(0x50, 1),
    ack(0x62, 3),
    ack(0x70, 1),
    b"\xc0\0",
    b"\xe0\0",
]
RULES = {
    "fuzz": Rules(("fuzz/#",), ("fuzz/#",)),
    "good": Rules(("good/#",), ("good/#",)),
}


async def by_name(credentials: Credentials) -> Identity | None:
    """Return the role named by the user name; refuse all others."""
    name = credentials.username or ""
    return Identity(name, name) if name in RULES else None


def mutate(random_: random.Random) -> bytes:
    """Return a conversation with a fault in it, mostly after a valid CONNECT."""
    good = [random_.choice(SEEDS) for _ in range(random_.randint(1, 5))]
    if random_.random() < 0.8:
        good.insert(0, SEEDS[random_.random() < 0.3])
    begin = len(good[0]) if random_.random() < 0.7 else 0
    data = bytearray(b"".join(good))
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(min(begin, len(data) - 1), len(data)) if data else 0
        match random_.randrange(6):
            case 0 if data:
                data[at] = random_.randrange(256)
            case 1 if data:
                data[at] ^= 1 << random_.randrange(8)
            case 2:
                data[at:at] = random_.randbytes(random_.randint(1, 8))
            case 3:
                del data[at : at + random_.randint(1, 8)]
            case 4:
                data[at:at] = encode_length(random_.randrange(1 << 28))
            case _:
                del data[random_.randint(at, len(data)) :]
    return bytes(data)


async def _talk(broker: Broker, data: bytes) -> None:
    """Send it all, say that it is all, and read until the broker closes."""
    reader, writer = await asyncio.open_connection(*broker.addresses["mqtt"])
    try:
        writer.write(data)
        writer.write_eof()
        await reader.read(-1)
    except ConnectionError:
        pass
    writer.transport.abort()


class Healthy:
    """A pair that numbers its messages and misses none."""

    def __init__(self) -> None:
        self.sent = 0
        self.stop = False

    async def run(self, broker: Broker, qos: int) -> int:
        """Publish and receive until told to stop; give how many."""
        name = f"good-{qos}"
        reader = await Peer.connect(broker, f"{name}-reader", user="good")
        writer = await Peer.connect(broker, f"{name}-writer", user="good")
        await reader.subscribe((f"good/{name}", qos))
        while not self.stop:
            await writer.publish(f"good/{name}", b"%d" % self.sent, qos=qos)
            got = await reader.message()
            assert got.payload == b"%d" % self.sent
            self.sent += 1
        return self.sent


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_row_16_twenty_thousand_broken_connections() -> None:
    """20,000 mutated conversations leave no exception, descriptor or memory, and disturb nobody."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    process = psutil.Process()
    limits = Limits(connect_seconds=5, failures_per_address=1_000_000, output_bytes=100_000)
    async with running(rules=RULES, authenticate=by_name, limits=limits) as broker:
        pairs = [Healthy() for _ in range(3)]
        healthy = [asyncio.create_task(p.run(broker, qos)) for qos, p in enumerate(pairs)]
        await _many(broker, 0, 1_000)
        descriptors, resident = len(os.listdir("/proc/self/fd")), process.memory_info().rss  # noqa: PTH208
        await _many(broker, 1_000, CONNECTIONS)
        gc.collect()
        assert process.memory_info().rss - resident < 20 << 20
        for pair in pairs:
            pair.stop = True
        counts = await asyncio.gather(*healthy)
        assert min(counts) > 100
        await until(lambda: broker.counters["connections"] <= 6, "all others are gone")
        assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208
        broker.revoke("fuzz")
        assert broker.counters["sessions"] == 6
        assert broker.counters["internal_errors"] == 0
        assert broker.counters["ended_protocol_error"] > CONNECTIONS / 4
        assert not [task for task in asyncio.all_tasks() if "_decide" in repr(task)]
    assert unhandled == []


async def _many(broker: Broker, first: int, last: int) -> None:
    numbers = iter(range(first, last))

    async def worker() -> None:
        for number in numbers:
            await _talk(broker, mutate(random.Random(SEED + number)))

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


PIECES = st.one_of(
    st.sampled_from(SEEDS),
    st.builds(packet, st.integers(0, 255), st.binary(max_size=40)),
    st.binary(max_size=20),
    st.builds(
        publish_packet,
        st.text(max_size=8).filter(lambda text: text.isascii()),
        st.binary(max_size=200),
        qos=st.integers(0, 3),
        packet_id=st.integers(0, 5),
        retain=st.booleans(),
        dup=st.booleans(),
    ),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=8), st.lists(st.integers(1, 50), max_size=20), st.booleans())
def test_row_16_any_bytes_in_any_pieces(
    pieces: list[bytes], cuts: list[int], connected: bool
) -> None:
    """Any bytes, cut anywhere, act as they do at once, and never cause an internal error."""

    async def feed(cut: bool) -> tuple[bool, int, bytes]:
        engine = make_engine()
        wire = Recorder()
        connection = accept(engine, wire, listener="t", address="a")
        data = (SEEDS[0] if connected else b"") + b"".join(pieces)
        for size in cuts if cut else ():
            connection.feed(data[:size])
            data = data[size:]
            await _settle(engine)
        connection.feed(data)
        await _settle(engine)
        assert engine.counters.internal_errors == 0
        result = connection.closed, engine.counters.messages_received, bytes(wire.written)
        connection.lost()
        await engine.close_all()
        return result

    assert asyncio.run(feed(cut=False)) == asyncio.run(feed(cut=True))


class Recorder(Sink):
    """A transport that remembers."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        """Remember it."""
        self.written += data


async def _settle(engine: Any) -> None:
    """Run the pending callbacks and credential checks of the engine to their end."""
    while engine._tasks:
        await asyncio.gather(*engine._tasks)
    await turns(4)


async def test_row_24_a_dribbled_packet_costs_its_size_once() -> None:
    """A large packet that comes byte by byte is gathered without being copied at each byte."""
    engine = make_engine()
    connection = accept(engine, Sink(), listener="t", address="a")
    connection.feed(connect_packet())
    await _settle(engine)
    data = publish_packet("t", b"x" * 60_000, qos=1)
    tracemalloc.start()
    for i in range(len(data)):
        connection.feed(data[i : i + 1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert engine.counters.messages_received == 1
    assert peak < 400_000
    await engine.close_all()
