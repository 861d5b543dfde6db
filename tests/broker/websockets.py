"""A WebSocket client for tests: whole through aiohttp, or raw to cut frames short."""

import asyncio
from typing import Any, Self

import aiohttp

from broker import Broker

from .support import DEADLINE


class WebSocketPeer:
    """An MQTT peer over a WebSocket."""

    def __init__(
        self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self.session = session
        self.socket = socket

    @classmethod
    async def open(cls, broker: Broker, listener: str = "web", **options: Any) -> Self:
        """Open a WebSocket with the subprotocol mqtt."""
        host, port = broker.addresses[listener]
        scheme = "wss" if "ssl" in options else "ws"
        session = aiohttp.ClientSession()
        try:
            socket = await session.ws_connect(
                f"{scheme}://{host}:{port}/mqtt",
                **{"protocols": ("mqtt",), "max_msg_size": 0, **options},
            )
        except BaseException:
            await session.close()
            raise
        return cls(session, socket)

    async def send(self, data: bytes) -> None:
        """Send one binary message."""
        await self.socket.send_bytes(data)

    async def receive(self) -> aiohttp.WSMessage:
        """Return the next message."""
        async with asyncio.timeout(DEADLINE):
            return await self.socket.receive()

    async def close(self) -> None:
        """Close the WebSocket."""
        await self.socket.close()
        await self.session.close()
