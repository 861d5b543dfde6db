"""The in-process link: the host program as a client, and acknowledgements that it holds."""

import asyncio
from collections.abc import Callable

import pytest

from broker import Limits, LocalMessage

from .support import Peer, ack, publish_packet, running


class Host:
    """A host program that defers every acknowledgement."""

    def __init__(self) -> None:
        self.messages: list[LocalMessage] = []
        self.releases: list[Callable[[], None]] = []

    def __call__(self, message: LocalMessage) -> None:
        """Note it and hold its acknowledgement."""
        self.messages.append(message)
        self.releases.append(message.defer())


async def test_the_host_hears_and_speaks_without_a_socket() -> None:
    """A local client gets what others publish, with its publisher's names, and the reverse."""
    async with running() as broker:
        got: list[LocalMessage] = []
        local = broker.attach("controller", "host")
        local.subscribe("up/+", got.append)
        peer = await Peer.connect(broker, "peer", user="pat")
        await peer.subscribe(("down", 2))
        await peer.publish("up/a", b"x", qos=2)
        assert [(m.topic, m.payload, m.qos, m.retain, m.client_id, m.user) for m in got] == [
            ("up/a", b"x", 2, False, "peer", "pat")
        ]
        local.publish("down", b"y", qos=1)
        message = await peer.message()
        assert (message.payload, message.qos) == (b"y", 1)
        local.unsubscribe("up/+")
        await peer.publish("up/b", b"x", qos=1)
        assert len(got) == 1


async def test_retained_messages_come_at_subscribe() -> None:
    """A local subscription gets what is retained, marked so; what is live is not marked."""
    async with running() as broker:
        local = broker.attach("controller", "host")
        local.publish("s/1", b"kept", retain=True)
        got: list[LocalMessage] = []
        local.subscribe("s/#", got.append)
        local.publish("s/2", b"live", retain=True)
        assert [(m.payload, m.retain) for m in got] == [(b"kept", True), (b"live", False)]
        local.publish("s/1", b"", retain=True)
        assert broker.counters["retained_messages"] == 1


async def test_the_publishers_own_repr_shows_no_payload() -> None:
    """A LocalMessage that ends up in a log does not show what was in it."""
    message = LocalMessage("t", b"diagnosis", 1, False, "c", "u")
    assert "diagnosis" not in repr(message)
    message.defer()()


async def test_a_deferred_puback_waits_for_the_host() -> None:
    """PUBACK is not sent before the host says so, and then once, though it says so twice."""
    async with running() as broker:
        host = Host()
        broker.attach("controller", "host").subscribe("cmd", host)
        peer = await Peer.connect(broker)
        peer.send(publish_packet("cmd", b"1", qos=1, packet_id=5))
        await peer.nothing_more()
        host.releases[0]()
        host.releases[0]()
        assert (await peer.expect(4)).packet_id == 5
        await peer.nothing_more()


async def test_acknowledgements_keep_their_order() -> None:
    """A deferred PUBACK holds those behind it, so that they go out in order (4.6.0-2)."""
    async with running() as broker:
        host = Host()
        broker.attach("controller", "host").subscribe("cmd", host)
        peer = await Peer.connect(broker)
        peer.send(
            publish_packet("cmd", b"1", qos=1, packet_id=1),
            publish_packet("other", b"2", qos=1, packet_id=2),
            publish_packet("cmd", b"3", qos=2, packet_id=3),
            publish_packet("other", b"4", qos=2, packet_id=4),
        )
        await peer.nothing_more()
        host.releases[1]()
        await peer.nothing_more()
        host.releases[0]()
        got = [await peer.receive() for _ in range(4)]
        assert [(p.kind, p.packet_id) for p in got if p] == [(4, 1), (4, 2), (5, 3), (5, 4)]


async def test_several_handlers_must_all_release() -> None:
    """When two handlers defer one message, its PUBACK waits for both."""
    async with running() as broker:
        host, other = Host(), Host()
        broker.attach("a", "host").subscribe("cmd", host)
        broker.attach("b", "host").subscribe("#", other)
        peer = await Peer.connect(broker)
        peer.send(publish_packet("cmd", b"1", qos=1))
        await peer.nothing_more()
        host.releases[0]()
        await peer.nothing_more()
        other.releases[0]()
        await peer.expect(4)


async def test_releasing_within_the_handler_is_no_deferral() -> None:
    """A handler that defers and releases at once does not delay the PUBACK."""
    async with running() as broker:
        broker.attach("a", "host").subscribe("cmd", lambda message: message.defer()())
        peer = await Peer.connect(broker)
        await peer.publish("cmd", b"1", qos=1)


