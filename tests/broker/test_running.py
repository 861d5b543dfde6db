"""What can change while the broker runs: rules, revocation, observers, the stop."""

import asyncio

import pytest

from broker import (
    Broker,
    BrokerSettings,
    Client,
    Credentials,
    Identity,
    Limits,
    Observer,
    Reason,
    Rules,
)

from .support import (
    DEADLINE,
    EVERYTHING,
    Peer,
    Watch,
    anyone,
    connect_packet,
    publish_packet,
    running,
)


async def test_a_revoked_user_is_disconnected_at_once_and_gets_nothing_more() -> None:
    """Revoking ends a user's connections with their wills, sessions and queues, and no other's."""
    watch = Watch()
    async with running(observer=watch) as broker:
        other = await Peer.connect(broker, "other", user="good")
        await other.subscribe(("presence", 1))
        bad = await Peer.connect(broker, "bad", user="lost", clean=False, will=("presence", b"off"))
        await bad.subscribe(("t", 1))
        away = await Peer.connect(broker, "away", user="lost", clean=False)
        await away.subscribe(("t", 1))
        await away.disconnect()
        broker.revoke("lost")
        broker.attach("a", "host").publish("t", b"secret")
        assert await bad.receive() is None
        assert (await other.message()).payload == b"off"
        assert ("disconnected", "bad", Reason.REVOKED) in watch.seen
        assert broker.counters["sessions"] == 1
        back = await Peer.connect(broker, "away", user="lost", clean=False)
        assert not back.session_present
        await back.nothing_more()


async def test_a_user_revoked_while_it_connects_is_refused() -> None:
    """A CONNECT whose credentials were checked before the revocation is refused after it."""
    checking, go_on = asyncio.Event(), asyncio.Event()

    async def slow(credentials: Credentials) -> Identity | None:
        checking.set()
        await go_on.wait()
        return await anyone(credentials)

    async with running(authenticate=slow) as broker:
        peer = await Peer.open(broker)
        peer.send(connect_packet(user="lost"))
        async with asyncio.timeout(DEADLINE):
            await checking.wait()
        broker.revoke("lost")
        go_on.set()
        assert (await peer.expect(2)).body == b"\0\5"


async def test_new_rules_hold_at_once() -> None:
    """After set_rules what is no longer allowed is neither delivered nor taken, and the rest is."""
    async with running() as broker:
        peer = await Peer.connect(broker, clean=False)
        await peer.subscribe(("a/#", 1), ("b", 1))
        await peer.publish("b", b"before", qos=1)
        assert (await peer.message()).payload == b"before"
        broker.set_rules("all", Rules(("a/x",), ("a/#",)))
        local = broker.attach("a", "host")
        local.publish("b", b"no")
        local.publish("a/1", b"yes")
        assert (await peer.message()).payload == b"yes"
        await peer.publish("b", b"denied", qos=1)
        await peer.publish("a/x", b"fine", qos=1)
        assert (await peer.message()).payload == b"fine"
        assert broker.counters["publish_denied"] == 1


class Broken(Observer):
    """An observer that fails at everything."""

    def connected(self, client: Client) -> None:
        """Fail."""
        raise ValueError(client.client_id)

    def disconnected(self, client: Client, reason: Reason) -> None:
        """Fail."""
        raise ValueError(client.client_id, reason)


async def test_an_observer_that_raises_disturbs_nobody() -> None:
    """An observer's exceptions are counted, and the client works."""
    async with running(observer=Broken()) as broker:
        peer = await Peer.connect(broker)
        await peer.publish("t", b"x", qos=1)
        await peer.disconnect()
        await Peer.connect(broker)
        assert broker.counters["observer_errors"] == 3


async def test_revoking_from_within_an_observer_works() -> None:
    """A host may revoke the very client of which it is told."""

    class Strict(Observer):
        def connected(self, client: Client) -> None:
            broker.revoke(client.user)

    async with running(observer=Strict()) as broker:
        peer = await Peer.open(broker)
        peer.send(connect_packet(user="u"), publish_packet("t", b"x", qos=1))
        await peer.expect(2)
        assert await peer.receive() is None
        assert broker.counters["messages_received"] == 0


