"""The listening sockets of a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import web

from broker.protocol.engine import Engine
from broker.settings import Listener

from .http import HttpFront
from .stream import StreamProtocol
from .tls import TlsServer

BACKLOG = 1_024
"""Pending connections: after a power cut, all screens reconnect at once."""


class Listeners:
    """The listening sockets of one broker, MQTT and HTTP."""

    def __init__(
        self,
        engine: Engine,
        configured: Mapping[str, Listener],
        web_app: web.Application | None,
    ) -> None:
        self._engine = engine
        self._configured = configured
        self._servers: dict[str, asyncio.Server | TlsServer] = {}
        has_http = any(listener.kind != "mqtt" for listener in configured.values())
        self._http = HttpFront(engine, web_app, configured) if has_http else None

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """The host and port of each listener, by name."""
        return {
            name: server.sockets[0].getsockname()[:2]
            for name, server in self._servers.items()
            if server.sockets
        }

    async def open(self) -> None:
        """Bind all listeners. Raises OSError if one fails; then none stays open."""
        try:
            if self._http is not None:
                await self._http.start()
            for name, listener in self._configured.items():
                server = self._servers[name] = await self._bind(name, listener)
                if self._http is not None and listener.kind != "mqtt":
                    self._http.bound(name, server.sockets[0].getsockname()[1])
        except BaseException:
            await self.close()
            raise

    async def _bind(self, name: str, listener: Listener) -> asyncio.Server | TlsServer:
        factory = self._factory(name, listener)
        host, port = listener.host, listener.port
        if listener.tls is None:
            return await self._engine.loop.create_server(
                factory, host, port, backlog=BACKLOG, reuse_address=True
            )
        server = TlsServer(self._engine, listener.tls, factory)
        try:
            await server.open(host, port, BACKLOG)
        except BaseException:
            server.close()
            raise
        return server

    def _factory(self, name: str, listener: Listener) -> Callable[[], asyncio.Protocol]:
        if listener.kind != "mqtt" and self._http is not None:
            return self._http.protocol_factory()
        return lambda: StreamProtocol(self._engine, name)

    def reload_certificates(self) -> str | None:
        """Read all certificate files again; return what is wrong with one, or None."""
        problems = [each.reload() for each in self._secured]
        return next(filter(None, problems), None)

    @property
    def _secured(self) -> list[TlsServer]:
        return [each for each in self._servers.values() if isinstance(each, TlsServer)]

    def stop_accepting(self) -> None:
        """Stop accepting connections."""
        for server in self._servers.values():
            server.close()

    async def close(self) -> None:
        """Close the sockets and the HTTP server."""
        self.stop_accepting()
        for server in self._secured:
            server.cancel()
        if self._http is not None:
            await self._http.stop()
        self._servers.clear()
