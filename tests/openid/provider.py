"""A small OpenID provider on loopback, which can be told to misbehave."""

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from session_controller.openid.settings import OpenIdSettings

CLIENT, SECRET = "handrail-box", "s3cret+/of the client"
SUBJECT = "6f1c0c1e-8d0e-4b7a-9f57-0d9d3cf5a001"


def new_key() -> rsa.RSAPrivateKey:
    """Return a key that signs tokens."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk_of(key: rsa.RSAPrivateKey, key_id: str) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": key_id, "use": "sig", "alg": "RS256"}


@dataclass
class FakeProvider:
    """The provider: what it answers, and what it was asked."""

    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=new_key)
    key_id: str = "key-1"
    now: Callable[[], float] = time.time
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims that take the place of the right ones; None leaves one out."""
    sign: Callable[[dict[str, Any]], str] | None = None
    """Makes the token of claims, in the place of the right signature."""
    public: bool = False
    """Whether the client has no secret."""
    document: dict[str, Any] = field(default_factory=dict)
    """Changes of the discovery document."""
    broken: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    """By path, what answers instead."""
    requests: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """The authorization requests, by their codes; one that was exchanged is gone."""
    told: list[str] = field(default_factory=list)
    """All secrets that it sent or received: codes, tokens, verifiers."""
    dated: str | None = None
    """The `Date` of its answers."""

    def settings(self, **changes: Any) -> OpenIdSettings:
        """Return the settings of a box that uses it."""
        chosen = {"name": "Clinic ID", **changes}
        return OpenIdSettings(self.url, CLIENT, **chosen)

    def discovery(self) -> dict[str, Any]:
        """Return its discovery document."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **self.document,
        }

    def authorize(self, url: str) -> dict[str, str]:
        """Return what the provider sends back to the page for an authorization URL."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code-{sha256(asked['state'].encode()).hexdigest()[:24]}"
        self.codes[code] = asked
        self.told += [code, asked["state"], asked["nonce"]]
        return {"code": code, "state": asked["state"]}

    def token(self, asked: dict[str, str]) -> str:
        """Return the ID token for an authorization request."""
        now = int(self.now())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": SUBJECT,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        if self.sign is not None:
            return self.sign(kept)
        return jwt.encode(kept, self.key, "RS256", headers={"kid": self.key_id})

    def exchange(self, form: dict[str, str], authorization: str | None) -> tuple[int, Any]:
        """Answer a token request, as strictly as a good provider does."""
        self.told += [form.get("code_verifier", ""), form.get("code", "")]
        if not self._knows_client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        if (challenge, "S256") != (asked["code_challenge"], asked["code_challenge_method"]):
            return 400, {"error": "invalid_grant"}
        token, access = self.token(asked), "access-token-that-nobody-keeps"
        self.told += [token, access]
        return 200, {"id_token": token, "access_token": access, "token_type": "Bearer"}

    def _knows_client(self, form: dict[str, str], authorization: str | None) -> bool:
        if self.public:
            return authorization is None and form.get("client_id") == CLIENT
        if authorization is None:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        name, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return (unquote_plus(name), unquote_plus(secret)) == (CLIENT, SECRET)


class _Handler(BaseHTTPRequestHandler):
    provider: FakeProvider

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if self._is_broken(path):
            return
        if path == "/.well-known/openid-configuration":
            self.give(200, self.provider.discovery())
        elif path == "/keys":
            key = jwk_of(self.provider.key, self.provider.key_id)
            self.give(200, {"keys": [key]})
        elif path == "/authorize":
            self._authorize(query)
        else:
            self.give(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self._is_broken(self.path):
            return
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.give(*self.provider.exchange(form, self.headers.get("Authorization")))

    def _is_broken(self, path: str) -> bool:
        self.provider.requests.append(path)
        broken = self.provider.broken.get(path)
        if broken is not None:
            broken(self)
        return broken is not None

    def _authorize(self, query: str) -> None:
        """Show a page with a link that returns: the person presses it instead of typing."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        back = self.provider.authorize(self.path)
        refused = {"error": "access_denied", "state": asked["state"]}
        links = "".join(
            f'<p><a href="{escape(asked["redirect_uri"])}?{escape(urlencode(fields))}">{text}</a>'
            for text, fields in (("Continue", back), ("Refuse", refused))
        )
        self.give_bytes(
            200, "text/html", f"<title>Clinic ID</title><link rel=icon href=data:,>{links}".encode()
        )

    def give(self, status: int, body: Any) -> None:
        """Answer with JSON."""
        self.give_bytes(status, "application/json", json.dumps(body).encode())

    def give_bytes(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.provider.dated or super().date_time_string(timestamp)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """Yield a provider that serves in a thread."""
    provider = FakeProvider()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def secret_file(folder: Path) -> Path:
    """Write the client's secret."""
    file = folder / "oidc.secret"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    return file
