"""Authentication and topic plugins of amqtt: they can refuse what the rules allow, not the reverse.

Plugins are coroutines, so a packet on a topic that they have not decided yet is postponed. Each
answer is cached for the life of the connection.
"""

from __future__ import annotations

import asyncio

from amqtt.contexts import Action
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session as AmqttSession

from .access.identity import Credentials, Identity
from .monitoring.logs import logger, traceback_location
from .packets.codec import Connect
from .protocol.engine import Engine
from .protocol.peer import Peer
from .protocol.plugins import Postponed
from .protocol.transport import Hold

MAX_ANSWERS = 1_024
"""Cached answers per connection."""


class AmqttPlugins:
    """The plugins of one PluginManager. A plugin that raises or times out refuses."""

    def __init__(self, engine: Engine, manager: PluginManager) -> None:
        self._engine = engine
        self._manager = manager

    async def admit(
        self, identity: Identity, credentials: Credentials, connect: Connect
    ) -> Identity | None:
        """Return the identity, or None if a plugin refuses the user or its will."""
        password = (credentials.password or b"").decode(errors="replace")
        session = amqtt_session(credentials.client_id, credentials.username, password)
        session.remote_address = credentials.address
        answers = await self._manager.map_plugin_auth(session=session)
        if not _all_agree(answers):
            return None
        if connect.will is not None:
            session = amqtt_session(credentials.client_id, identity.user)
            if not await self._judge(session, Action.PUBLISH, connect.will.topic):
                return None
        return identity

    def may_publish(self, peer: Peer, topic: str) -> bool:
        """Return the cached answer; without one, ask the plugins and raise Postponed."""
        return self._may(peer, Action.PUBLISH, topic)

    def may_subscribe(self, peer: Peer, topic_filter: str) -> bool:
        """Return the cached answer; without one, ask the plugins and raise Postponed."""
        return self._may(peer, Action.SUBSCRIBE, topic_filter)

    def _may(self, peer: Peer, action: Action, topic: str) -> bool:
        answer = peer.answers.get((action, topic))
        if answer is None:
            self._engine.start_task(self._ask(peer, action, topic))
            raise Postponed
        return answer

    async def _ask(self, peer: Peer, action: Action, topic: str) -> None:
        client = peer.require_client()
        answer = False
        try:
            async with asyncio.timeout(self._engine.limits.authentication_seconds):
                session = amqtt_session(client.client_id, client.user)
                answer = await self._judge(session, action, topic)
        except Exception as error:  # noqa: BLE001 - fails closed
            self._engine.counters.internal_errors += 1
            logger.error("topic plugin failed: %s", traceback_location(error))
        if len(peer.answers) >= MAX_ANSWERS:
            peer.answers.clear()
        peer.answers[action, topic] = answer
        peer.unhold(Hold.CHECK)

    async def _judge(self, session: AmqttSession, action: Action, topic: str) -> bool:
        answers = await self._manager.map_plugin_topic(session=session, topic=topic, action=action)
        return _all_agree(answers)


def _all_agree(answers: dict[object, bool | None]) -> bool:
    """Return whether no plugin refuses; None is a plugin without an opinion."""
    return all(answer for answer in answers.values() if answer is not None)


def amqtt_session(client_id: str, user: str | None, password: str | None = None) -> AmqttSession:
    """Return a session for amqtt's plugins, which lives for one call."""
    session = AmqttSession()
    session.client_id = client_id
    session.username = user
    session.password = password
    return session
