"""amqtt's plugins as a second opinion: they can refuse what the rules allow, never the reverse.

Their answers are coroutines, so a packet whose topic they have not judged yet is postponed; each
answer is remembered for the life of the connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from amqtt.contexts import Action
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session as AmqttSession

from .logs import logger, place

if TYPE_CHECKING:
    from .codec import Connect
    from .connection import Connection
    from .engine import Engine
    from .identity import Credentials, Identity

__all__ = ["Action", "Gate", "Postponed"]

MAX_ANSWERS = 1_024
"""Answers remembered per connection."""


class Postponed(Exception):  # noqa: N818 - no error
    """A packet has to wait for a plugin's answer."""


class Gate:
    """Asks the plugins of one PluginManager. A plugin that raises or is slow refuses."""

    def __init__(self, engine: Engine, manager: PluginManager) -> None:
        self._engine = engine
        self._manager = manager

    async def admit(
        self, identity: Identity, credentials: Credentials, connect: Connect
    ) -> Identity | None:
        """Give the identity unless an authentication or topic plugin refuses user or will."""
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

    def allows(self, connection: Connection, action: Action, topic: str) -> bool:
        """Give the remembered answer; without one, ask for it and raise Postponed."""
        answer = connection.answers.get((action, topic))
        if answer is None:
            self._engine.start_task(self._ask(connection, action, topic))
            raise Postponed
        return answer

    async def _ask(self, connection: Connection, action: Action, topic: str) -> None:
        client = connection.require_client()
        answer = False
        try:
            async with asyncio.timeout(self._engine.limits.authentication_seconds):
                session = amqtt_session(client.client_id, client.user)
                answer = await self._judge(session, action, topic)
        except Exception as error:  # noqa: BLE001 - fails closed
            self._engine.counters.internal_errors += 1
            logger.error("topic plugin failed: %s", place(error))
        if len(connection.answers) >= MAX_ANSWERS:
            connection.answers.clear()
        connection.answers[action, topic] = answer
        connection.checked()

    async def _judge(self, session: AmqttSession, action: Action, topic: str) -> bool:
        answers = await self._manager.map_plugin_topic(session=session, topic=topic, action=action)
        return _all_agree(answers)


def _all_agree(answers: dict[object, bool | None]) -> bool:
    """None is a plugin that has no opinion."""
    return all(answer for answer in answers.values() if answer is not None)


def amqtt_session(client_id: str, user: str | None, password: str | None = None) -> AmqttSession:
    """Give what amqtt's plugins know as a session; it lives as long as one call."""
    session = AmqttSession()
    session.client_id = client_id
    session.username = user
    session.password = password
    return session
