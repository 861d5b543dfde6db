"""A provider over HTTPS: its discovery document, its keys, and the exchange of a code.

Nothing that a provider sends is logged, and no redirect is followed: codes and the client's secret
go to the addresses of the discovery document only.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote_plus

from schemas.wire.destinations import is_safe
from session_controller.delivery.exchange import Answer, Exchange
from session_controller.delivery.outcomes import Reason, TryAgain
from session_controller.openid.authorization import Pending
from session_controller.openid.refused import Cause, Refused
from session_controller.openid.settings import DISCOVERY, OpenIdSettings
from session_controller.storage.entities import Account

PATIENCE_S = 8.0
"""How long the provider may take for an answer: a person waits."""
MOST_BYTES = 256 * 1024
"""The keys of a large provider are some 20 KiB."""
KEPT_S = 600.0
"""How long the discovery document and the keys are used."""
_SUCCESS = 200
_SERVER_ERROR = 500
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_STATES_ISSUER = "authorization_response_iss_parameter_supported"
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_CLOCK = frozenset({Reason.CERTIFICATE_NOT_YET_VALID})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a provider says about itself (OpenID Connect Discovery, 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    accepts_basic: bool
    """Whether the client's secret goes into the `Authorization` header, or else into the form."""
    states_issuer: bool
    """Whether it names itself when the browser returns (RFC 9207)."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A discovery document, and when the provider sent it."""

    discovery: Discovery
    date: str | None
    """The `Date` of the response."""


