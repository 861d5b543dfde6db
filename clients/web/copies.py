"""`POST /copy`: the record of a check-in as PDF, for the token of a link that works once.

The page of the same path sends it; a token in a path would be in the log of a proxy.
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

TakeCopy = Callable[[str], Awaitable[bytes | str | None]]
"""Returns the PDF of a token; a sentence if it cannot be made; None if no link works so."""

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{22}")
_MAX_BODY = 64
_OVER = (
    "This link no longer works: it was used already, or is older than ten minutes. Please ask our "
    "staff for a copy.\n"
)
_UNREADABLE = "The body must be the token of a link to a copy. Please scan the code again.\n"
_WAIT = "Too many links that do not work came from here. Please ask our staff for a copy.\n"
_FILE = {"Content-Disposition": 'attachment; filename="check-in.pdf"'}
"""The name says nothing of the patient: a phone lists its downloads."""

MOST_WRONG = 30
"""Tokens that do not work, by address and window; all phones of a clinic may share an address."""
WINDOW_S = 600.0
_MOST_ADDRESSES = 1_000


@dataclass(slots=True)
class WrongTokens:
    """Counts the tokens that did not work, by address."""

    steady: Callable[[], float] = time.monotonic
    _since_s: float = float("-inf")
    _counts: dict[str, int] = field(default_factory=dict)

    def too_many(self, address: str) -> bool:
        """Return whether no further token of an address is tried now."""
        now_s = self.steady()
        if now_s - self._since_s >= WINDOW_S or len(self._counts) > _MOST_ADDRESSES:
            self._since_s = now_s
            self._counts.clear()
        return self._counts.get(address, 0) >= MOST_WRONG

    def count(self, address: str) -> None:
        """Count a token that did not work."""
        self._counts[address] = self._counts.get(address, 0) + 1


def add_copies(
    app: web.Application, take: TakeCopy, steady: Callable[[], float] = time.monotonic
) -> None:
    """Add the route to an application."""
    wrong = WrongTokens(steady)

    async def copy(request: web.Request) -> web.Response:
        token = await _token(request)
        if token is None:
            return web.Response(status=400, text=_UNREADABLE)
        address = request.remote or ""
        if wrong.too_many(address):
            return web.Response(status=429, text=_WAIT, headers={"Retry-After": f"{WINDOW_S:.0f}"})
        found = await take(token)
        if found is None:
            wrong.count(address)
            return web.Response(status=410, text=_OVER)
        if isinstance(found, str):
            return web.Response(status=503, text=f"{found}\n")
        return web.Response(body=found, content_type="application/pdf", headers=_FILE)

    app.router.add_post("/copy", copy)


async def _token(request: web.Request) -> str | None:
    """Return the token that a body is, or None; no more is read than a token may be."""
    body = b""
    while len(body) <= _MAX_BODY and (more := await request.content.read(_MAX_BODY + 1)):
        body += more
    return body.decode() if _TOKEN.fullmatch(body) else None
