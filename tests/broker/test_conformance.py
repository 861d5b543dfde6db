"""The ground of Eclipse's MQTT 3.1.1 interoperability suite, and what a reader would add."""

import pytest

from broker import Limits, Rules
from tests.waiting import turns

from .support import (
    Peer,
    ack,
    connect_packet,
    publish_packet,
    running,
    subscribe_packet,
    unsubscribe_packet,
)

TOPICS = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
WILD = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")


async def test_basic() -> None:
    """Connecting, subscribing and publishing at each QoS works, and a second CONNECT does not."""
    async with running() as broker:
        peer = await Peer.connect(broker, "myclientid")
        await peer.subscribe((TOPICS[0], 2))
        for qos in range(3):
            await peer.publish(TOPICS[0], b"qos %d" % qos, qos=qos, packet_id=qos + 1)
        got = [await peer.message() for _ in range(3)]
        assert [(m.qos, m.payload) for m in got] == [(q, b"qos %d" % q) for q in range(3)]
        peer.send(connect_packet("myclientid"))
        await peer.closed()


async def test_retained_messages() -> None:
    """Retained messages come at SUBSCRIBE with the flag, and an empty one forgets (3.3.1-10)."""
    async with running() as broker:
        peer = await Peer.connect(broker, "myclientid")
        for qos, topic in enumerate((TOPICS[1], TOPICS[2], TOPICS[3])):
            await peer.publish(topic, b"qos %d" % qos, qos=qos, retain=True)
        await peer.subscribe((WILD[5], 2))
        got = sorted([await peer.message() for _ in range(3)], key=lambda m: m.payload)
        assert [(m.topic, m.qos, m.retain) for m in got] == [
            (TOPICS[1], 0, True),
            (TOPICS[2], 1, True),
            (TOPICS[3], 2, True),
        ]
        for topic in (TOPICS[1], TOPICS[2], TOPICS[3]):
            await peer.publish(topic, b"", qos=1, retain=True)
            assert (await peer.message()).retain is False
        other = await Peer.connect(broker, "other")
        await other.subscribe((WILD[5], 2))
        await other.nothing_more()


async def test_a_retained_qos_0_message_replaces_the_one_before() -> None:
    """A retained QoS 0 message replaces a QoS 1 one (3.3.1-7), and its QoS is kept."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.publish("t", b"old", qos=1, retain=True)
        await peer.publish("t", b"new", qos=0, retain=True)
        await peer.publish("t", b"not retained", qos=1)
        await peer.subscribe(("t", 2))
        got = await peer.message()
        assert (got.payload, got.qos) == (b"new", 0)
        await peer.nothing_more()


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_will_messages(qos: int) -> None:
    """A will is sent when its connection is lost, at its QoS; not after DISCONNECT (3.1.2.5)."""
    async with running() as broker:
        watcher = await Peer.connect(broker, "watcher", clean=False)
        await watcher.subscribe((TOPICS[2], 2))
        polite = await Peer.connect(broker, "polite", will=(TOPICS[2], b"no"), will_qos=qos)
        await polite.disconnect()
        rude = await Peer.connect(
            broker, "rude", will=(TOPICS[2], b"client not disconnected"), will_qos=qos,
            will_retain=True, keepalive=2,
        )  # fmt: skip
        await rude.drop()
        got = await watcher.message()
        assert (got.payload, got.qos, got.retain) == (b"client not disconnected", qos, False)
        await watcher.subscribe((TOPICS[2], 2))
        assert (await watcher.message()).retain


async def test_a_protocol_error_sends_the_will() -> None:
    """A connection closed for a protocol error ends without DISCONNECT: its will is sent."""
    async with running() as broker:
        watcher = await Peer.connect(broker, "watcher")
        await watcher.subscribe(("w", 1))
        bad = await Peer.connect(broker, "bad", will=("w", b"gone"))
        bad.send(b"\xf0\0")
        assert (await watcher.message()).payload == b"gone"


async def test_a_zero_length_client_id() -> None:
    """An empty client id is given a name with a clean session and refused (2) without (3.1.3-8)."""
    async with running() as broker:
        one = await Peer.connect(broker, "")
        two = await Peer.connect(broker, "")
        await one.subscribe(("t", 0))
        await two.publish("t", b"x")
        assert (await one.message()).payload == b"x"
        peer, connack = await Peer.try_connect(broker, "", clean=False)
        assert connack is not None
        assert connack.body == b"\0\2"
        await peer.closed()


async def test_offline_message_queueing() -> None:
    """QoS 1 and 2 messages wait for a persistent session; QoS 0 may not."""
    async with running() as broker:
        reader = await Peer.connect(broker, "myclientid", clean=False)
        await reader.subscribe((WILD[5], 2))
        await reader.disconnect()
        writer = await Peer.connect(broker, "myclientid2")
        for qos, topic in enumerate((TOPICS[1], TOPICS[2], TOPICS[3])):
            await writer.publish(topic, b"qos %d" % qos, qos=qos)
        back = await Peer.connect(broker, "myclientid", clean=False)
        assert [(await back.message()).payload for _ in range(2)] == [b"qos 1", b"qos 2"]
        await back.nothing_more()


async def test_overlapping_subscriptions() -> None:
    """A message that matches several filters comes once, at the highest granted QoS (3.3.5-1)."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe((WILD[6], 2), (WILD[0], 1))
        await peer.publish(TOPICS[3], b"overlapping", qos=2)
        assert (await peer.message()).qos == 2
        await peer.nothing_more()


