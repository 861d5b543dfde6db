"""A provider over HTTP: what is asked, and what is not accepted from it."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from session_controller.openid.authorization import Pending, authorization_url
from session_controller.openid.provider import KEPT_S, MOST_BYTES, Provider
from session_controller.openid.refused import Cause, Refused
from session_controller.openid.settings import OpenIdSettings
from session_controller.storage.entities import Account

from .provider import SUBJECT, FakeProvider, fake_provider, new_key, secret_file

PAGE = "https://clinic.local/facility"
DISCOVERY, TOKEN, KEYS = "/.well-known/openid-configuration", "/token", "/keys"


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """Yield a provider."""
    with fake_provider() as provider:
        yield provider


class Client:
    """The box's side, with a clock that is moved by hand."""

    def __init__(
        self, fake: FakeProvider, settings: OpenIdSettings, patience_s: float = 8.0
    ) -> None:
        self.fake, self.settings, self.now_s = fake, settings, 100.0
        self.provider = Provider(
            settings,
            unix_s=fake.now,
            steady_s=lambda: self.now_s,
            patience_s=patience_s,
        )

    async def sign_in(self, issuer: str | None = None) -> Account | Refused:
        """Go to the provider and back."""
        pending = Pending.begin(PAGE, self.now_s)
        found = await self.provider.discovery()
        if isinstance(found, Refused):
            return found
        url = authorization_url(found.authorization_endpoint, self.settings, pending)
        back = self.fake.authorize(url)
        return await self.provider.account(back["code"], pending, issuer)


@asynccontextmanager
async def client(fake: FakeProvider, folder: Path, **options: Any) -> AsyncIterator[Client]:
    """Yield a client with a secret."""
    patience_s = options.pop("patience_s", 8.0)
    settings = fake.settings(**{"secret_file": secret_file(folder), **options})
    made = Client(fake, settings, patience_s)
    try:
        yield made
    finally:
        await made.provider.close()


async def test_a_code_becomes_an_account(fake: FakeProvider, tmp_path: Path) -> None:
    """Discovery and keys are asked for once in ten minutes."""
    async with client(fake, tmp_path) as box:
        expected = Account(fake.url, "sub", SUBJECT)
        assert await box.sign_in() == expected
        assert await box.sign_in() == expected
        assert fake.requests == [DISCOVERY, TOKEN, KEYS, TOKEN]
        box.now_s += KEPT_S
        assert await box.sign_in() == expected
        assert fake.requests[4:] == [DISCOVERY, TOKEN, KEYS]


@pytest.mark.parametrize("methods", [None, ["client_secret_post"], ["client_secret_basic"]])
async def test_the_secret_is_sent_as_the_provider_wants_it(
    fake: FakeProvider, tmp_path: Path, methods: list[str] | None
) -> None:
    """In the header by default (OpenID Connect Discovery, 3)."""
    if methods:
        fake.document["token_endpoint_auth_methods_supported"] = methods
    async with client(fake, tmp_path) as box:
        assert isinstance(await box.sign_in(), Account)


async def test_a_public_client_has_no_secret(fake: FakeProvider, tmp_path: Path) -> None:
    """PKCE protects the code."""
    fake.public = True
    async with client(fake, tmp_path, secret_file=None) as box:
        assert isinstance(await box.sign_in(), Account)


async def test_the_authorization_request(fake: FakeProvider) -> None:
    """It asks for the password anew, and obliges the provider to say when it did."""
    lax = fake.settings(reauthenticate=False, scopes=("openid", "email"))
    pending = Pending.begin(PAGE, 0.0)
    fake.authorize(authorization_url(f"{fake.url}/authorize?tenant=1", fake.settings(), pending))
    fake.authorize(authorization_url(f"{fake.url}/authorize", lax, Pending.begin(PAGE, 0.0)))
    strict, loose = fake.codes.values()
    assert strict == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "handrail-box",
        "redirect_uri": PAGE,
        "scope": "openid",
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": pending.challenge,
        "code_challenge_method": "S256",
        "prompt": "login",
        "max_age": "300",
    }
    assert (loose["prompt"], loose["scope"]) == ("select_account", "openid email")
    assert "max_age" not in loose
    assert len({strict["state"], strict["nonce"], pending.verifier, loose["state"]}) == 4
    assert min(map(len, (pending.state, pending.nonce, pending.verifier))) >= 43


async def test_new_keys_of_the_provider_are_found(fake: FakeProvider, tmp_path: Path) -> None:
    """At the first token that one of them has signed."""
    async with client(fake, tmp_path) as box:
        assert isinstance(await box.sign_in(), Account)
        fake.key, fake.key_id = new_key(), "key-2"
        assert isinstance(await box.sign_in(), Account)
        fake.sign = lambda _: "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vIn0.e30.AAAA"
        assert await box.sign_in() == Refused(Cause.INVALID, "key")
        assert fake.requests.count(KEYS) == 3


async def test_a_code_works_once_and_with_its_verifier(fake: FakeProvider, tmp_path: Path) -> None:
    """The provider's own refusal is that the sign-in is over."""
    async with client(fake, tmp_path) as box:
        pending = Pending.begin(PAGE, box.now_s)
        url = authorization_url(f"{fake.url}/authorize", box.settings, pending)
        code = fake.authorize(url)["code"]
        other = Pending.begin(PAGE, box.now_s)
        refused = Refused(Cause.EXPIRED, "invalid_grant")
        assert await box.provider.account(code, other, None) == refused
        assert await box.provider.account(code, pending, None) == refused


