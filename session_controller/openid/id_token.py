"""Validation of an ID token (OpenID Connect Core, 3.1.3.7). Time and keys are arguments."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.exceptions import (
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from session_controller.openid.account import account_of
from session_controller.openid.refused import Cause, Refused
from session_controller.openid.settings import (
    EMAIL,
    LONGEST_ACCOUNT,
    OpenIdSettings,
)
from session_controller.storage.entities import Account

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"})
"""Signatures with a public key only: not `none`, and no HMAC, for which a public key would do."""
LEEWAY_S = 120.0
"""How far the clocks of box and provider may differ."""
_ROUNDING_S = 2.0
"""`iat` and `auth_time` are whole seconds."""
_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]
_LATEST_S = 1e12
"""Far beyond any time; what is larger is no time."""
_DETAILS: Mapping[type[Exception], str] = {
    InvalidAudienceError: "audience",
    InvalidIssuerError: "issuer",
    InvalidSignatureError: "signature",
}

Jwk = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say."""

    settings: OpenIdSettings
    nonce: str = field(repr=False)
    now_s: float
    """Seconds since 1970, by the box's clock."""
    elapsed_s: float
    """How long ago the sign-in was begun."""


class UnknownKeyError(Exception):
    """None of the keys may have signed the token: the provider may have new ones."""


def read_id_token(token: str, keys: Sequence[Jwk], expected: Expected) -> Account | Refused:
    """Return whose token it is, or why it is refused. Raises `UnknownKeyError`."""
    try:
        claims = _verified(token, keys, expected.settings)
    except MissingRequiredClaimError as error:
        return _invalid(f"no {error.claim}")
    except (PyJWTError, ValueError, TypeError) as error:
        return _invalid(_DETAILS.get(type(error), "token"))
    if isinstance(claims, Refused):
        return claims
    return _refusal(claims, expected) or _account(claims, expected.settings)


def _invalid(detail: str) -> Refused:
    return Refused(Cause.INVALID, detail)


def _verified(
    token: str, keys: Sequence[Jwk], settings: OpenIdSettings
) -> Mapping[str, Any] | Refused:
    """Return the claims of a token with a valid signature, issuer and audience."""
    header = jwt.get_unverified_header(token)
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        return _invalid("algorithm")
    fitting = [key for key in keys if _may_sign(key, algorithm, key_id)]
    if not fitting:
        raise UnknownKeyError
    error: PyJWTError = InvalidSignatureError()
    for key in fitting:  # more than one only if the token does not name its key
        try:
            return _decoded(token, key, algorithm, settings)
        except InvalidSignatureError as invalid:
            error = invalid
    raise error


def _may_sign(key: Jwk, algorithm: str, key_id: object) -> bool:
    named = key_id is None or key.get("kid") == key_id
    return named and key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm


def _decoded(token: str, key: Jwk, algorithm: str, settings: OpenIdSettings) -> Mapping[str, Any]:
    """Decode with one key; times are checked by the box's own clock."""
    decoded: Mapping[str, Any] = jwt.decode(
        token,
        jwt.PyJWK(dict(key), algorithm).key,
        algorithms=[algorithm],
        audience=settings.client_id,
        issuer=settings.issuer,
        options={
            "require": _REQUIRED,
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    return decoded


def _refusal(claims: Mapping[str, Any], expected: Expected) -> Refused | None:
    """Return why a token with a valid signature is refused, or None."""
    nonce, client = claims["nonce"], expected.settings.client_id
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), expected.nonce.encode()
    ):
        return _invalid("nonce")
    audiences = claims["aud"]
    several = isinstance(audiences, list) and len(audiences) > 1
    if claims.get("azp", None if several else client) != client:
        return _invalid("authorized party")
    return _wrong_time(claims, expected)


def _wrong_time(claims: Mapping[str, Any], expected: Expected) -> Refused | None:
    """Return that the token is not of now, or the password was not asked for since the beginning.

    The age of the password is a difference of two times of the provider: its clock may be wrong.
    """
    issued, ends = _seconds(claims["iat"]), _seconds(claims["exp"])
    begins = _seconds(claims.get("nbf", claims["iat"]))
    if issued is None or ends is None or begins is None:
        return _invalid("times")
    if ends <= expected.now_s - LEEWAY_S:
        return Refused(Cause.CLOCK, "the token has expired")
    if max(issued, begins) > expected.now_s + LEEWAY_S:
        return Refused(Cause.CLOCK, "the token is of the future")
    if not expected.settings.reauthenticate:
        return None
    asked = _seconds(claims.get("auth_time"))
    if asked is None:
        return Refused(Cause.NOT_FRESH, "no auth_time")
    fresh = issued - asked <= expected.elapsed_s + _ROUNDING_S
    return None if fresh else Refused(Cause.NOT_FRESH, "auth_time")


def _seconds(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < _LATEST_S else None


def _account(claims: Mapping[str, Any], settings: OpenIdSettings) -> Account | Refused:
    value = claims.get(settings.claim)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ACCOUNT:
        return Refused(Cause.UNVERIFIED, f"no {settings.claim}")
    if not value.isprintable():
        return Refused(Cause.UNVERIFIED, settings.claim)
    if settings.claim == EMAIL and claims.get("email_verified") is not True:
        return Refused(Cause.UNVERIFIED, "email_verified")
    return account_of(settings, value)
