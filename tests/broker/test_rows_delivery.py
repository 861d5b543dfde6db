"""Rows 5 to 11 of the faults of stock amqtt: no message lost, sessions as the standard has them."""

import asyncio
import time

import pytest

from broker import Reason

from .support import Peer, Watch, ack, publish_packet, running


async def _unacknowledged(peer: Peer, count: int) -> list[int]:
    return [(await peer.expect(3)).packet_id for _ in range(count)]


@pytest.mark.parametrize("polite", [True, False])
async def test_row_05_what_was_not_acknowledged_is_sent_again_in_order(polite: bool) -> None:
    """After a reconnect, unacknowledged QoS 1 messages come again, with DUP, in order (4.4.0-1)."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader", clean=False)
        await reader.subscribe(("t", 1))
        writer = await Peer.connect(broker, "writer")
        for index in range(5):
            await writer.publish("t", b"%d" % index, qos=1)
        first = await _unacknowledged(reader, 5)
        reader.send(ack(0x40, first[1]))
        await reader.nothing_more()
        await (reader.disconnect() if polite else reader.drop())
        await writer.publish("t", b"offline", qos=1)
        back = await Peer.connect(broker, "reader", clean=False)
        assert back.session_present
        again = [await back.message() for _ in range(5)]
        assert [each.payload for each in again] == [b"0", b"2", b"3", b"4", b"offline"]
        assert [each.dup for each in again] == [True, True, True, True, False]
        assert [each.packet_id for each in again[:4]] == [first[0], *first[2:]]
        await back.nothing_more()


async def test_row_05_a_qos_2_flow_is_taken_up_where_it_stood() -> None:
    """After a reconnect an unreceived QoS 2 PUBLISH comes again, and a received one's PUBREL."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader", clean=False)
        await reader.subscribe(("t", 2))
        writer = await Peer.connect(broker, "writer")
        await writer.publish("t", b"a", qos=2)
        await writer.publish("t", b"b", qos=2)
        a, b = await _unacknowledged(reader, 2)
        reader.send(ack(0x50, a))
        await reader.expect(6)
        await reader.drop()
        back = await Peer.connect(broker, "reader", clean=False)
        again = await back.expect(3)
        assert (again.packet_id, again.dup, again.qos) == (b, True, 2)
        assert (await back.expect(6)).packet_id == a
        back.send(ack(0x70, a), ack(0x50, b))
        assert (await back.expect(6)).packet_id == b
        back.send(ack(0x70, b))
        await back.nothing_more()


async def test_row_06_what_was_acknowledged_is_routed_when_the_publisher_vanishes() -> None:
    """Every publish that was acknowledged reaches its subscriber, though its sender is cut off."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("t/#", 1))
        for round_ in range(20):
            writer = await Peer.connect(broker, f"writer-{round_}")
            writer.send(*(publish_packet(f"t/{i}", b"x", qos=1, packet_id=i) for i in range(1, 11)))
            await writer.expect(4)
            await writer.drop()
        got = [(await reader.message()).topic for _ in range(200)]
        assert got == [f"t/{i}" for i in range(1, 11)] * 20


async def test_row_06_two_thousand_retained_messages_survive_a_disconnect() -> None:
    """All retained messages that were acknowledged before a DISCONNECT are there after it."""
    async with running() as broker:
        writer = await Peer.connect(broker, "writer")
        for i in range(2_000):
            packet_id = i % 60_000 + 1
            writer.send(
                publish_packet(f"r/{i}", b"%d" % i, qos=1, packet_id=packet_id, retain=True)
            )
        for i in range(2_000):
            assert (await writer.expect(4)).packet_id == i + 1
        await writer.disconnect()
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("r/#", 1))
        got = {
            (each.topic, each.payload) for each in [await reader.message() for _ in range(2_000)]
        }
        assert got == {(f"r/{i}", b"%d" % i) for i in range(2_000)}


async def test_row_07_subscribing_and_connecting_beside_a_stream_loses_nothing() -> None:
    """While others connect, subscribe and leave, every QoS 1 message arrives, and nobody hangs."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("stream", 1))
        writer = await Peer.connect(broker, "writer")

        async def come_and_go(name: int) -> None:
            for turn in range(10):
                peer = await Peer.connect(broker, f"guest-{name}", clean=bool(turn % 2))
                await peer.subscribe(*((f"x/{name}/{i}", 1) for i in range(20)), ("stream", 0))
                await peer.drop()

        async def stream() -> None:
            for i in range(1_000):
                await writer.publish("stream", b"%d" % i, qos=1)

        async def read() -> list[bytes]:
            return [(await reader.message()).payload for _ in range(1_000)]

        _, got, *_ = await asyncio.gather(stream(), read(), *(come_and_go(i) for i in range(5)))
        assert got == [b"%d" % i for i in range(1_000)]


