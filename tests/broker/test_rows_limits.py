"""Rows 12 to 16 and 25 of the faults of stock amqtt: nobody can wear the broker out."""

import asyncio
import gc
import os
import socket
import tracemalloc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from broker import Broker, Limits, Listener, Reason, Tls

from .certificates import Certificates
from .support import (
    DEADLINE,
    Peer,
    Watch,
    ack,
    by_password,
    connect_packet,
    number,
    packet,
    publish_packet,
    running,
    subscribe_packet,
)
from .websockets import WebSocketPeer


async def test_row_12_a_packet_above_the_limit_is_refused_at_its_header() -> None:
    """A packet that announces more than the limit closes the connection before its body comes."""
    watch = Watch()
    async with running(limits=Limits(packet_bytes=10_000), observer=watch) as broker:
        fits = await Peer.connect(broker, "fits")
        await fits.publish("t", b"x" * 9_900, qos=1)
        large = await Peer.connect(broker, "large")
        large.send(b"\x30\xff\xff\xff\x7f")
        await large.closed()
        await watch.until("disconnected", "large", Reason.TOO_LARGE)
        await fits.nothing_more()


async def test_row_12_a_stranger_may_send_a_small_connect_only() -> None:
    """A CONNECT above 8 KiB is refused at its header."""
    async with running() as broker:
        peer = await Peer.open(broker)
        peer.send(b"\x10\xff\x7f")
        await peer.closed()
        await Peer.connect(broker, "long", user="u" * 7_000)


@pytest.mark.parametrize("way", ["tcp", "tls", "ws", "wss"])
async def test_row_13_a_client_that_does_not_read_costs_a_bounded_amount(
    way: str, certs: Certificates
) -> None:
    """To a client that does not read, QoS 0 is dropped beyond the limit; others lose nothing."""
    tls = Tls(certs.folder / "server.pem", certs.folder / "server.key")
    listener = Listener(
        kind="http" if way[0] == "w" else "mqtt", tls=tls if way in ("tls", "wss") else None
    )
    limits = Limits(output_bytes=100_000)
    async with running(limits=limits, mqtt=Listener(), it=listener) as broker:
        slow = await _slow(broker, way, certs)
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("t", 0))
        writer = await Peer.connect(broker, "writer")
        connection = broker._engine.sessions["slow"].connection
        assert connection is not None
        for _ in range(300):
            writer.send(publish_packet("t", b"x" * 65_000))
            await reader.expect(3)
            assert connection.transport.get_write_buffer_size() < 500_000
        assert broker.counters["dropped_qos0"] > 0
        await slow()


