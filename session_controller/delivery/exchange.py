"""One HTTP request and its answer: with limits, and with each failure as a value.

No redirect is followed: what a patient entered goes where it was meant to go, or nowhere.
"""

import asyncio
import io
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import JsonValue

from session_controller.delivery.outcomes import Reason, TryAgain

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes. The largest that is honest is a CapabilityStatement, of some megabytes."""
_CONNECT_S = 20.0
_SILENCE_S = 180.0
"""A server may think about a large transaction for so long before it answers."""
_TOTAL_S = 2 * 3600.0
"""Twenty megabytes at thirty kilobits a second take an hour and a half."""
_UNACKNOWLEDGED_MS = 60_000
"""A connection on which nothing arrives any more is given up; TCP itself would take 15 minutes."""
_FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: JsonValue
    """None where it is no JSON."""

    @property
    def resource_type(self) -> str | None:
        """Of the FHIR resource that the body is."""
        found = self.body.get("resourceType") if isinstance(self.body, dict) else None
        return found if isinstance(found, str) else None

    @property
    def operation_outcome(self) -> dict[str, JsonValue] | None:
        """The body, where it is an OperationOutcome."""
        wanted = isinstance(self.body, dict) and self.resource_type == "OperationOutcome"
        return self.body if wanted and isinstance(self.body, dict) else None

    def retry_after_s(self, now: datetime) -> float | None:
        """Give for how long the server wants to be left alone (RFC 9110, 10.2.3)."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            # By the server's own clock where it tells it: the box's may be wrong.
            until, at = _date(text), _date(self.headers.get("Date", "")) or now
        except (TypeError, ValueError):
            return None
        return max((until - at).total_seconds(), 0.0) if until else None


def _date(text: str) -> datetime | None:
    if not text:
        return None
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Exchange:
    """Requests to one server, over connections that are kept. Used within one event loop."""

    def __init__(self, ca_file: Path | None = None) -> None:
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        url: str,
        *,
        resource: Any = None,
        form: Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | TryAgain:
        """Send one request with a FHIR resource, a form or nothing, and read the answer."""
        said = {"Accept": f"{_FHIR_JSON}, application/json;q=0.8", **(headers or {})}
        data: Any = None if form is None else aiohttp.FormData(form)
        if resource is not None:
            said["Content-Type"] = f"{_FHIR_JSON}; charset=utf-8"
            # Encoding megabytes would hold everyone up.
            data = io.BytesIO(await asyncio.to_thread(_encoded, resource))
        try:
            async with self._opened().request(
                method, url, data=data, headers=said, allow_redirects=False
            ) as response:
                return await _read(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return TryAgain(_reason(error))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # Read anew each time that a session is opened: certificates are renewed. OSError.
            context = ssl.create_default_context(cafile=self._ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=context, limit=2, keepalive_timeout=30, socket_factory=_socket
                ),
                timeout=aiohttp.ClientTimeout(
                    total=_TOTAL_S, sock_connect=_CONNECT_S, sock_read=_SILENCE_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "handrail"},
            )
        return self._session

    async def close(self) -> None:
        """Close the connections; a further request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _encoded(resource: Any) -> bytes:
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()


def _socket(info: Any) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
    return made


async def _read(response: aiohttp.ClientResponse) -> Answer | TryAgain:
    if 300 <= response.status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
        return TryAgain(Reason.REDIRECTED, response.status)
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER:
            return TryAgain(Reason.NOT_FHIR, response.status, everyone=False)
    return Answer(response.status, response.headers, await asyncio.to_thread(_json, bytes(body)))


def _json(body: bytes) -> JsonValue:
    try:
        found: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found


_REASONS: tuple[tuple[tuple[type[Exception], ...], Reason], ...] = (
    ((aiohttp.ClientSSLError, ssl.SSLError), Reason.UNTRUSTED),
    ((FileNotFoundError, PermissionError, IsADirectoryError), Reason.NO_SECRET),
    ((TimeoutError,), Reason.TIMED_OUT),
    ((aiohttp.ClientConnectorError,), Reason.UNREACHABLE),
    ((aiohttp.ClientResponseError,), Reason.NOT_FHIR),
    ((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError), Reason.CUT),
    ((ConnectionError,), Reason.CUT),
)
"""The first that fits counts: a certificate that fails is a connection that fails, too."""


def _reason(error: Exception) -> Reason:
    """Name a failure without its text, which may quote an address."""
    found = (reason for kinds, reason in _REASONS if isinstance(error, kinds))
    return next(found, Reason.UNREACHABLE)
