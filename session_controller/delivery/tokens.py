"""Authorization at a FHIR server: none, a bearer token, or an OAuth 2 client.

Client credentials follow SMART Backend Services (hl7.org/fhir/smart-app-launch, STU 2.2): the
client signs an assertion (RFC 7523) and receives a token valid for some minutes.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jwt
from jwt.exceptions import PyJWTError
from pydantic import JsonValue

from schemas.wire.destinations import ClientCredentials, FhirDestination, StaticToken, is_safe
from session_controller.delivery.exchange import Answer, Exchange
from session_controller.delivery.outcomes import Reason, TryAgain

__all__ = ["Auth", "Bearer", "ClientAuth", "Nobody", "make_auth"]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LASTS_S = 240
"""The profile allows five minutes; this leaves a margin for a box whose clock is fast."""
_MARGIN_S = 30.0
"""A token is not used this close to its end: the request has to arrive in time."""
_DEFAULT_LIFE_S = 300.0
"""If the server states no lifetime (RFC 6749, 5.1): the longest that the profile recommends."""


class Auth(Protocol):
    """Provides the `Authorization` header of requests."""

    renewable: bool
    """Whether a token that the server rejects can be replaced."""

    async def authorization(self) -> str | TryAgain | None:
        """Return the header's value, or None for no header."""

    def forget(self) -> None:
        """Discard a token that the server rejected."""


class Nobody:
    """No authorization."""

    renewable = False

    async def authorization(self) -> str | TryAgain | None:
        """Return None."""
        return None

    def forget(self) -> None:
        """Do nothing."""


class Bearer:
    """A token in a file, read for each request: another program may renew it."""

    renewable = False

    def __init__(self, file: Path) -> None:
        self._file = file

    async def authorization(self) -> str | TryAgain | None:
        """Return the token currently in the file."""
        try:
            token = (await asyncio.to_thread(self._file.read_text)).strip()
        except (OSError, ValueError):
            return TryAgain(Reason.NO_SECRET)
        return f"Bearer {token}" if token.isascii() and token.isprintable() and token else _BAD

    def forget(self) -> None:
        """Do nothing."""


_BAD = TryAgain(Reason.NO_SECRET)


@dataclass(frozen=True, slots=True)
class Moments:
    """Sources of time and ids for authorization."""

    unix_s: Callable[[], float]
    """Seconds since 1970, for the assertion's claims."""
    steady_s: Callable[[], float]
    """Seconds of a monotonic clock, for the token's lifetime."""
    new_id: Callable[[], str]
    """Creates a unique value for `jti`."""


