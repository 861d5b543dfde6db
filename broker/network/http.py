"""The HTTP port: web pages of the host program and `/mqtt` for WebSockets, in one aiohttp app."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from aiohttp import web, web_response

from broker.protocol.engine import Engine
from broker.settings import Listener

from .forwarding import address_of, as_sent
from .websocket import PATH, serve_websocket

_HOST = re.compile(r"([A-Za-z0-9.\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_HTTPS_PORT = 443
_STRANGE_HOST = "HTTP request for the name of another server"
_MISDIRECTED = (
    "This server is not known by that name. Use its own name or address, or add the name to its "
    "configuration.\n"
)
# Else each response names the versions of aiohttp and Python.
web_response.SERVER_SOFTWARE = "handrail"  # type: ignore[attr-defined]
KEEPALIVE_SECONDS = 75.0
"""Timeout of an idle HTTP connection between two requests."""


class HttpFront:
    """One web application on all HTTP listeners.

    aiohttp sets an application up only once, so a broker with one can be started only once.
    """

    def __init__(
        self, engine: Engine, app: web.Application | None, configured: Mapping[str, Listener]
    ) -> None:
        self._engine = engine
        self._configured = configured
        self._app = app if app is not None else web.Application()
        # Before all routes: a catch-all route of the pages must not handle /mqtt.
        self._app.middlewares.insert(0, self._middleware())
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=1.0,
            handler_cancellation=True,
        )
        self._silent: dict[object, asyncio.TimerHandle] = {}
        self._ports: dict[int, str] = {}

    async def start(self) -> None:
        """Set up the application."""
        await self._runner.setup()

    async def stop(self) -> None:
        """Close all connections and clean up the application."""
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()
        await self._runner.cleanup()

    def protocol_factory(self) -> Callable[[], asyncio.Protocol]:
        """Return the factory of protocols for accepted sockets."""

        def make() -> asyncio.Protocol:
            server = self._runner.server
            if server is None:
                raise RuntimeError("the HTTP application is not set up")
            if len(self._silent) >= self._engine.limits.connections:
                return _Refusal()
            handler = server()
            # aiohttp has no timeout for the first request.
            self._silent[handler] = self._engine.loop.call_later(
                self._engine.limits.connect_seconds, self._cut_silent, handler
            )
            return handler

        return make

    def bound(self, name: str, port: int) -> None:
        """Record the port of a listener."""
        self._ports[port] = name

    def _cut_silent(self, handler: web.RequestHandler) -> None:
        """Close a connection that sent no complete request in time."""
        self._silent.pop(handler, None)
        if handler.transport is not None:
            handler.transport.abort()

    def _listener_of(self, request: web.Request) -> str:
        sockname = request.transport.get_extra_info("sockname") if request.transport else None
        return self._ports.get(sockname[1] if sockname else 0, "")

    def _middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        @web.middleware
        async def front(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            return await self._handle(request, handler)

        return front

    async def _handle(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        name = self._listener_of(request)
        listener = self._configured.get(name)
        if listener is not None:
            request = as_sent(request, listener.proxies)
            if not _is_for(request, listener):
                self._engine.reports.warn_once(request.remote or "unknown", _STRANGE_HOST)
                return web.Response(status=421, text=_MISDIRECTED)
        if listener and listener.kind == "redirect" and request.path not in listener.served:
            return self._redirect(request)
        if request.path != PATH:
            return await handler(request)
        if name not in self._configured:
            return web.Response(status=503)
        return await serve_websocket(self._engine, request, name, self._configured[name].origins)

    def _redirect(self, request: web.Request) -> web.Response:
        """Refer to the same path at the https address (RFC 9110, 15.4.9)."""
        host = _HOST.fullmatch(request.host)
        port = next((p for p, name in self._ports.items() if self._configured[name].tls), None)
        if host is None or port is None:
            return web.Response(status=400, text="Use https:// and the name of this machine.\n")
        place = host[1] if port == _HTTPS_PORT else f"{host[1]}:{port}"
        return web.Response(
            status=308, headers={"Location": f"https://{place}{request.rel_url.raw_path_qs}"}
        )


def _is_for(request: web.Request, listener: Listener) -> bool:
    """Return whether the `Host` of a request names this server (RFC 9110, 7.4)."""
    if listener.hosts is None or "Host" not in request.headers:  # no browser leaves it out
        return True
    host = _HOST.fullmatch(request.host)
    if host is None:
        return False
    name = host[1].strip("[]")
    return address_of(name) is not None or listener.hosts(name.lower().rstrip("."))


class _Refusal(asyncio.Protocol):
    """A protocol that closes a connection beyond the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
