"""Rows 1 to 4, 17, 19, 20, 22 and 23 of the faults of stock amqtt: who may have what."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from broker import Broker, BrokerSettings, Credentials, Identity, Limits, Listener, Reason, Rules
from broker.packets.topics import covers

from .support import (
    DEADLINE,
    Peer,
    Watch,
    by_password,
    connect_packet,
    running,
    subscribe_packet,
)

RULES = {
    "desk": Rules(publish=("state/#",), subscribe=("#",)),
    "tablet": Rules(publish=("from/%u",), subscribe=("state/%u", "own/%c/#")),
}


def clinic(**options: Any) -> AbstractAsyncContextManager[Broker]:
    """Run a broker with these rules."""
    return running(rules=RULES, authenticate=by_password, **options)


async def connect(broker: Broker, client_id: str, user: str, **options: Any) -> Peer:
    """Connect with the right password."""
    return await Peer.connect(broker, client_id, user=user, password=b"secret", **options)


async def test_row_01_retained_messages_are_only_for_own_allowed_subscriptions() -> None:
    """A client is sent retained messages for its own, allowed SUBSCRIBEs and for nothing else."""
    async with clinic() as broker:
        desk = await connect(broker, "desk", "desk-1")
        await desk.subscribe(("#", 1))
        await desk.publish("state/tablet-1", b"one", qos=1, retain=True)
        await desk.publish("state/tablet-2", b"two", qos=1, retain=True)
        tablet = await connect(broker, "t1", "tablet-1")
        await tablet.nothing_more()
        assert await tablet.subscribe(("#", 1), ("state/+", 1)) == [0x80, 0x80]
        await tablet.nothing_more()
        assert await tablet.subscribe(("state/tablet-1", 1)) == [1]
        got = await tablet.message()
        assert (got.topic, got.payload, got.retain) == ("state/tablet-1", b"one", True)
        await tablet.nothing_more()


@pytest.mark.parametrize("topic", ["state/tablet-1", "from/tablet-2", "elsewhere"])
async def test_row_02_a_will_that_the_rules_forbid_refuses_the_connect(topic: str) -> None:
    """A CONNECT whose will the rules forbid is answered with return code 5."""
    async with clinic() as broker:
        peer, connack = await Peer.try_connect(
            broker, user="tablet-1", password=b"secret", will=(topic, b"forged"), will_retain=True
        )
        assert connack is not None
        assert connack.body == b"\0\5"
        await peer.closed()
        assert broker.counters["retained_messages"] == 0


@pytest.mark.parametrize("topic", ["$SYS/broker/x", "$x", "a/+", "#", "", "a\0b"])
async def test_row_02_a_will_for_no_proper_topic_closes_the_connection(topic: str) -> None:
    """A will with a wildcard, a `$` topic or none closes the connection without an answer."""
    async with running() as broker:
        peer, connack = await Peer.try_connect(broker, will=(topic, b"x"))
        assert connack is None
        await peer.drop()


async def test_row_02_a_will_is_judged_by_the_rules_of_its_moment() -> None:
    """A will that was allowed at CONNECT and is forbidden when the client dies is not sent."""
    async with clinic() as broker:
        desk = await connect(broker, "desk", "desk-1")
        await desk.subscribe(("from/#", 1))
        tablet = await connect(broker, "t1", "tablet-1", will=("from/tablet-1", b"gone"))
        broker.set_rules("tablet", Rules())
        await tablet.drop()
        other = await connect(broker, "t2", "tablet-2")
        await other.drop()
        await desk.nothing_more()
        assert broker.counters["wills_published"] == 0


async def test_row_03_a_wrong_password_touches_nothing() -> None:
    """A failed CONNECT with a live device's client id disturbs neither it nor its queue or will."""
    watch = Watch()
    async with clinic(observer=watch) as broker:
        desk = await connect(broker, "desk", "desk-1")
        await desk.subscribe(("from/#", 1))
        will = ("from/tablet-1", b"gone")
        tablet = await connect(broker, "t1", "tablet-1", clean=False, will=will)
        await tablet.subscribe(("state/tablet-1", 1))
        intruder, connack = await Peer.try_connect(
            broker, "t1", user="tablet-1", password=b"wrong", clean=True
        )
        assert connack is not None
        assert connack.body[1] == 5
        await intruder.closed()
        await desk.publish("state/tablet-1", b"still here", qos=1)
        assert (await tablet.message()).payload == b"still here"
        await tablet.drop()
        assert (await desk.message()).payload == b"gone"
        back = await connect(broker, "t1", "tablet-1", clean=False)
        assert back.session_present


