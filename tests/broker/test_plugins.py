"""amqtt's plugins on our engine: they can refuse, and never allow."""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin, BaseTopicPlugin

from broker import Limits, Rules
from tests.waiting import turns

from .support import DEADLINE, Peer, publish_packet, running


class NoGuests(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """Refuses a user name, and fails at another."""

    async def authenticate(self, *, session: Any) -> bool | None:
        """Judge."""
        if session.username == "broken":
            raise ValueError(session.username)
        return bool(session.username != "guest")


class SlowTopics(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """Refuses topics with `no` in them, after a while; fails at others."""

    asked: ClassVar[list[tuple[str, str]]] = []

    async def topic_filtering(
        self,
        *,
        session: Any = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool | None:
        """Judge."""
        del session
        self.asked.append((str(action), str(topic)))
        await turns()
        if topic == "broken":
            raise ValueError(topic)
        if topic == "hang":
            await asyncio.Event().wait()
        return "no" not in str(topic)


class Events(BasePlugin[Any]):  # type: ignore[misc] # amqtt has no types
    """Notes the broker's life and publishes through its context."""

    seen: ClassVar[list[str]] = []

    @dataclass
    class Config:
        """What the settings say."""

        greeting: str = ""

    async def on_broker_pre_start(self) -> None:
        """Note it."""
        self.seen.append("pre start")

    async def on_broker_post_start(self) -> None:
        """Publish the greeting, retained."""
        self.seen.append("post start")
        await self.context.retain_message("greeting", self.config.greeting.encode())

    async def on_broker_pre_shutdown(self) -> None:
        """Look around."""
        context = self.context
        self.seen.append(f"{[s.client_id for s in context.sessions]} {list(context.subscriptions)}")
        self.seen.append(str(list(context.retained_messages)))


HERE = "tests.broker.test_plugins"


@pytest.mark.parametrize("user", ["guest", "broken"])
async def test_row_23_an_authentication_plugin_refuses(user: str) -> None:
    """A user whom a plugin refuses, or at whom it fails, is refused; others are not."""
    async with running(settings={"plugins": {f"{HERE}.NoGuests": {}}}) as broker:
        peer, connack = await Peer.try_connect(broker, user=user)
        assert connack is not None
        assert connack.body == b"\0\5"
        await peer.closed()
        await Peer.connect(broker, user="staff")


async def test_row_23_a_topic_plugin_refuses_and_never_allows() -> None:
    """Its refusals hold beside the rules'; packets wait for its answers and keep their order."""
    SlowTopics.asked.clear()
    rules = {"all": Rules(("#",), ("yes/#", "no/#", "broken", "hang"))}
    limits = Limits(authentication_seconds=0.2)
    settings: dict[str, Any] = {"plugins": {f"{HERE}.SlowTopics": {}}}
    async with running(rules=rules, settings=settings, limits=limits) as broker:
        peer = await Peer.connect(broker)
        filters = (("yes/#", 1), ("no/#", 1), ("other", 1), ("broken", 1), ("hang", 1))
        assert await peer.subscribe(*filters) == [1, 0x80, 0x80, 0x80, 0x80]
        peer.send(
            publish_packet("yes/1", b"1", qos=1, packet_id=1),
            publish_packet("no/2", b"2", qos=1, packet_id=2),
            publish_packet("yes/3", b"3", qos=1, packet_id=3),
            publish_packet("yes/1", b"4", qos=1, packet_id=4),
        )
        got = [await peer.receive() for _ in range(7)]
        messages = [p.payload for p in got if p and p.kind == 3]
        acks = [p.packet_id for p in got if p and p.kind == 4]
        assert (messages, acks) == ([b"1", b"3", b"4"], [1, 2, 3, 4])
        assert ("subscribe", "other") not in SlowTopics.asked, "the rules had refused it"
        assert SlowTopics.asked.count(("publish", "yes/1")) == 1


async def test_row_02_a_topic_plugin_judges_wills() -> None:
    """A will that a topic plugin refuses refuses the CONNECT."""
    async with running(settings={"plugins": {f"{HERE}.SlowTopics": {}}}) as broker:
        peer, connack = await Peer.try_connect(broker, will=("no/will", b"x"))
        assert connack is not None
        assert connack.body == b"\0\5"
        await peer.closed()
        await Peer.connect(broker, will=("fine", b"x"))


async def test_plugins_live_with_the_broker() -> None:
    """A plugin hears of start and stop, reads its options, and sees sessions and topics."""
    Events.seen.clear()
    plugins = {f"{HERE}.Events": {"greeting": "hello"}}
    async with running(settings={"plugins": plugins}) as broker:
        peer = await Peer.connect(broker, "someone", clean=False)
        async with asyncio.timeout(DEADLINE):
            await peer.subscribe(("greeting", 0))
            assert (await peer.message()).payload == b"hello"
    assert Events.seen == ["pre start", "post start", "['someone'] ['greeting']", "['greeting']"]


async def test_a_plugin_that_cannot_be_loaded_stops_the_start() -> None:
    """A misspelled plugin is an error at start, not a hole."""
    with pytest.raises(Exception, match=r"nowhere\.Plugin"):
        async with running(settings={"plugins": {"nowhere.Plugin": {}}}):
            pass