async def test_redelivery_on_reconnect() -> None:
    """Messages that a client did not acknowledge come again after its reconnect."""
    async with running() as broker:
        reader = await Peer.connect(broker, "myclientid2", clean=False)
        await reader.subscribe((WILD[6], 2))
        writer = await Peer.connect(broker, "myclientid")
        await writer.publish(TOPICS[1], b"", qos=1)
        await writer.publish(TOPICS[3], b"", qos=2)
        for _ in range(2):
            assert not (await reader.expect(3)).dup
        await reader.drop()
        back = await Peer.connect(broker, "myclientid2", clean=False)
        got = [await back.message() for _ in range(2)]
        assert [(m.topic, m.dup) for m in got] == [(TOPICS[1], True), (TOPICS[3], True)]


async def test_subscribe_failure() -> None:
    """A filter that the rules deny is answered with 0x80, the others with their QoS, in order."""
    rules = {"all": Rules(("#",), ("#",), deny_subscribe=("test/nosubscribe",))}
    async with running(rules=rules) as broker:
        peer = await Peer.connect(broker)
        assert await peer.subscribe(("test/nosubscribe", 2), ("TopicA", 2)) == [0x80, 2]
        await peer.subscribe(("#", 1), packet_id=2)


async def test_dollar_topics() -> None:
    """Wildcards in front do not reach topics that begin with `$` (4.7.2-1)."""
    async with running(rules={"all": Rules(("#",), ("#", "$TopicA/#"))}) as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe((WILD[5], 2), ("#", 2), ("+", 2))
        host = broker.attach("host", "host")
        for retain in (False, True):
            host.publish("$TopicA/B", b"x", retain=retain)
            host.publish("$TopicA", b"x", retain=retain)
        await peer.subscribe(("#", 2))
        await peer.nothing_more()
        await peer.subscribe(("$TopicA/#", 1))
        assert {(await peer.message()).topic for _ in range(2)} == {"$TopicA", "$TopicA/B"}


