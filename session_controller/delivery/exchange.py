"""A single HTTP request and its response, with limits; failures are returned as values.

Redirects are not followed: patient data goes only to the configured address.
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

from session_controller.delivery.causes import reason_of
from session_controller.delivery.outcomes import Reason, TryAgain
from session_controller.export.writers import encoded

MAX_EXCERPT = 2_000
"""In bytes; what is kept of a response that is not FHIR, such as a proxy's page."""
MAX_ANSWER = 16 * 1024 * 1024
"""In bytes. The largest legitimate response is a CapabilityStatement of some megabytes."""
_CONNECT_S = 20.0
_SILENCE_S = 180.0
"""How long a server may process a large transaction before it responds."""
_TOTAL_S = 2 * 3600.0
"""Twenty megabytes at thirty kilobits per second take an hour and a half."""
_UNACKNOWLEDGED_MS = 60_000
"""Close a connection without acknowledgements after this time; TCP itself takes 15 minutes."""
_FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's response."""

    status: int
    headers: Mapping[str, str]
    body: JsonValue
    """None if it is not JSON."""
    text: str = ""
    """The beginning of the body."""

    @property
    def head(self) -> dict[str, JsonValue]:
        """What of the response is no body: status and type."""
        return {"status": self.status, "content_type": self.headers.get("Content-Type")}

    @property
    def resource_type(self) -> str | None:
        """The type of the FHIR resource in the body, or None."""
        found = self.body.get("resourceType") if isinstance(self.body, dict) else None
        return found if isinstance(found, str) else None

    @property
    def operation_outcome(self) -> dict[str, JsonValue] | None:
        """The body, if it is an OperationOutcome."""
        wanted = isinstance(self.body, dict) and self.resource_type == "OperationOutcome"
        return self.body if wanted and isinstance(self.body, dict) else None

    def retry_after_s(self, now: datetime) -> float | None:
        """Return how long the server asks to wait, in seconds (RFC 9110, 10.2.3), or None."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            # Use the server's own clock if it sends a Date: the box's may be wrong.
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
    """Requests to one server over persistent connections. For use within one event loop."""

    def __init__(self, ca_file: Path | None = None, most: int = MAX_ANSWER) -> None:
        """`most` is the number of bytes above which a response is not read."""
        self._ca_file = ca_file
        self._most = most
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
        """Send one request with JSON, a form or no body, and read the response.

        JSON is FHIR, unless `headers` have another type.
        """
        said = {"Accept": f"{_FHIR_JSON}, application/json;q=0.8", **(headers or {})}
        data: Any = None if form is None else aiohttp.FormData(form)
        if resource is not None:
            said.setdefault("Content-Type", f"{_FHIR_JSON}; charset=utf-8")
            # Encoding megabytes would block the event loop.
            data = io.BytesIO(await asyncio.to_thread(encoded, resource))
        try:
            session = self._opened()
        except OSError:
            return TryAgain(Reason.NO_SECRET)
        try:
            async with session.request(
                method, url, data=data, headers=said, allow_redirects=False
            ) as response:
                return await _read(response, self._most)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return TryAgain(_reason(error))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # Read for each new session, since certificates are renewed. May raise OSError.
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
        """Close the connections; another request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _socket(info: Any) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
    return made


async def _read(response: aiohttp.ClientResponse, most: int) -> Answer | TryAgain:
    if 300 <= response.status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
        where = {"status": response.status, "location": response.headers.get("Location")}
        return TryAgain(Reason.REDIRECTED, response.status, answer=where)
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > most:
            return TryAgain(Reason.NOT_FHIR, response.status, everyone=False)
    read = await asyncio.to_thread(_json, bytes(body))
    return Answer(response.status, response.headers, read, _beginning(body))


def _beginning(body: bytearray) -> str:
    return bytes(body[:MAX_EXCERPT]).decode(errors="replace")


def _json(body: bytes) -> JsonValue:
    try:
        found: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found


_REASONS: tuple[tuple[tuple[type[Exception], ...], Reason], ...] = (
    ((TimeoutError,), Reason.TIMED_OUT),
    ((aiohttp.ClientResponseError,), Reason.NOT_FHIR),
    ((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError), Reason.CUT),
    ((aiohttp.ClientError,), Reason.UNREACHABLE),
)
"""The first match counts."""


def _reason(error: Exception) -> Reason:
    """Classify an exception; one of connecting, by what is below it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return reason_of(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return reason_of(error.os_error)
    found = (reason for kinds, reason in _REASONS if isinstance(error, kinds))
    return next(found, None) or reason_of(error)
