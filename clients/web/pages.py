"""The web pages over HTTP: built files, page configuration, and security headers.

`pages(site)` returns the application that the box serves next to `/mqtt`. The files are built from
`clients/web/` (`hatch_build.py`); if they are missing, every page says what to run.
"""

import gzip
import re
from collections.abc import Awaitable, Callable, Mapping
from mimetypes import guess_type
from pathlib import Path

from aiohttp import web

from clients.web.trust_page import add_trust_page

BUILT = Path(__file__).parent / "dist"

_PAGES = {
    "/": "index.html",
    "/patient": "patient.html",
    "/facility": "facility.html",
    "/copy": "copy.html",
}
_FOR_EVER = "public, max-age=31536000, immutable"
"""Asset names contain a hash of their content."""
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}

_HSTS = f"max-age={30 * 24 * 3600}"
"""A month (RFC 6797): a device that no longer trusts the box's CA is shut out from `/trust` until
its end. Not of subdomains, which may be other servers.
"""
_HSTS_HOST = re.compile(r"(?!localhost$)[A-Za-z0-9.\-]{1,253}")
"""A name without a port: a browser would keep it, and ask the redirecting port for TLS (8.3)."""

_MISSING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Handrail: the pages are not built</title>
<h1>The pages are not built</h1>
<p>The box is running, but its web pages are missing: they were not built, or the built files were
deleted. In the project's folder, run</p>
<pre>./run pages</pre>
<p>and reload this page. The build downloads packages from npm once.</p>
</html>
"""

_BROTLI = ".br"
_CODING = re.compile(r"([\w-]+)(?:\s*;\s*q=([01](?:\.\d{0,3})?))?")
"""A content coding and its weight (RFC 9110, 12.5.3)."""
_Versions = Mapping[str, bytes]
"""A file by content coding (RFC 9110, 8.4.1)."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def pages(site: str, built: Path = BUILT, *, ca: Path | None = None) -> web.Application:
    """Return the application. Each file is read once, on its first request.

    `ca` is the certificate of the box's own CA, which devices can learn to trust.
    """
    app = web.Application(middlewares=[_guard])
    shelf = _Shelf(built)

    async def page(request: web.Request) -> web.Response:
        return shelf.page(_PAGES[request.path], request)

    async def config(_: web.Request) -> web.Response:
        return web.json_response({"v": 1, "site": site})

    async def asset(request: web.Request) -> web.Response:
        return shelf.asset(request.match_info["name"], request)

    for path in _PAGES:
        app.router.add_get(path, page)
    app.router.add_get("/config.json", config)
    app.router.add_get("/assets/{name}", asset)
    if ca is not None:
        add_trust_page(app, ca)
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Set the security headers of every response; pages and errors are never cached."""
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        _secure(request, refusal)
        raise
    _secure(request, response)
    return response


def _secure(request: web.Request, response: web.StreamResponse | web.HTTPException) -> None:
    response.headers.update(_HEADERS)
    response.headers["Content-Security-Policy"] = _policy(request.headers.get("Host", ""))
    response.headers.setdefault("Cache-Control", "no-store")
    if request.secure and _HSTS_HOST.fullmatch(request.host):
        response.headers["Strict-Transport-Security"] = _HSTS


def _policy(host: str) -> str:
    """Allow this box only. Safari does not match WebSockets with 'self': list their address."""
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            f"connect-src 'self'{sockets}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


class _Shelf:
    """The built files, each with its compressed versions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._assets: dict[str, _Versions] = {}

    def page(self, name: str, request: web.Request) -> web.Response:
        path = self._folder / name
        if not path.is_file():
            return web.Response(status=503, text=_MISSING, content_type="text/html")
        return _answer(request, _versions(path), "text/html", {})

    def asset(self, name: str, request: web.Request) -> web.Response:
        known = self._known()
        if name not in known:
            raise web.HTTPNotFound(text="File not found.")
        if name not in self._assets:
            self._assets[name] = _versions(known[name])
        kind = guess_type(name)[0] or "application/octet-stream"
        return _answer(request, self._assets[name], kind, {"Cache-Control": _FOR_EVER})

    def _known(self) -> Mapping[str, Path]:
        """Return the existing files: a request's name is never used as a path."""
        found = (self._folder / "assets").glob("*")
        return {path.name: path for path in found if path.is_file() and path.suffix != _BROTLI}


def _versions(path: Path) -> _Versions:
    """Return the content of a file by its encoding, the smallest first.

    Browsers accept Brotli over TLS only. It is compressed when the pages are built, since it takes
    seconds.
    """
    plain, packed = path.read_bytes(), path.with_name(path.name + _BROTLI)
    every = {"br": packed.read_bytes()} if packed.is_file() else {}
    every |= {"gzip": gzip.compress(plain), "identity": plain}
    return {name: body for name, body in every.items() if len(body) <= len(plain)}


def _answer(
    request: web.Request, versions: _Versions, kind: str, headers: Mapping[str, str]
) -> web.Response:
    asked = _CODING.findall(request.headers.get("Accept-Encoding", "").lower())
    accepted = {name for name, weight in asked if not weight or float(weight)}
    encoding = next((name for name in versions if name in accepted), "identity")
    headers = {**headers, "Vary": "Accept-Encoding"}
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    body = versions[encoding]
    charset = "utf-8" if kind.startswith("text/") else None
    return web.Response(body=body, headers=headers, content_type=kind, charset=charset)
