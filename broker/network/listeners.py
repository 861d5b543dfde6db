"""The listening sockets of a broker."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from broker.protocol.engine import Engine
from broker.settings import Listener, Tls

from .http import HttpFront
from .stream import StreamProtocol

BACKLOG = 1_024
"""Pending connections: after a power cut, all screens reconnect at once."""


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return a TLS context for a server: 1.2 or newer, client certificates as configured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # An encrypted key fails; without a password, OpenSSL would prompt on the terminal.
    context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        required = tls.client_certificate == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def tls_problem(tls: Tls) -> str | None:
    """Return which certificate file is unusable and why, or None if all are valid."""
    for path in filter(None, (tls.certificate, tls.key, tls.client_ca)):
        try:
            path.open("rb").close()
        except OSError as error:
            return f"{path}: {error.strerror}"
    try:
        tls_context(replace(tls, client_ca=None))
    except ssl.SSLError:
        return (
            f"{tls.certificate} and {tls.key} do not contain a matching certificate and key "
            "(PEM, key without password)"
        )
    try:
        tls_context(tls)
    except ssl.SSLError:
        return f"{tls.client_ca} does not contain CA certificates (PEM)"
    return None


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
        self._servers: dict[str, asyncio.Server] = {}
        has_http = any(listener.kind == "http" for listener in configured.values())
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
                if self._http is not None and listener.kind == "http":
                    self._http.bound(name, server.sockets[0].getsockname()[1])
        except BaseException:
            await self.close()
            raise

    async def _bind(self, name: str, listener: Listener) -> asyncio.Server:
        loop, engine = self._engine.loop, self._engine
        if listener.kind == "http" and self._http is not None:
            factory = self._http.protocol_factory()
        else:
            factory = lambda: StreamProtocol(engine, name)  # noqa: E731
        context = tls_context(listener.tls) if listener.tls is not None else None
        handshake = engine.limits.connect_seconds if context is not None else None
        return await loop.create_server(
            factory,
            listener.host,
            listener.port,
            ssl=context,
            ssl_handshake_timeout=handshake,
            backlog=BACKLOG,
            reuse_address=True,
        )

    def stop_accepting(self) -> None:
        """Stop accepting connections."""
        for server in self._servers.values():
            server.close()

    async def close(self) -> None:
        """Close the sockets and the HTTP server."""
        self.stop_accepting()
        if self._http is not None:
            await self._http.stop()
        self._servers.clear()