async def test_unsubscribe() -> None:
    """What was unsubscribed does not come any more; unknown filters are answered too (3.10.4)."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe(*((topic, 2) for topic in TOPICS[:3]))
        peer.send(unsubscribe_packet(TOPICS[0], "never/was", packet_id=77))
        assert (await peer.expect(11)).packet_id == 77
        for topic in TOPICS[:3]:
            await peer.publish(topic, b"x", qos=1)
        assert [(await peer.message()).topic for _ in range(2)] == list(TOPICS[1:3])
        await peer.nothing_more()


async def test_what_was_queued_before_an_unsubscribe_still_comes() -> None:
    """Messages on their way when UNSUBSCRIBE came are completed (3.10.4-3)."""
    async with running(limits=Limits(inflight=1)) as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe(("t", 1))
        host = broker.attach("host", "host")
        for i in range(3):
            host.publish("t", b"%d" % i)
        peer.send(unsubscribe_packet("t"))
        got = await peer.expect(3)
        await peer.expect(11)
        peer.send(ack(0x40, got.packet_id))
        assert [(await peer.message()).payload for _ in range(2)] == [b"1", b"2"]


async def test_order_is_kept_with_many_in_flight() -> None:
    """Messages of one publisher on one topic arrive in order, beyond the window too (4.6.0-6)."""
    async with running(limits=Limits(inflight=7)) as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("t", 1))
        writer = await Peer.connect(broker, "writer")
        writer.send(*(publish_packet("t", b"%d" % i, qos=1, packet_id=i) for i in range(1, 501)))
        got = [int((await reader.message()).payload) for _ in range(500)]
        assert got == list(range(1, 501))
        for i in range(1, 501):
            assert (await writer.expect(4)).packet_id == i


async def test_a_qos_2_message_that_comes_twice_is_routed_once() -> None:
    """A QoS 2 PUBLISH sent again before its PUBREL is answered and not routed again (4.3.3-2)."""
    async with running() as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("t", 2))
        writer = await Peer.connect(broker, "writer", clean=False)
        writer.send(publish_packet("t", b"1", qos=2, packet_id=5))
        await writer.expect(5)
        await writer.drop()
        back = await Peer.connect(broker, "writer", clean=False)
        back.send(publish_packet("t", b"1", qos=2, packet_id=5, dup=True))
        await back.expect(5)
        back.send(ack(0x62, 5))
        await back.expect(7)
        await back.publish("t", b"2", qos=2, packet_id=5)
        assert [(await reader.message()).payload for _ in range(2)] == [b"1", b"2"]


async def test_packets_may_follow_connect_at_once() -> None:
    """A client need not wait for its CONNACK (3.1.4-5, note); nothing is answered before it."""
    async with running() as broker:
        peer = await Peer.open(broker)
        peer.send(
            connect_packet(),
            subscribe_packet(("t", 1)),
            publish_packet("t", b"x", qos=1),
            b"\xc0\0",
        )
        assert [(await peer.receive()).kind for _ in range(5)] == [2, 9, 3, 4, 13]  # type: ignore[union-attr]


async def test_packets_may_come_in_single_bytes() -> None:
    """How the stream is cut does not matter."""
    async with running() as broker:
        peer = await Peer.open(broker)
        stream = connect_packet() + subscribe_packet(("t", 0)) + publish_packet("t", b"x" * 300)
        for i in range(len(stream)):
            peer.send(stream[i : i + 1])
            await turns()
        await peer.expect(2)
        await peer.expect(9)
        assert (await peer.message()).payload == b"x" * 300


async def test_empty_levels_are_levels() -> None:
    """`/TopicA` is another topic than `TopicA`, and `+` matches an empty level (4.7.1.3)."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe(("+/TopicA", 0), ("/+", 0))
        await peer.publish("/TopicA", b"x", qos=1)
        await peer.publish("TopicA", b"x", qos=1)
        assert (await peer.message()).topic == "/TopicA"
        await peer.nothing_more()


async def test_topics_may_be_any_unicode() -> None:
    """Topics are UTF-8 and case-sensitive, spaces and all (4.7.3)."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe(("Zürich/ 病院 /😀", 1))
        await peer.publish("Zürich/ 病院 /😀", b"x", qos=1)
        await peer.publish("zürich/ 病院 /😀", b"x", qos=1)
        assert (await peer.message()).topic == "Zürich/ 病院 /😀"
        await peer.nothing_more()
