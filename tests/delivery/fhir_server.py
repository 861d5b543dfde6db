"""A small, strict FHIR R4 server over real HTTP, with an OAuth 2 token endpoint."""

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web

from tests.delivery.fhir_store import FhirStore, Problem, Resource

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Trouble:
    """An answer that a request gets in place of what it asked for."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    after_commit: bool = False
    """Whether the request is carried out first."""
    on: str = ""
    """Only requests whose address ends so."""


@dataclass
class FhirServer:
    """The server: what it holds, how it behaves, what it was asked."""

    store: FhirStore = field(default_factory=FhirStore)
    transactions: bool = True
    says_so: bool = True
    """Whether its CapabilityStatement names its system interactions."""
    honours_if_none_exist: bool = True
    gives_location: bool = True
    troubles: deque[Trouble] = field(default_factory=deque)
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""
    bodies: list[bytes] = field(default_factory=list)
    """What each request carried."""
    client_keys: dict[str, Any] = field(default_factory=dict)
    """Public keys by `kid`. Where there is any, requests need a token of the token endpoint."""
    static_token: str | None = None
    tokens: set[str] = field(default_factory=set)
    """Those that are good now."""
    granted: int = 0
    expires_in: int = 300
    unix_s: Callable[[], float] = time.time
    before_answer: Callable[[str], None] = lambda _: None
    """Called with method and path when a request was carried out, and before it is answered."""
    base: str = ""
    _seen: set[str] = field(default_factory=set)
    _counter: Any = field(default_factory=itertools.count)

    def app(self) -> web.Application:
        """Return the server as an application."""
        app = web.Application(client_max_size=64 << 20, middlewares=[self._around])
        app.router.add_get("/fhir/metadata", self._metadata)
        app.router.add_get("/fhir/.well-known/smart-configuration", self._smart)
        app.router.add_post("/token", self._token)
        app.router.add_post("/fhir", self._bundle)
        app.router.add_post("/fhir/{kind}/_search", self._search)
        app.router.add_post("/fhir/{kind}", self._create)
        app.router.add_put("/fhir/{kind}", self._update)
        app.router.add_put("/fhir/{kind}/{id}", self._update)
        app.router.add_get("/fhir/{kind}/{id}", self._read)
        return app

    @web.middleware
    async def _around(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        self.bodies.append(await request.read())
        trouble = self._trouble(request)
        if trouble and not trouble.after_commit:
            return _answer(trouble)
        try:
            self._authorize(request)
            response = await handler(request)
        except Problem as problem:
            response = _json(problem.status, problem.outcome)
        self.before_answer(self.asked[-1])
        return _answer(trouble) if trouble else response

    def _trouble(self, request: web.Request) -> Trouble | None:
        due = self.troubles and request.path.endswith(self.troubles[0].on)
        return self.troubles.popleft() if due else None

    # --- FHIR ------------------------------------------------------------------------------

    async def _metadata(self, _: web.Request) -> web.Response:
        codes = ["search-system"] + ["transaction"] * self.transactions
        rest: Resource = {
            "mode": "server",
            "resource": [
                {"type": kind, "conditionalCreate": self.honours_if_none_exist}
                for kind in ("Patient", "QuestionnaireResponse", "Provenance")
            ],
        }
        if self.says_so:
            rest["interaction"] = [{"code": code} for code in codes]
        return _json(200, {"resourceType": "CapabilityStatement", "rest": [rest]})

    async def _bundle(self, request: web.Request) -> web.Response:
        if not self.transactions:
            raise Problem(404, "not-found", "no such thing")
        return _json(200, self.store.transaction(await _body(request)))

    async def _create(self, request: web.Request) -> web.Response:
        resource = await _body(request)
        if resource.get("resourceType") != request.match_info["kind"]:
            raise Problem(400, "invalid", "another type than the address says")
        criteria = request.headers.get("If-None-Exist") if self.honours_if_none_exist else None
        return self._written(*self._whole(lambda: self.store.create(resource, criteria)))

    async def _update(self, request: web.Request) -> web.Response:
        resource = await _body(request)
        url = request.path.removeprefix("/fhir/")
        url += f"?{request.query_string}" if request.query_string else ""
        return self._written(*self._whole(lambda: self.store.update(url, resource)))

    def _whole(self, write: Any) -> tuple[int, Resource]:
        before, writes = dict(self.store.resources), self.store.writes
        try:
            written: tuple[int, Resource] = write()
            self.store.check_references()
        except Problem:
            self.store.resources, self.store.writes = before, writes
            raise
        return written

    def _written(self, status: int, resource: Resource) -> web.Response:
        where = f"{self.base}/{resource['resourceType']}/{resource['id']}/_history/1"
        headers = {"ETag": 'W/"1"'}
        if self.gives_location:
            headers["Location"] = where
        return web.Response(status=status, headers=headers)

    async def _search(self, request: web.Request) -> web.Response:
        criteria = (await request.read()).decode()
        found = self.store.search(request.match_info["kind"], criteria)
        entries = [{"resource": each, "search": {"mode": "match"}} for each in found]
        return _json(200, {"resourceType": "Bundle", "type": "searchset", "entry": entries})

    async def _read(self, request: web.Request) -> web.Response:
        found = self.store.resources.get("{kind}/{id}".format(**request.match_info))
        if found is None:
            raise Problem(404, "not-found", "there is none")
        return _json(200, found)

    # --- OAuth 2 ---------------------------------------------------------------------------

    def _authorize(self, request: web.Request) -> None:
        open_to_all = request.path == "/token" or request.path.endswith("smart-configuration")
        if open_to_all or not (self.client_keys or self.static_token):
            return
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens | {self.static_token}:
            raise Problem(401, "login", "no good token")

    async def _smart(self, _: web.Request) -> web.Response:
        return _json(200, {"token_endpoint": self.token_url})

    @property
    def token_url(self) -> str:
        """Where tokens are given."""
        return self.base.replace("/fhir", "/token")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("grant_type") != "client_credentials" or not form.get("scope"):
            return _json(400, {"error": "invalid_request"})
        if form.get("client_assertion_type") != _ASSERTION or not self._proves(form):
            return _json(400, {"error": "invalid_client"})
        token = f"token-{next(self._counter)}"
        self.tokens.add(token)
        self.granted += 1
        grant = {"access_token": token, "token_type": "bearer", "expires_in": self.expires_in}
        return _json(200, grant)

    def _proves(self, form: Any) -> bool:
        """Check an assertion as SMART Backend Services asks for it."""
        assertion = str(form["client_assertion"])
        try:
            head = jwt.get_unverified_header(assertion)
            claims = jwt.decode(
                assertion,
                self.client_keys[head["kid"]],
                algorithms=["ES384", "RS384"],
                audience=self.token_url,
                options={
                    "require": ["iss", "sub", "aud", "exp", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, KeyError):
            return False
        now = self.unix_s()
        fresh = claims["jti"] not in self._seen and now < claims["exp"] <= now + 300
        self._seen.add(claims["jti"])
        return fresh and claims["iss"] == claims["sub"] == "handrail-box"


async def _body(request: web.Request) -> Resource:
    if not request.content_type.endswith("fhir+json"):
        raise Problem(415, "invalid", "no FHIR JSON")
    try:
        found: Resource = json.loads(await request.read())
    except ValueError:
        raise Problem(400, "structure", "no JSON") from None
    return found


def _json(status: int, body: Any) -> web.Response:
    return web.json_response(body, status=status, content_type="application/fhir+json")


def _answer(trouble: Trouble) -> web.Response:
    if isinstance(trouble.body, str):
        return web.Response(status=trouble.status, headers=trouble.headers, text=trouble.body)
    body = None if trouble.body is None else json.dumps(trouble.body).encode()
    return web.Response(status=trouble.status, headers=trouble.headers, body=body)


@asynccontextmanager
async def serving(server: FhirServer, port: int = 0) -> AsyncIterator[FhirServer]:
    """Serve on a loopback port until the block ends."""
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        found = runner.addresses[0][1]
        server.base = server.base or f"http://127.0.0.1:{found}/fhir"
        yield server
    finally:
        await runner.cleanup()


class Cutter:
    """A TCP proxy that cuts the first connection after so many bytes, and lets others through."""

    def __init__(self, target: int) -> None:
        self.up: int | None = None
        self.down: int | None = None
        self.cuts = 0
        self.carried = {"up": 0, "down": 0}
        """Bytes of the last connection."""
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve; gives the port."""
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self.carried = {"up": 0, "down": 0}
        try:
            await asyncio.gather(
                self._carry(reader, far_writer, "up"), self._carry(far_reader, writer, "down")
            )
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            far_writer.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str
    ) -> None:
        while data := await reader.read(65536):
            limit = getattr(self, way)
            room = None if limit is None else limit - self.carried[way]
            if room is not None and len(data) >= room:
                self.up = self.down = None
                self.cuts += 1
                writer.write(data[:room])
                await writer.drain()
                raise ConnectionResetError
            self.carried[way] += len(data)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError
