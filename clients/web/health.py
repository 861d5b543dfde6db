"""`/healthz`, `/readyz` and `/metrics`, on the port of the pages."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address

from aiohttp import web, web_response

Failing = Callable[[], Mapping[str, str]]
"""Returns the checks that fail, by name, each with a sentence."""
Metrics = Callable[[], Awaitable[str]]

_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
_LOCAL_ONLY = (
    "Metrics are shown to this machine only. `handrail serve --metrics-token-file FILE` shows them "
    "to clients that send the token.\n"
)


def add_health(
    app: web.Application, failing: Failing, metrics: Metrics, token: str | None = None
) -> None:
    """Add the three routes to an application; with a token, metrics need it from everywhere."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        found = dict(failing())
        body = {"ready": not found, "failing": found}
        return web.json_response(body, status=503 if found else 200)

    async def show_metrics(request: web.Request) -> web.Response:
        refusal = _refusal(request, token)
        if refusal is not None:
            return refusal
        return web.Response(body=(await metrics()).encode(), headers={"Content-Type": _TEXT_FORMAT})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", show_metrics)


@asynccontextmanager
async def health_site(
    host: str, port: int, failing: Failing, metrics: Metrics, token: str | None = None
) -> AsyncIterator[None]:
    """Serve the three routes alone, for a box without pages. Raises `OSError`."""
    # Else each response names the versions of aiohttp and Python.
    web_response.SERVER_SOFTWARE = "handrail"  # type: ignore[attr-defined]
    app = web.Application()
    add_health(app, failing, metrics, token)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


def _refusal(request: web.Request, token: str | None) -> web.Response | None:
    if token is None:
        return None if _is_local(request) else web.Response(status=403, text=_LOCAL_ONLY)
    shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if hmac.compare_digest(shown, f"Bearer {token}".encode()):
        return None
    headers = {"WWW-Authenticate": 'Bearer realm="handrail"'}
    return web.Response(status=401, text="The token is missing or wrong.\n", headers=headers)


def _is_local(request: web.Request) -> bool:
    """Return whether a request was made on this machine and for it.

    What a reverse proxy on this machine passes on is not; nor is a request that a page of another
    site makes in a browser here, under a name that resolves to this machine.
    """
    if any(name in request.headers for name in _FORWARDED):
        return False
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return peer is not None and _is_loopback(peer[0]) and _is_loopback(_host(request))


def _host(request: web.Request) -> str:
    """Return the `Host` of a request without its port."""
    return (request.url.host or "").strip("[]")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