async def test_row_03_nothing_is_touched_while_a_slow_check_runs() -> None:
    """While credentials are being checked the live connection keeps its session and its rights."""
    going, decide = asyncio.Event(), asyncio.Event()

    async def slow(credentials: Credentials) -> Identity | None:
        if credentials.password == b"slow":
            going.set()
            await decide.wait()
            return Identity("desk-1", "desk")
        return await by_password(credentials)

    async with running(rules=RULES, authenticate=slow) as broker:
        tablet = await connect(broker, "t1", "tablet-1")
        await tablet.subscribe(("state/tablet-1", 1))
        intruder = await Peer.open(broker)
        intruder.send(
            connect_packet("t1", user="desk-1", password=b"slow"), subscribe_packet(("#", 1))
        )
        async with asyncio.timeout(DEADLINE):
            await going.wait()
        assert await tablet.subscribe(("#", 1), packet_id=2) == [0x80]
        decide.set()
        connack = await intruder.expect(2)
        assert connack.body[1] == 2, "the client id belongs to another user"
        await tablet.nothing_more()


async def test_row_04_another_users_client_id_is_refused() -> None:
    """Who connects with another user's client id is refused (2) and gets nothing of its queue."""
    async with clinic() as broker:
        tablet = await connect(broker, "t1", "tablet-1", clean=False)
        await tablet.subscribe(("state/tablet-1", 1))
        await tablet.disconnect()
        desk = await connect(broker, "desk", "desk-1")
        await desk.publish("state/tablet-1", b"private", qos=1)
        thief, connack = await Peer.try_connect(
            broker, "t1", user="tablet-2", password=b"secret", clean=False
        )
        assert connack is not None
        assert connack.body == b"\0\2"
        await thief.closed()
        owner = await connect(broker, "t1", "tablet-1", clean=False)
        assert (await owner.message()).payload == b"private"


async def test_row_04_a_user_may_be_bound_to_one_client_id() -> None:
    """An identity that names a client id is refused (2) under any other."""

    async def bound(credentials: Credentials) -> Identity | None:
        return Identity(str(credentials.username), "desk", client_id="only-this")

    async with running(rules=RULES, authenticate=bound) as broker:
        peer, connack = await Peer.try_connect(broker, "that", user="u")
        assert connack is not None
        assert connack.body == b"\0\2"
        await peer.closed()
        await Peer.connect(broker, "only-this", user="u")


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_row_17_a_publish_to_a_dollar_topic_is_refused_and_the_client_works_on(
    qos: int,
) -> None:
    """A PUBLISH to `$…` reaches nobody, is acknowledged, and its client goes on."""
    watch = Watch()
    async with running(observer=watch) as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("$SYS/#", 2), ("#", 2))
        peer = await Peer.connect(broker, "peer")
        await peer.publish("$SYS/broker/fake", b"x", qos=qos, packet_id=7)
        await peer.publish("ok", b"y", qos=1, packet_id=8)
        assert (await reader.message()).topic == "ok"
        assert ("denied_publish", "peer", "$SYS/broker/fake") in watch.seen