async def test_a_release_after_the_connection_has_gone_is_harmless() -> None:
    """Releasing for a publisher that is gone does nothing, and its session works on."""
    async with running() as broker:
        host = Host()
        broker.attach("a", "host").subscribe("cmd", host)
        peer = await Peer.connect(broker, clean=False)
        peer.send(publish_packet("cmd", b"1", qos=1))
        await peer.nothing_more()
        await peer.drop()
        back = await Peer.connect(broker, clean=False)
        host.releases[0]()
        await back.nothing_more()


async def test_a_qos_2_message_is_not_acknowledged_early_by_a_resend() -> None:
    """A QoS 2 message resent on a new connection reaches the host once, and PUBREC still waits."""
    async with running() as broker:
        host = Host()
        broker.attach("a", "host").subscribe("cmd", host)
        peer = await Peer.connect(broker, clean=False)
        peer.send(publish_packet("cmd", b"1", qos=2, packet_id=9))
        await peer.nothing_more()
        await peer.drop()
        back = await Peer.connect(broker, clean=False)
        back.send(publish_packet("cmd", b"1", qos=2, packet_id=9, dup=True))
        await back.nothing_more()
        host.releases[0]()
        assert (await back.expect(5)).packet_id == 9
        back.send(publish_packet("cmd", b"1", qos=2, packet_id=9, dup=True))
        assert (await back.expect(5)).packet_id == 9
        back.send(ack(0x62, 9))
        assert (await back.expect(7)).packet_id == 9
        assert len(host.messages) == 1


async def test_what_the_host_defers_is_bounded_by_back_pressure() -> None:
    """With many deferred messages a connection is not read; releasing reads on; nothing is lost."""
    async with running(limits=Limits(deferred=10)) as broker:
        host = Host()
        broker.attach("a", "host").subscribe("cmd/#", host)
        peer, other = await Peer.connect(broker, "peer"), await Peer.connect(broker, "other")
        count = 500
        peer.send(*(publish_packet(f"cmd/{i}", b"x", qos=1, packet_id=i) for i in range(1, count)))
        await other.publish("x", qos=1)
        await other.nothing_more()
        assert len(host.messages) == 10
        acknowledged = 0
        while acknowledged < count - 1:
            for release in host.releases:
                release()
            host.releases.clear()
            acknowledged += 1
            assert (await peer.expect(4)).packet_id == acknowledged
        assert [m.topic for m in host.messages] == [f"cmd/{i}" for i in range(1, count)]


async def test_a_handler_that_raises_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A handler's exception is counted and logged without the payload; the PUBACK comes."""

    def broken(message: LocalMessage) -> None:
        raise ValueError(message.payload)

    async with running() as broker:
        got: list[LocalMessage] = []
        broker.attach("a", "host").subscribe("cmd", broken)
        broker.attach("b", "host").subscribe("cmd", got.append)
        peer = await Peer.connect(broker)
        await peer.publish("cmd", b"diagnosis", qos=1)
        assert len(got) == 1
        assert broker.counters["handler_errors"] == 1
        assert "handler failed: ValueError in test_local.py" in caplog.text
        assert "diagnosis" not in caplog.text


async def test_a_will_reaches_the_host() -> None:
    """A will comes with its client's names; deferring it does nothing."""
    async with running() as broker:
        got: asyncio.Queue[LocalMessage] = asyncio.Queue()
        broker.attach("a", "host").subscribe("presence", got.put_nowait)
        peer = await Peer.connect(broker, "tablet", user="u", will=("presence", b"off"))
        await peer.drop()
        async with asyncio.timeout(5):
            will = await got.get()
        assert (will.payload, will.client_id, will.user) == (b"off", "tablet", "u")
        will.defer()()


async def test_close_ends_all_subscriptions() -> None:
    """A closed local client gets nothing more."""
    async with running() as broker:
        local = broker.attach("a", "host")
        got: list[LocalMessage] = []
        local.subscribe("a/#", got.append)
        local.subscribe("b", got.append)
        local.close()
        broker.attach("b", "host").publish("a/1", b"x")
        assert got == []


@pytest.mark.parametrize("topic", ["", "a/#", "+"])
async def test_a_local_client_is_told_of_bad_topics(topic: str) -> None:
    """Publishing to what is no topic, or subscribing to what is no filter, raises ValueError."""
    async with running() as broker:
        local = broker.attach("a", "host")
        with pytest.raises(ValueError, match=r"\d"):
            local.publish(topic, b"x")
        with pytest.raises(ValueError, match=r"\d"):
            local.subscribe("a/#/b" if topic else topic, print)