class Provider:
    """The configured provider. For use within one event loop."""

    def __init__(
        self,
        settings: OpenIdSettings,
        *,
        unix_s: Callable[[], float],
        steady_s: Callable[[], float],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._settings = settings
        self._unix_s = unix_s
        self._steady_s = steady_s
        self._patience_s = patience_s
        self._exchange = Exchange(settings.ca_file, MOST_BYTES)
        self._discovery: Discovery | None = None
        self._discovered_s = 0.0
        self._keys: Sequence[Mapping[str, Any]] | None = None
        self._keys_of_s = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()

    async def discovery(self) -> Discovery | Refused:
        """Return the discovery document, asked for again after ten minutes."""
        if self._discovery is not None and self._steady_s() - self._discovered_s < KEPT_S:
            return self._discovery
        reached = await self.reach()
        if isinstance(reached, Refused):
            return reached
        self._discovery, self._discovered_s = reached.discovery, self._steady_s()
        return self._discovery

    async def reach(self) -> Reached | Refused:
        """Ask for the discovery document."""
        base = self._settings.issuer.rstrip("/")
        answer = await self._ask("GET", base + DISCOVERY)
        if isinstance(answer, Refused):
            return answer
        found = _discovered(answer.body, self._settings.issuer)
        if isinstance(found, Refused):
            return found
        return Reached(found, answer.headers.get("Date"))

    async def account(self, code: str, pending: Pending, issuer: str | None) -> Account | Refused:
        """Exchange a code, and return whose account it is of.

        `issuer` is who the provider said that it is when the browser returned, if it did.
        """
        discovery = await self.discovery()
        if isinstance(discovery, Refused):
            return discovery
        if issuer != self._settings.issuer and (discovery.states_issuer or issuer is not None):
            return Refused(Cause.INVALID, "issuer of the response")
        token = await self._token(discovery, code, pending)
        return token if isinstance(token, Refused) else await self._owner(discovery, token, pending)

    async def _token(self, discovery: Discovery, code: str, pending: Pending) -> str | Refused:
        """Return the ID token for a code (RFC 6749, 4.1.3; RFC 7636, 4.5)."""
        try:
            secret = await asyncio.to_thread(read_secret, self._settings)
        except (OSError, ValueError):
            return Refused(Cause.MISCONFIGURED, "client secret")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.page,
            "code_verifier": pending.verifier,
        }
        headers = {}
        if secret is not None and discovery.accepts_basic:
            headers["Authorization"] = _basic(self._settings.client_id, secret)
        else:
            form["client_id"] = self._settings.client_id
            form |= {} if secret is None else {"client_secret": secret}
        answer = await self._ask("POST", discovery.token_endpoint, form, headers)
        return answer if isinstance(answer, Refused) else _id_token(answer)

    async def _owner(self, discovery: Discovery, token: str, pending: Pending) -> Account | Refused:
        """Validate an ID token; where its key is unknown, with the provider's new keys."""
        # Imported here, with PyJWT: on the thread of a box that has a provider.
        from session_controller.openid.id_token import (  # noqa: PLC0415
            Expected,
            UnknownKeyError,
            read_id_token,
        )

        elapsed_s = self._steady_s() - pending.begun_s
        expected = Expected(self._settings, pending.nonce, self._unix_s(), elapsed_s)
        for fresh in (False, True):
            keys = await self._current_keys(discovery, fresh=fresh)
            if isinstance(keys, Refused):
                return keys
            try:
                return await asyncio.to_thread(read_id_token, token, keys, expected)
            except UnknownKeyError:
                continue
        return Refused(Cause.INVALID, "key")

    async def _current_keys(
        self, discovery: Discovery, *, fresh: bool
    ) -> Sequence[Mapping[str, Any]] | Refused:
        """Return the provider's keys (RFC 7517, 5), asked for again after ten minutes."""
        old = self._steady_s() - self._keys_of_s >= KEPT_S
        if self._keys is None or old or fresh:
            answer = await self._ask("GET", discovery.jwks_uri)
            if isinstance(answer, Refused):
                return answer
            found = answer.body.get("keys") if isinstance(answer.body, dict) else None
            if answer.status != _SUCCESS or not isinstance(found, list):
                return Refused(Cause.UNREACHABLE, "keys")
            self._keys = [key for key in found if isinstance(key, dict)]
            self._keys_of_s = self._steady_s()
        return self._keys

    async def _ask(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Refused:
        said = {"Accept": "application/json", **(headers or {})}
        pairs = None if form is None else list(form.items())
        asked = self._exchange.ask(method, url, form=pairs, headers=said)
        answer = await _in_time(asked, self._patience_s)
        if answer is None:
            return Refused(Cause.UNREACHABLE, Reason.TIMED_OUT.value)
        if isinstance(answer, TryAgain):
            return _unreached(answer.reason)
        if answer.status >= _SERVER_ERROR:
            return Refused(Cause.UNREACHABLE, f"status {answer.status}")
        return answer


async def _in_time(asked: Awaitable[_T], patience_s: float) -> _T | None:
    try:
        async with asyncio.timeout(patience_s):
            return await asked
    except TimeoutError:
        return None


def _unreached(reason: Reason) -> Refused:
    if reason in _CLOCK:
        return Refused(Cause.CLOCK, reason.value)
    if reason is Reason.NO_SECRET:  # the file with the CA certificates
        return Refused(Cause.MISCONFIGURED, "ca_file")
    detail = "answer" if reason is Reason.NOT_FHIR else reason.value
    return Refused(Cause.UNREACHABLE, detail)


def _discovered(body: object, issuer: str) -> Discovery | Refused:
    """Read a discovery document; its issuer must be the configured one, to the letter (4.3)."""
    if not isinstance(body, dict):
        return Refused(Cause.UNREACHABLE, "discovery")
    if body.get("issuer") != issuer:
        return Refused(Cause.MISCONFIGURED, "issuer")
    named = {name: body.get(name) for name in _ENDPOINTS}
    safe = {n: url for n, url in named.items() if isinstance(url, str) and is_safe(url, issuer)}
    if len(safe) != len(_ENDPOINTS):
        return Refused(Cause.MISCONFIGURED, "endpoints")
    methods = body.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    basic = isinstance(methods, list) and "client_secret_basic" in methods
    states_issuer = body.get(_STATES_ISSUER) is True
    return Discovery(**safe, accepts_basic=basic, states_issuer=states_issuer)


def read_secret(settings: OpenIdSettings) -> str | None:
    """Return the client's secret, or None for a public client. Raises `OSError`, `ValueError`."""
    if settings.secret_file is None:
        return None
    secret = settings.secret_file.read_text("utf-8").strip()
    if not secret or not secret.isprintable():
        raise ValueError("the file does not contain a secret")
    return secret


def _basic(client_id: str, secret: str) -> str:
    """Return the `Authorization` header of a client (RFC 6749, 2.3.1)."""
    both = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {b64encode(both.encode('ascii')).decode('ascii')}"


def _id_token(answer: Answer) -> str | Refused:
    """Return the ID token of a response (RFC 6749, 5.1), or what its error means (5.2)."""
    body: Any = answer.body if isinstance(answer.body, dict) else {}
    token, error = body.get("id_token"), body.get("error")
    if answer.status == _SUCCESS and isinstance(token, str):
        return token
    detail = error if isinstance(error, str) and _ERROR_CODE.fullmatch(error) else "token response"
    cause = Cause.EXPIRED if error == "invalid_grant" else Cause.MISCONFIGURED
    return Refused(cause, detail)