async def test_a_graceful_stop_sends_no_wills_and_settles_what_is_deferred() -> None:
    """A stop waits for deferred acknowledgements, sends them, and publishes no will."""
    async with running() as broker:
        wills: list[object] = []
        local = broker.attach("a", "host")
        local.subscribe("presence", wills.append)
        loop = asyncio.get_running_loop()
        got = asyncio.Event()

        def commit(message: object) -> None:
            loop.call_later(0.1, message.defer())  # type: ignore[attr-defined]
            got.set()

        local.subscribe("cmd", commit)
        peer = await Peer.connect(broker, will=("presence", b"off"))
        peer.send(publish_packet("cmd", b"x", qos=1, packet_id=3))
        async with asyncio.timeout(DEADLINE):
            await got.wait()
        await broker.stop()
        assert (await peer.expect(4)).packet_id == 3
        assert await peer.receive() is None
        assert wills == []
        await broker.stop()


async def test_a_stop_does_not_wait_for_ever() -> None:
    """An acknowledgement that is never released holds a stop no longer than its limit."""
    async with running(settings={"stop_seconds": 0.2}) as broker:
        held: list[object] = []
        broker.attach("a", "host").subscribe("cmd", lambda message: held.append(message.defer()))
        peer = await Peer.connect(broker)
        peer.send(publish_packet("cmd", b"x", qos=1))
        await peer.nothing_more()
        async with asyncio.timeout(DEADLINE):
            await broker.stop()
        assert await peer.receive() is None


async def test_a_broker_can_be_started_again_and_remembers_nothing() -> None:
    """After stop and start there are no sessions and no retained messages."""
    async with running() as broker:
        peer = await Peer.connect(broker, clean=False)
        await peer.publish("t", b"x", qos=1, retain=True)
        await broker.stop()
        await broker.start()
        peer = await Peer.connect(broker, clean=False)
        assert not peer.session_present
        await peer.subscribe(("t", 1))
        await peer.nothing_more()
        with pytest.raises(RuntimeError):
            await broker.start()


async def test_kept_sessions_expire() -> None:
    """A session whose client stays away beyond the limit is forgotten."""
    async with running(limits=Limits(session_expiry_seconds=0.2)) as broker:
        peer = await Peer.connect(broker, clean=False)
        await peer.disconnect()
        stays = await Peer.connect(broker, "stays", clean=False)
        async with asyncio.timeout(DEADLINE):
            while broker.counters["sessions"] > 1:
                await stays.nothing_more()
        assert broker.counters["sessions_expired"] == 1


async def test_counters_tell_what_happened() -> None:
    """Counters are a flat snapshot of numbers that the host can export."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe(("t", 1))
        await peer.publish("t", b"x", qos=1, retain=True)
        await peer.message()
        counters = broker.counters
        assert counters["connections"] == counters["sessions"] == counters["subscriptions"] == 1
        assert counters["messages_received"] == counters["messages_sent"] == 1
        assert counters["retained_messages"] == 1
        assert counters["bytes_received"] > 0
        assert counters["bytes_sent"] > 0
        await peer.disconnect()
        assert broker.counters["ended_disconnect"] == 1
        assert counters["ended_disconnect"] == 0


async def test_trouble_is_logged_once_and_cleaned(caplog: pytest.LogCaptureFixture) -> None:
    """A client's refused publishes are logged once, with its name made harmless."""
    async with running(rules={}) as broker:
        peer = await Peer.connect(broker, "evil\x1b[31m\nroot: all is well")
        for _ in range(5):
            await peer.publish("secret/topic", b"diagnosis", qos=1)
        assert caplog.text.count("not allowed by its rules") == 1
        assert "\x1b" not in caplog.text
        assert "evil?[31m?root: all is well" in caplog.text
        assert "diagnosis" not in caplog.text


async def test_two_brokers_in_one_process_know_nothing_of_each_other() -> None:
    """A message on one broker does not reach a client of the other."""
    settings = BrokerSettings(sys_seconds=0, stop_seconds=0.2)
    other = Broker(settings, authenticate=anyone, rules={"all": EVERYTHING})
    await other.start()
    async with running() as broker:
        here = await Peer.connect(broker)
        there = await Peer.connect(other)
        await there.subscribe(("#", 1))
        await here.publish("t", b"x", qos=1, retain=True)
        await there.nothing_more()
    await other.stop()


async def test_the_host_sees_where_and_when_a_client_was_last_heard() -> None:
    """While it is connected, and only then: also of a client whose session is kept."""
    async with running() as broker:
        assert broker.last_heard("c") is None
        peer = await Peer.connect(broker, "c", clean=False)
        heard = broker.last_heard("c")
        assert heard is not None
        assert heard.address == "127.0.0.1"
        assert 0 <= heard.seconds_ago < DEADLINE
        await peer.disconnect()
        assert broker.last_heard("c") is None