async def _slow(
    broker: Broker, way: str, certs: Certificates
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Connect and subscribe someone who then stops reading; gives how to close it."""
    hello = connect_packet("slow") + subscribe_packet(("t", 0))
    options: dict[str, Any] = {"ssl": certs.client_context()} if way in ("tls", "wss") else {}
    if way[0] == "w":
        web = await WebSocketPeer.open(broker, "it", **options)
        await web.send(hello)
        while not broker.counters["subscriptions"]:
            await web.receive()
        return web.close
    peer = await Peer.open(broker, "it", limit=1_000, **options)
    peer.send(hello)
    await peer.expect(2)
    await peer.expect(9)
    return peer.drop


async def test_row_13_a_client_whose_queue_overflows_is_let_go() -> None:
    """A connected client with a full queue is disconnected; its session keeps what it had."""
    watch = Watch()
    limits = Limits(queue_messages=20, inflight=5)
    async with running(limits=limits, observer=watch) as broker:
        slow = await Peer.connect(broker, "slow", clean=False)
        await slow.subscribe(("t", 1))
        writer = await Peer.connect(broker, "writer")
        for i in range(40):
            await writer.publish("t", b"%d" % i, qos=1)
        await watch.until("disconnected", "slow", Reason.SLOW_CONSUMER)
        back = await Peer.connect(broker, "slow", clean=False)
        got = [int((await back.message()).payload) for _ in range(25)]
        assert got == list(range(25))
        await back.nothing_more()
        assert broker.counters["dropped_queue_full"] == 15


async def test_row_13_a_queue_is_bounded_in_bytes() -> None:
    """What waits for an absent client is bounded in bytes as well as in number."""
    async with running(limits=Limits(queue_bytes=10_000)) as broker:
        away = await Peer.connect(broker, "away", clean=False)
        await away.subscribe(("t", 1))
        await away.disconnect()
        writer = await Peer.connect(broker, "writer")
        for _ in range(30):
            await writer.publish("t", b"x" * 999, qos=1)
        assert broker.counters["dropped_queue_full"] == 20


async def test_row_14_whoever_sends_no_connect_is_closed() -> None:
    """Silence, half a CONNECT and garbage all end: the last at once, the others at their limit."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    watch = Watch()
    async with running(limits=Limits(connect_seconds=0.3), observer=watch) as broker:
        silent, half, garbage = [await Peer.open(broker) for _ in range(3)]
        half.send(connect_packet()[:9])
        garbage.send(b"GET / HTTP/1.1\r\n")
        await watch.until("refused", "", Reason.PROTOCOL_ERROR)
        await garbage.closed()
        await half.closed()
        await silent.closed()
        reasons = [each[2] for each in watch.seen]
        assert reasons.count(Reason.CONNECT_TIMEOUT) == 2
        assert broker.counters["connections"] == 0
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


async def test_row_14_connections_per_address_are_limited() -> None:
    """An address holds so many connections and no more, and gets room when one of them ends."""
    async with running(limits=Limits(connections_per_address=3)) as broker:
        peers = [await Peer.connect(broker, f"p{i}") for i in range(3)]
        more = await Peer.open(broker)
        await more.closed()
        await peers[0].disconnect()
        await Peer.connect(broker, "again")
        assert broker.counters["ended_too_many_connections"] == 1


async def test_row_15_failed_authentications_leave_nothing() -> None:
    """After many failed CONNECTs there is no session, no connection and no lasting memory."""
    limits = Limits(failures_per_address=100_000)
    async with running(authenticate=by_password, rules={}, limits=limits) as broker:

        async def fail(turns: int) -> None:
            for i in range(turns):
                peer, connack = await Peer.try_connect(broker, f"x{i}", user="u", password=b"no")
                assert connack is not None
                assert connack.body[1] == 5
                await peer.drop()

        await fail(100)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await fail(300)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert kept < 60_000, "some 200 bytes each would be 60,000"
        assert broker.counters["sessions"] == 0


async def test_row_15_guessing_is_slowed_down() -> None:
    """After so many failures an address is refused without a check, until time has passed."""
    limits = Limits(failures_per_address=3, failure_seconds=1.5)
    watch = Watch()
    async with running(authenticate=by_password, rules={}, limits=limits, observer=watch) as broker:
        for _ in range(3):
            await Peer.try_connect(broker, user="u", password=b"no")
        _, connack = await Peer.try_connect(broker, "right", user="u", password=b"secret")
        assert connack is not None
        assert connack.body[1] == 5
        assert watch.seen[-1] == ("refused", "right", Reason.TOO_MANY_FAILURES)
        async with asyncio.timeout(DEADLINE):
            while connack is not None and connack.body[1]:
                _, connack = await Peer.try_connect(broker, user="u", password=b"secret")


def _raw(topic: bytes) -> bytes:
    return number(len(topic)) + topic


MALFORMED = {
    "wildcard in a publish": publish_packet("a/+", b"x"),
    "hash in a publish": publish_packet("#", b"x", qos=1),
    "empty topic": publish_packet("", b"x"),
    "NUL in a topic": publish_packet("a\0b", b"x"),
    "ill-formed UTF-8": packet(0x30, _raw(b"\xc3\x28"), b"x"),
    "a surrogate": packet(0x30, _raw(b"\xed\xa0\x80"), b"x"),
    "QoS 3": packet(0x36, _raw(b"t"), number(1), b"x"),
    "DUP with QoS 0": packet(0x38, _raw(b"t"), b"x"),
    "packet id 0": publish_packet("t", b"x", qos=1, packet_id=0),
    "packet id 0 at QoS 2": publish_packet("t", b"x", qos=2, packet_id=0),
    "a topic longer than the packet": packet(0x30, number(9), b"t"),
    "a PUBLISH without anything": packet(0x30),
    "a PUBLISH of one byte": packet(0x30, b"\0"),
    "a PUBLISH without its id": packet(0x32, _raw(b"t")),
    "SUBSCRIBE without filters": packet(0x82, number(1)),
    "SUBSCRIBE with wrong flags": packet(0x80, number(1), _raw(b"t"), b"\0"),
    "SUBSCRIBE with QoS 3": packet(0x82, number(1), _raw(b"t"), b"\3"),
    "SUBSCRIBE with reserved bits": packet(0x82, number(1), _raw(b"t"), b"\x81"),
    "SUBSCRIBE with id 0": packet(0x82, number(0), _raw(b"t"), b"\0"),
    "SUBSCRIBE with an empty filter": packet(0x82, number(1), _raw(b""), b"\0"),
    "SUBSCRIBE cut short": packet(0x82, number(1), _raw(b"t")),
    "SUBSCRIBE to a#": packet(0x82, number(1), _raw(b"a#"), b"\0"),
    "SUBSCRIBE to #/a": packet(0x82, number(1), _raw(b"#/a"), b"\0"),
    "SUBSCRIBE to a+": packet(0x82, number(1), _raw(b"a+/b"), b"\0"),
    "SUBSCRIBE with NUL": packet(0x82, number(1), _raw(b"a\0"), b"\0"),
    "UNSUBSCRIBE without filters": packet(0xA2, number(1)),
    "UNSUBSCRIBE with wrong flags": packet(0xA0, number(1), _raw(b"t")),
    "UNSUBSCRIBE with an empty filter": packet(0xA2, number(1), _raw(b"")),
    "PUBACK with id 0": packet(0x40, number(0)),
    "PUBACK too short": packet(0x40, b"\0"),
    "PUBACK too long": packet(0x40, number(1), b"x"),
    "PUBREL with wrong flags": packet(0x60, number(1)),
    "PINGREQ with a smuggled packet": packet(0xC0, publish_packet("t", b"smuggled")),
    "DISCONNECT with a body": packet(0xE0, b"x"),
    "DISCONNECT with flags": b"\xe1\0",
    "a second CONNECT": connect_packet("other"),
    "CONNACK": packet(0x20, b"\0\0"),
    "SUBACK": packet(0x90, number(1), b"\0"),
    "PINGRESP": b"\xd0\0",
    "type 0": b"\x00\0",
    "type 15": b"\xf0\0",
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "too many levels": publish_packet("/" * 200, b"x"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_row_16_a_protocol_violation_closes_that_connection_at_once(name: str) -> None:
    """A violation closes its connection, nothing behind it is read, and no other is disturbed."""
    watch = Watch()
    async with running(observer=watch) as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("#", 2))
        bad = await Peer.connect(broker, "bad")
        bad.send(MALFORMED[name], publish_packet("behind", b"x"))
        await bad.closed()
        await watch.until("disconnected", "bad", Reason.PROTOCOL_ERROR)
        await reader.nothing_more()
        assert broker.counters["internal_errors"] == 0


STRANGE_CONNECTS = {
    "another protocol name": packet(0x10, _raw(b"MQTX"), b"\4\2\0\0", _raw(b"id")),
    "a reserved flag": packet(0x10, _raw(b"MQTT"), b"\4\3\0\0", _raw(b"id")),
    "will QoS 3": packet(0x10, _raw(b"MQTT"), b"\4\x1e\0\0", _raw(b"id"), _raw(b"w"), _raw(b"")),
    "will QoS without a will": packet(0x10, _raw(b"MQTT"), b"\4\x0a\0\0", _raw(b"id")),
    "a password without a user": packet(
        0x10, _raw(b"MQTT"), b"\4\x42\0\0", _raw(b"id"), _raw(b"p")
    ),
    "a body too long": packet(0x10, _raw(b"MQTT"), b"\4\2\0\0", _raw(b"id"), b"x"),
    "a body too short": packet(0x10, _raw(b"MQTT"), b"\4\x82\0\0", _raw(b"id")),
    "flags in the fixed header": b"\x11" + connect_packet()[1:],
    "NUL in the client id": connect_packet("a\0b"),
    "a publish first": publish_packet("t", b"x"),
}


@pytest.mark.parametrize("name", STRANGE_CONNECTS)
async def test_row_16_a_strange_connect_gets_no_answer(name: str) -> None:
    """A CONNECT that is no MQTT 3.1.1 closes the connection without a CONNACK."""
    async with running() as broker:
        peer = await Peer.open(broker)
        peer.send(STRANGE_CONNECTS[name])
        assert await peer.receive() is None


@pytest.mark.parametrize(("name", "level"), [(b"MQTT", 5), (b"MQIsdp", 3), (b"MQTT", 3)])
async def test_another_version_is_told_so(name: bytes, level: int) -> None:
    """A CONNECT of MQTT 5 or 3.1 is answered with return code 1 and closed (3.1.2-2)."""
    async with running() as broker:
        peer = await Peer.open(broker)
        peer.send(packet(0x10, _raw(name), bytes((level, 2)), b"\0\0\0", _raw(b"id")))
        connack = await peer.expect(2)
        assert connack.body == b"\0\1"
        await peer.closed()


@pytest.mark.parametrize("listener", ["mqtt", "web"])
async def test_row_25_nagles_algorithm_is_off(listener: str) -> None:
    """TCP_NODELAY is set on the sockets that the broker accepts, WebSockets too."""
    async with running(mqtt=Listener(), web=Listener(kind="http")) as broker:
        if listener == "mqtt":
            await Peer.connect(broker)
        else:
            web = await WebSocketPeer.open(broker)
            await web.send(connect_packet("web"))
            await web.receive()
        (connection,) = broker._engine.connections
        transport: Any = getattr(connection.transport, "_request", connection).transport
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if listener == "web":
            await web.close()


async def test_subscriptions_and_sessions_are_limited() -> None:
    """Filters beyond a session's limit get 0x80; a session beyond the broker's gets code 3."""
    async with running(limits=Limits(subscriptions=2, sessions=2)) as broker:
        peer = await Peer.connect(broker, "a")
        assert await peer.subscribe(("x", 0), ("y", 0), ("z", 0), ("x", 1)) == [0, 0, 0x80, 1]
        await Peer.connect(broker, "b")
        _, connack = await Peer.try_connect(broker, "c")
        assert connack is not None
        assert connack.body == b"\0\3"
        await Peer.connect(broker, "a")


async def test_retained_messages_are_limited_in_number_and_bytes() -> None:
    """What does not fit is not retained, and never leaves an older one in its place."""
    limits = Limits(retained_messages=2, retained_bytes=1_000)
    async with running(limits=limits) as broker:
        peer = await Peer.connect(broker)
        await peer.publish("a", b"1", qos=1, retain=True)
        await peer.publish("b", b"1", qos=1, retain=True)
        await peer.publish("c", b"1", qos=1, retain=True)
        await peer.publish("a", b"x" * 2_000, qos=1, retain=True)
        await peer.subscribe(("#", 0))
        assert (await peer.message()).topic == "b"
        await peer.nothing_more()
        assert broker.counters["dropped_retained_full"] == 2


async def test_unreleased_qos_2_messages_are_limited() -> None:
    """A client that never sends PUBREL is closed at its limit."""
    async with running(limits=Limits(unreleased=3)) as broker:
        peer = await Peer.connect(broker)
        peer.send(*(publish_packet("t", b"x", qos=2, packet_id=i) for i in range(1, 5)))
        await peer.closed()
        assert broker.counters["ended_limit"] == 1


async def test_an_unknown_acknowledgement_is_ignored() -> None:
    """PUBACK, PUBREC, PUBREL and PUBCOMP for unknown ids disturb nothing."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        peer.send(ack(0x40, 9), ack(0x70, 9), ack(0x62, 9))
        assert (await peer.expect(7)).packet_id == 9
        await peer.nothing_more()


async def test_the_levels_say_how_near_each_limit_is() -> None:
    """The level now and how often it was reached; the longest queue stands for all."""
    limits = Limits(connections_per_address=3, subscriptions=2, queue_messages=4, sessions=5)
    async with running(limits=limits) as broker:
        away = await Peer.connect(broker, "away", clean=False)
        assert await away.subscribe(("t", 1), ("u", 1), ("v", 1)) == [1, 1, 0x80]
        await away.disconnect()
        writer = await Peer.connect(broker, "writer")
        for _ in range(6):
            await writer.publish("t", b"x" * 99, qos=1, retain=True)
        await Peer.connect(broker, "third")
        await Peer.connect(broker, "fourth")
        await (await Peer.open(broker)).closed()
        found = {each.limit: each[1:] for each in broker.levels}
    assert found["connections"] == (3, limits.connections, 1)
    assert found["connections_per_address"] == (3, 3, 0)
    assert found["sessions"] == (4, 5, 0)
    assert found["subscriptions"] == (2, 2, 1)
    assert found["queue_messages"] == (4, 4, 2)
    assert found["queue_bytes"] == (4 * 100, limits.queue_bytes, 0)
    assert found["retained_messages"] == (1, limits.retained_messages, 0)
    assert found["retained_bytes"] == (100, limits.retained_bytes, 0)
    assert found["packet_bytes"] == (None, limits.packet_bytes, 0)
