"""TLS on accepted connections: certificates that can be replaced, and failures in words."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

from broker.protocol.engine import Engine
from broker.settings import Tls

_PAUSE_SECONDS = 1.0
_UNTRUSTED = {"UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE"}
_CAUSES = {
    **dict.fromkeys(_UNTRUSTED, "it does not trust this certificate yet"),
    "CERTIFICATE_EXPIRED": "it considers this certificate expired; check its clock and the dates",
    "HTTP_REQUEST": "it used http:// on a TLS port; use https://",
    "WRONG_VERSION_NUMBER": "it used no TLS on a TLS port; use mqtts://, https:// or wss://",
    "UNSUPPORTED_PROTOCOL": "it has no TLS 1.2 or newer; update it",
    "PROTOCOL_VERSION": "it has no TLS 1.2 or newer; update it",
    "NO_SHARED_CIPHER": "it has no cipher in common with TLS 1.2 or newer; update it",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has no client certificate, which is required here",
    "CERTIFICATE_VERIFY_FAILED": "its client certificate is not signed by an accepted CA",
}
"""The likely causes of OpenSSL's errors; an alert is named without the version that defined it."""


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


class TlsServer:
    """The listening sockets of one TLS listener.

    Not a server of asyncio: those do not report failed handshakes, and keep one context.
    """

    def __init__(self, engine: Engine, tls: Tls, factory: Callable[[], asyncio.Protocol]) -> None:
        self._engine = engine
        self._tls = tls
        self._factory = factory
        self._context = tls_context(tls)
        self._handshakes: set[asyncio.Task[None]] = set()
        self.sockets: tuple[socket.socket, ...] = ()

    async def open(self, host: str, port: int, backlog: int) -> None:
        """Bind and listen. Raises OSError."""
        loop = self._engine.loop
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            listening = socket.create_server(address, family=family, backlog=backlog)
            listening.setblocking(False)
            self.sockets += (listening,)
            loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Stop listening. Handshakes in progress are completed, unless `cancel` is called."""
        for listening in self.sockets:
            self._engine.loop.remove_reader(listening)
            listening.close()
        self.sockets = ()

    def cancel(self) -> None:
        """Cancel the handshakes in progress."""
        for task in self._handshakes:
            task.cancel()

    def reload(self) -> str | None:
        """Read the files again, for new handshakes. If one is unusable, return why."""
        problem = tls_problem(self._tls)
        if problem is None:
            self._context = tls_context(self._tls)
        return problem

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, (address, *_) = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # no more file descriptors
            self._engine.reports.warn_once("TLS", f"cannot accept connections: {error.strerror}")
            self._engine.loop.remove_reader(listening)
            self._engine.loop.call_later(_PAUSE_SECONDS, self._resume, listening)
            return
        accepted.setblocking(False)
        task = self._engine.loop.create_task(self._handshake(accepted, address))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._engine.loop.add_reader(listening, self._accept, listening)

    async def _handshake(self, accepted: socket.socket, address: str) -> None:
        seconds = self._engine.limits.connect_seconds
        try:
            await self._engine.loop.connect_accepted_socket(
                self._factory, accepted, ssl=self._context, ssl_handshake_timeout=seconds
            )
        except OSError as error:
            self._engine.reports.warn_once(address, f"TLS failed: {self._cause(error)}")

    def _cause(self, error: OSError) -> str:
        if isinstance(error, ConnectionAbortedError):
            return f"no complete handshake within {self._engine.limits.connect_seconds:g} s"
        if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
            return f"it closed the connection during the handshake{self._advice}"
        reason = error.reason or "unknown"
        alert = reason.rpartition("ALERT_")[2]
        cause = _CAUSES.get(alert, f"OpenSSL reports {reason}")
        return cause + self._advice if alert in _UNTRUSTED else cause

    @property
    def _advice(self) -> str:
        page = self._tls.trust_page
        return f"; if it is a screen, open {page} on it" if page else ""