class ClientAuth:
    """Client credentials with a signed assertion; a token is cached for its lifetime."""

    renewable = True

    def __init__(
        self,
        exchange: Exchange,
        base: str,
        settings: ClientCredentials,
        key_file: Path,
        moments: Moments,
        *,
        allow_plain_http: bool = False,
    ) -> None:
        self._exchange = exchange
        self._base = base
        self._settings = settings
        self._key_file = key_file
        self._moments = moments
        self._allow_plain_http = allow_plain_http
        self._token: str | None = None
        self._ends_s = 0.0

    async def authorization(self) -> str | TryAgain | None:
        """Return a valid token, requesting a new one if necessary."""
        if self._token is None or self._moments.steady_s() >= self._ends_s:
            trouble = await self._renew()
            if trouble is not None:
                return trouble
        return f"Bearer {self._token}"

    def forget(self) -> None:
        """Discard the token."""
        self._token = None

    async def _renew(self) -> TryAgain | None:
        self._token = None
        url = self._settings.token_url or await self._discovered()
        if isinstance(url, TryAgain):
            return url
        assertion = await asyncio.to_thread(self._assertion, url)
        if isinstance(assertion, TryAgain):
            return assertion
        form = [
            ("grant_type", "client_credentials"),
            ("scope", self._settings.scope),
            ("client_assertion_type", _ASSERTION_TYPE),
            ("client_assertion", assertion),
        ]
        asked_s = self._moments.steady_s()
        answer = await self._exchange.ask(
            "POST", url, form=form, headers={"Accept": "application/json"}
        )
        return answer if isinstance(answer, TryAgain) else self._take(answer, asked_s)

    def _take(self, answer: Answer, asked_s: float) -> TryAgain | None:
        """Store the token of a response (RFC 6749, 5.1), or return why there is none (5.2)."""
        body: Any = answer.body if isinstance(answer.body, dict) else {}
        token, kind = body.get("access_token"), body.get("token_type")
        bearer = isinstance(kind, str) and kind.lower() == "bearer"
        usable = isinstance(token, str) and token.isascii() and token.isprintable() and token
        if answer.status != 200 or not usable or not bearer:  # noqa: PLR2004
            return _no_token(answer)
        life = body.get("expires_in")
        lasts_s = float(life) if isinstance(life, int | float) else _DEFAULT_LIFE_S
        self._token = token
        # A very short lifetime is used by half.
        self._ends_s = asked_s + max(lasts_s - _MARGIN_S, lasts_s / 2)
        return None

    async def _discovered(self) -> str | TryAgain:
        """Return the server's token endpoint (SMART App Launch, 8.1)."""
        answer = await self._exchange.ask(
            "GET",
            f"{self._base}/.well-known/smart-configuration",
            headers={"Accept": "application/json"},
        )
        if isinstance(answer, TryAgain):
            return answer
        found = answer.body.get("token_endpoint") if isinstance(answer.body, dict) else None
        if answer.status != 200 or not isinstance(found, str):  # noqa: PLR2004
            return _no_token(answer)
        safe = is_safe(found, self._base, plain=self._allow_plain_http)
        return found if safe else TryAgain(Reason.TOKEN_NOT_ENCRYPTED)

    def _assertion(self, audience: str) -> str | TryAgain:
        """Sign an assertion (SMART Backend Services, 5.1.4)."""
        now = int(self._moments.unix_s())
        client_id = self._settings.client_id
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": now,
            "exp": now + _ASSERTION_LASTS_S,
            "jti": self._moments.new_id(),
        }
        try:
            key, key_id = read_key(self._key_file, self._settings.algorithm)
            named = self._settings.key_id or key_id
            headers = {"kid": named} if named else {}
            return jwt.encode(claims, key, algorithm=self._settings.algorithm, headers=headers)
        except (OSError, ValueError, TypeError, PyJWTError):
            return TryAgain(Reason.NO_SECRET)


def _no_token(answer: Answer) -> TryAgain:
    """Return why there is no token (RFC 6749, 5.2), without a token that cannot be used."""
    body = answer.body
    if isinstance(body, dict):
        said: JsonValue = {name: body[name] for name in _ERRORS if isinstance(body.get(name), str)}
    else:
        said = answer.text
    return TryAgain(Reason.NO_TOKEN, answer.status, answer={**answer.head, "body": said})


_ERRORS = ("error", "error_description", "error_uri")


def read_key(file: Path, algorithm: str) -> tuple[Any, str | None]:
    """Read a private key, and the `kid` of a JWK.

    Raises `OSError`, `ValueError`, `TypeError` or `PyJWTError`.
    """
    text = file.read_text()
    if text.lstrip().startswith("{"):
        fields = json.loads(text)
        if "d" not in fields:
            raise ValueError("the JWK is a public key; a private key is needed")
        return jwt.PyJWK(fields, algorithm).key, fields.get("kid")
    return jwt.get_algorithm_by_name(algorithm).prepare_key(text), None


def make_auth(
    destination: FhirDestination, folder: Path, exchange: Exchange, moments: Moments
) -> Auth:
    """Return the authorization that a destination's settings ask for; files are in `folder`."""
    match destination.auth:
        case None:
            return Nobody()
        case StaticToken(token_file=file):
            return Bearer(folder / file)
        case ClientCredentials() as settings:
            return ClientAuth(
                exchange,
                destination.url,
                settings,
                folder / settings.key_file,
                moments,
                allow_plain_http=destination.allow_plain_http,
            )