@pytest.mark.parametrize(
    ("pattern", "topic_filter", "answer"),
    [
        ("plus/+", "plus/#", False),
        ("plus/+", "plus/+", True),
        ("plus/+", "plus/a", True),
        ("plus/+", "plus", False),
        ("plus/+", "plus/a/b", False),
        ("a/#", "a", True),
        ("a/#", "a/+/b/#", True),
        ("a/#", "+/a", False),
        ("a/#", "ab", False),
        ("#", "#", True),
        ("#", "$SYS/#", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/broker/+", True),
        ("+", "#", False),
        ("+/+", "+", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/#", False),
        ("+/#", "#", False),
        ("#", "+/#", True),
    ],
)
def test_row_19_a_filter_is_allowed_only_if_all_that_it_matches_is(
    pattern: str, topic_filter: str, answer: bool
) -> None:
    """A pattern covers a filter only if it matches every topic that the filter matches."""
    assert covers(pattern, topic_filter) is answer


async def test_row_19_nothing_is_allowed_that_no_rule_allows() -> None:
    """Publishing and subscribing are denied by default, and a role without rules may nothing."""
    watch = Watch()
    async with running(rules={}, observer=watch) as broker:
        peer = await Peer.connect(broker)
        assert await peer.subscribe(("a", 0), ("#", 2)) == [0x80, 0x80]
        await peer.publish("a", b"x", qos=1)
        assert ("denied_publish", "peer", "a") in watch.seen
        assert ("denied_subscribe", "peer", "#") in watch.seen


@pytest.mark.parametrize("user", ["+", "#", "a/b", "", "$SYS"])
async def test_row_19_a_user_name_fills_in_for_one_level_only(user: str) -> None:
    """A user called `+`, `#`, `a/b` or `$SYS` gains nothing from a pattern with its name in it."""
    rules = {"all": Rules(publish=("u/%u", "%u/x"), subscribe=("u/%u", "%u/#"))}
    async with running(rules=rules) as broker:
        peer = await Peer.connect(broker, user=user)
        filters = [("u/other", 0), ("#", 0), ("u/+", 0), ("a/b/c", 0), ("$SYS/broker/uptime", 0)]
        assert set(await peer.subscribe(*filters)) == {0x80}


async def test_row_20_broker_topics_are_only_for_whom_the_rules_allow() -> None:
    """`$SYS/#` is refused to a role whose rules say `#`, and open to one whose rules name it."""
    rules = {"all": Rules(subscribe=("#",)), "admin": Rules(subscribe=("$SYS/#",))}

    async def roles(credentials: Credentials) -> Identity | None:
        return Identity(str(credentials.username), str(credentials.username))

    async with running(rules=rules, authenticate=roles, settings={"sys_seconds": 60}) as broker:
        anybody = await Peer.connect(broker, "anybody", user="all")
        assert await anybody.subscribe(("$SYS/#", 0), ("#", 0)) == [0x80, 0]
        await anybody.nothing_more()
        admin = await Peer.connect(broker, "admin", user="admin")
        assert await admin.subscribe(("$SYS/broker/connections", 0)) == [0]
        assert (await admin.message()).retain


async def test_row_22_nothing_is_open_that_was_not_asked_for() -> None:
    """Defaults listen on loopback alone, allow no topic, and there is no anonymous access."""
    assert {each.host for each in BrokerSettings().listeners.values()} == {"127.0.0.1"}
    assert Listener().host == "127.0.0.1"
    with pytest.raises(TypeError):
        Broker(BrokerSettings(), rules={})  # type: ignore[call-arg]
    async with running(authenticate=by_password) as broker:
        peer, connack = await Peer.try_connect(broker)
        assert connack is not None
        assert connack.body == b"\0\5"
        await peer.closed()


async def test_row_23_a_credential_check_that_raises_refuses() -> None:
    """A credential check that raises is a refusal, and its words reach no log."""

    async def broken(credentials: Credentials) -> Identity | None:
        raise ValueError(credentials.password)

    async with running(authenticate=broken) as broker:
        peer, connack = await Peer.try_connect(broker, user="u", password=b"hush")
        assert connack is not None
        assert connack.body == b"\0\5"
        await peer.closed()
        assert broker.counters["internal_errors"] == 1


async def test_row_23_a_credential_check_that_hangs_refuses_and_blocks_nobody() -> None:
    """A credential check that never ends is a refusal after its limit; others connect meanwhile."""
    watch = Watch()

    async def hanging(credentials: Credentials) -> Identity | None:
        if credentials.username == "slow":
            await asyncio.Event().wait()
        return Identity("u", "all")

    limits = Limits(authentication_seconds=0.2)
    async with running(authenticate=hanging, limits=limits, observer=watch) as broker:
        trying = asyncio.create_task(Peer.try_connect(broker, "slow", user="slow"))
        await Peer.connect(broker, "quick")
        slow, connack = await trying
        assert connack is not None
        assert connack.body == b"\0\5"
        await slow.closed()
        assert ("refused", "slow", Reason.NOT_AUTHENTICATED) in watch.seen


async def test_a_deny_rule_takes_a_topic_out_of_a_wider_subscription() -> None:
    """A denied topic is refused by name, and is not delivered through a wider filter either."""
    rules = {"all": Rules(("#",), ("#",), deny_subscribe=("secret/#",), deny_publish=("no",))}
    async with running(rules=rules) as broker:
        peer = await Peer.connect(broker)
        await peer.publish("secret/kept", b"x", qos=1, retain=True)
        assert await peer.subscribe(("secret/a", 0), ("secret/#", 0), ("#", 1)) == [0x80, 0x80, 1]
        await peer.publish("secret/live", b"x", qos=1)
        await peer.publish("no", b"x", qos=1)
        await peer.nothing_more()
        broker.set_rules("all", Rules(("#",), ("#",)))
        peer.send(b"\xc0\0")
        await peer.expect(13)
        other = await Peer.connect(broker, "other")
        await other.publish("secret/live", b"now", qos=1)
        assert (await peer.message()).payload == b"now"
