"""Starts stock amqtt with an equivalent password check and topic check, without logs."""

from __future__ import annotations

import asyncio
import logging
import sys

import uvloop
from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from .wire import PASSWORD, USER


class Password(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """Password check for one user."""

    async def authenticate(self, *, session: Session) -> bool:
        """Return whether access is allowed."""
        return bool(session.username == USER and session.password == PASSWORD)


class Topics(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """Topic check for three roots."""

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,  # noqa: ARG002
        topic: str | None = None,
        action: Action | None = None,  # noqa: ARG002
    ) -> bool:
        """Return whether access is allowed."""
        return topic is not None and topic.startswith(("bench/", "idle/", "kept/"))


async def main(port: int) -> None:
    """Serve forever."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {
                "benchmarks.broker.stock.Password": {},
                "benchmarks.broker.stock.Topics": {},
            },
        }
    )
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    uvloop.run(main(int(sys.argv[1])))