async def test_row_08_a_silent_client_is_closed_and_its_will_sent() -> None:
    """A client that is silent for 1.5 times its keepalive is closed then, and its will is sent."""
    watch = Watch()
    async with running(observer=watch) as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("will", 1))
        begin = time.monotonic()
        silent = await Peer.connect(broker, "silent", keepalive=1, will=("will", b"gone"))
        talker = await Peer.connect(broker, "talker", keepalive=1)
        reading = asyncio.create_task(reader.message())
        while not reading.done():
            await talker.nothing_more()
            await asyncio.wait([reading], timeout=0.3)
        assert (await reading).payload == b"gone"
        assert 1.45 <= time.monotonic() - begin < 6.0
        await silent.closed()
        await talker.nothing_more()
        assert ("disconnected", "silent", Reason.KEEPALIVE) in watch.seen


@pytest.mark.parametrize("clean", [True, False])
async def test_row_09_a_taken_over_connection_counts_for_nothing(clean: bool) -> None:
    """At a take-over the old connection is closed first; the new one works at once (3.1.4-2)."""
    watch = Watch()
    async with running(observer=watch) as broker:
        old = await Peer.connect(broker, "same", clean=clean)
        await old.subscribe(("t", 1))
        new = await Peer.connect(broker, "same", clean=clean)
        assert new.session_present is not clean
        await old.closed()
        assert watch.seen == [
            ("connected", "same"),
            ("disconnected", "same", Reason.TAKEN_OVER),
            ("connected", "same"),
        ]
        writer = await Peer.connect(broker, "writer")
        await writer.publish("t", b"1", qos=1)
        if clean:
            await new.nothing_more()
            await new.subscribe(("t", 1))
            await writer.publish("t", b"2", qos=1)
        assert (await new.message()).payload == (b"2" if clean else b"1")


async def test_row_09_a_taken_over_clients_will_is_sent_before_the_new_one_is_in() -> None:
    """The will of a taken-over connection is published, and never after its successor's words."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("presence", 1))
        await Peer.connect(broker, "same", will=("presence", b"offline"))
        new = await Peer.connect(broker, "same")
        await new.publish("presence", b"online", qos=1)
        assert (await reader.message()).payload == b"offline"
        assert (await reader.message()).payload == b"online"


async def test_row_10_a_clean_sessions_subscriptions_end_with_it() -> None:
    """A clean session leaves nothing: not for its client, not for a persistent successor."""
    async with running() as broker:
        for clean_again in (True, False):
            peer = await Peer.connect(broker, "same", clean=True)
            await peer.subscribe(("t", 1))
            await peer.drop()
            peer = await Peer.connect(broker, "same", clean=clean_again)
            assert not peer.session_present
            await peer.publish("t", b"x", qos=1)
            await peer.nothing_more()
            await peer.drop()


async def test_row_10_a_persistent_session_survives_quick_reconnects() -> None:
    """A persistent session is there again after each of many quick reconnects (3.2.2-2)."""
    async with running() as broker:
        peer = await Peer.connect(broker, "same", clean=False)
        assert not peer.session_present
        await peer.subscribe(("t", 1))
        for turn in range(30):
            await (peer.drop() if turn % 2 else peer.disconnect())
            peer = await Peer.connect(broker, "same", clean=False)
            assert peer.session_present
        await peer.publish("t", b"x", qos=1)
        assert (await peer.expect(3)).payload == b"x"
        await peer.drop()
        peer = await Peer.connect(broker, "same", clean=True)
        assert not peer.session_present, "3.1.2-6: a clean session discards the one before"
        await peer.disconnect()
        assert not (await Peer.connect(broker, "same", clean=False)).session_present


@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
async def test_row_11_a_delivery_has_the_lower_qos(published: int, granted: int) -> None:
    """A message is delivered at the lower of the publisher's and the granted QoS (3.8.4)."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader")
        assert await reader.subscribe(("t", granted)) == [granted]
        writer = await Peer.connect(broker, "writer")
        await writer.publish("t", b"x" * 300, qos=published)
        got = await reader.message()
        assert (got.qos, got.payload) == (min(published, granted), b"x" * 300)


async def test_row_11_subscribing_again_changes_the_qos() -> None:
    """A second SUBSCRIBE to a filter replaces its QoS; what is retained comes again (3.8.4-3)."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.publish("t", b"kept", qos=1, retain=True)
        for qos in (1, 0):
            await peer.subscribe(("t", qos))
            kept = await peer.message()
            assert (kept.qos, kept.retain) == (qos, True)
        await peer.publish("t", b"x", qos=0)
        assert (await peer.message()).qos == 0


async def test_row_11_queued_messages_are_not_marked_as_retained() -> None:
    """What was queued for a client that was away comes with retain 0 (3.3.1-9)."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader", clean=False)
        await reader.subscribe(("t", 1))
        await reader.disconnect()
        writer = await Peer.connect(broker, "writer")
        await writer.publish("t", b"x", qos=1, retain=True)
        await writer.publish("t", b"zero", qos=0)
        back = await Peer.connect(broker, "reader", clean=False)
        got = await back.message()
        assert (got.payload, got.retain, got.qos) == (b"x", False, 1)
        await back.nothing_more()