@pytest.mark.parametrize(
    ("document", "cause", "detail"),
    [
        ({"issuer": "https://evil.example"}, Cause.MISCONFIGURED, "issuer"),
        ({"token_endpoint": "http://evil.example/token"}, Cause.MISCONFIGURED, "endpoints"),
        ({"jwks_uri": None}, Cause.MISCONFIGURED, "endpoints"),
        ({"authorization_endpoint": "javascript:alert(1)"}, Cause.MISCONFIGURED, "endpoints"),
    ],
)
async def test_a_wrong_discovery_document_is_refused(
    fake: FakeProvider, tmp_path: Path, document: dict[str, Any], cause: Cause, detail: str
) -> None:
    """No secret goes to an address that is not encrypted, nor a browser to one of no web."""
    fake.document = document
    async with client(fake, tmp_path) as box:
        assert await box.sign_in() == Refused(cause, detail)
        assert fake.requests == [DISCOVERY]


@pytest.mark.parametrize(
    ("states", "issuer", "accepted"),
    [
        (False, None, True),
        (True, None, False),
        (False, "https://evil.example", False),
        (True, "own", True),
    ],
)
async def test_the_issuer_of_the_response_must_fit(
    fake: FakeProvider, tmp_path: Path, states: bool, issuer: str | None, accepted: bool
) -> None:
    """RFC 9207: a code of another provider is not sent to this one."""
    fake.document["authorization_response_iss_parameter_supported"] = states
    async with client(fake, tmp_path) as box:
        found = await box.sign_in(fake.url if issuer == "own" else issuer)
        assert isinstance(found, Account) is accepted
        assert (TOKEN in fake.requests) is accepted


def redirect(handler: BaseHTTPRequestHandler) -> None:
    """Refer to another host."""
    handler.send_response(307)
    handler.send_header("Location", "http://127.0.0.2:1/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def huge(handler: BaseHTTPRequestHandler) -> None:
    """Send more than anybody reads."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(100 * MOST_BYTES))
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b" " * MOST_BYTES)
    except OSError:  # the box has hung up
        handler.close_connection = True


def garbage(handler: BaseHTTPRequestHandler) -> None:
    """Answer with what is no JSON."""
    handler.send_response(200)
    handler.send_header("Content-Length", "3")
    handler.end_headers()
    handler.wfile.write(b"<p>")


def failing(handler: BaseHTTPRequestHandler) -> None:
    """Fail."""
    handler.send_error(503)


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN, KEYS])
@pytest.mark.parametrize("broken", [redirect, huge, garbage, failing])
async def test_what_is_no_answer_is_refused(
    fake: FakeProvider, tmp_path: Path, path: str, broken: Any
) -> None:
    """No redirect is followed, and nothing is read without end."""
    fake.broken[path] = broken
    async with client(fake, tmp_path) as box:
        found = await box.sign_in()
    assert isinstance(found, Refused)
    no_token = path == TOKEN and broken is garbage
    assert found.cause is (Cause.MISCONFIGURED if no_token else Cause.UNREACHABLE)


async def test_a_slow_provider_is_not_waited_for(fake: FakeProvider, tmp_path: Path) -> None:
    """Somebody stands at the screen."""
    done = threading.Event()
    fake.broken[DISCOVERY] = lambda _: done.wait() and None
    try:
        async with client(fake, tmp_path, patience_s=0.1) as box:
            assert await box.sign_in() == Refused(Cause.UNREACHABLE, "timed_out")
    finally:
        done.set()


async def test_a_provider_that_is_down() -> None:
    """The refusal says what is wrong with the connection."""
    with fake_provider() as fake:
        settings = fake.settings()
    box = Client(fake, settings)
    assert await box.sign_in() == Refused(Cause.UNREACHABLE, "connection_refused")
    await box.provider.close()


async def test_a_wrong_or_missing_secret(fake: FakeProvider, tmp_path: Path) -> None:
    """The configuration is at fault, and the refusal says which part."""
    async with client(fake, tmp_path) as box:
        file = secret_file(tmp_path)
        file.write_text("another")
        assert await box.sign_in() == Refused(Cause.MISCONFIGURED, "invalid_client")
        file.unlink()
        assert await box.sign_in() == Refused(Cause.MISCONFIGURED, "client secret")


async def test_an_error_of_the_provider_is_not_repeated_unless_it_is_a_code(
    fake: FakeProvider, tmp_path: Path
) -> None:
    """What a provider sends may hold anything."""
    fake.broken[TOKEN] = lambda handler: handler.give(400, {"error": "Code c0de of Ana"})  # type: ignore[attr-defined]
    async with client(fake, tmp_path) as box:
        assert await box.sign_in() == Refused(Cause.MISCONFIGURED, "token response")


def test_what_is_begun_shows_no_secret() -> None:
    """Neither in a log nor in a traceback."""
    pending = Pending.begin(PAGE, 0.0)
    shown = repr(pending)
    for secret in (pending.state, pending.nonce, pending.verifier):
        assert secret not in shown
