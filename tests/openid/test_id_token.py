"""Which ID tokens are accepted, and why others are refused."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from session_controller.openid.id_token import (
    LEEWAY_S,
    Expected,
    UnknownKeyError,
    read_id_token,
)
from session_controller.openid.refused import Cause, Refused
from session_controller.openid.settings import OpenIdSettings
from session_controller.storage.entities import Account

from .provider import jwk_of, new_key

ISSUER, CLIENT, NONCE, SUBJECT = "https://login.example/staff", "box", "n-0S6_WzA2Mj", "abc-123"
NOW = 2_000_000_000
KEY, OTHER = new_key(), new_key()
KEYS = [jwk_of(KEY, "k1")]
SETTINGS = OpenIdSettings(ISSUER, CLIENT)
EXPECTED = Expected(SETTINGS, NONCE, float(NOW), elapsed_s=40.0)


def claims(**changes: Any) -> dict[str, Any]:
    """Return the right claims, with changes; None leaves one out."""
    right = {
        "iss": ISSUER,
        "aud": CLIENT,
        "sub": SUBJECT,
        "iat": NOW,
        "exp": NOW + 300,
        "auth_time": NOW - 5,
        "nonce": NONCE,
    }
    return {name: value for name, value in {**right, **changes}.items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "RS256", key_id: str = "k1", **changes: Any) -> str:
    """Return a token."""
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": key_id})


def by_hand(header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """Return a token that no library would make."""
    parts = (json.dumps(each).encode() for each in (header, claims()))
    both = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    return f"{both}.{urlsafe_b64encode(sign(both.encode())).decode().rstrip('=')}"


def test_a_right_token_says_whose_it_is() -> None:
    """By issuer, claim and value."""
    assert read_id_token(signed(), KEYS, EXPECTED) == Account(ISSUER, "sub", SUBJECT)


def test_a_signature_of_an_elliptic_curve_is_accepted() -> None:
    """Not all providers use RSA."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    token = signed(key, "ES256")
    assert isinstance(read_id_token(token, [{**public, "kid": "k1"}], EXPECTED), Account)


@pytest.mark.parametrize(
    ("changes", "cause", "detail"),
    [
        ({"nonce": "another"}, Cause.INVALID, "nonce"),
        ({"nonce": "Ünïcode"}, Cause.INVALID, "nonce"),
        ({"nonce": None}, Cause.INVALID, "no nonce"),
        ({"aud": "another"}, Cause.INVALID, "audience"),
        ({"aud": [CLIENT, "another"]}, Cause.INVALID, "authorized party"),
        ({"azp": "another"}, Cause.INVALID, "authorized party"),
        ({"iss": "https://login.example/staff/"}, Cause.INVALID, "issuer"),
        ({"iss": "https://evil.example"}, Cause.INVALID, "issuer"),
        ({"sub": None}, Cause.INVALID, "no sub"),
        ({"exp": None}, Cause.INVALID, "no exp"),
        ({"iat": None}, Cause.INVALID, "no iat"),
        ({"exp": "soon"}, Cause.INVALID, "times"),
        ({"exp": NOW - LEEWAY_S}, Cause.CLOCK, "the token has expired"),
        ({"iat": NOW + LEEWAY_S + 1}, Cause.CLOCK, "the token is of the future"),
        ({"nbf": NOW + LEEWAY_S + 1}, Cause.CLOCK, "the token is of the future"),
        ({"auth_time": None}, Cause.NOT_FRESH, "no auth_time"),
        ({"auth_time": True}, Cause.NOT_FRESH, "no auth_time"),
        ({"auth_time": NOW - 43}, Cause.NOT_FRESH, "auth_time"),
        ({"sub": "x" * 256}, Cause.UNVERIFIED, "no sub"),
        ({"sub": "a\nb"}, Cause.UNVERIFIED, "sub"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    changes: dict[str, Any], cause: Cause, detail: str
) -> None:
    """Each with its cause, and with what exactly is wrong."""
    assert read_id_token(signed(**changes), KEYS, EXPECTED) == Refused(cause, detail)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - LEEWAY_S + 1},
        {"iat": NOW + LEEWAY_S, "auth_time": NOW + LEEWAY_S},
        {"auth_time": NOW - 42},
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
    ],
)
def test_a_token_at_the_limits_is_accepted(changes: dict[str, Any]) -> None:
    """Clocks differ a little, and times are whole seconds."""
    assert isinstance(read_id_token(signed(**changes), KEYS, EXPECTED), Account)


def test_the_age_of_the_password_does_not_depend_on_the_box_clock() -> None:
    """It is the difference of two times of the provider."""
    early = NOW - 100
    token = signed(iat=early, auth_time=early - 30)
    assert isinstance(read_id_token(token, KEYS, EXPECTED), Account)
    token = signed(iat=early, auth_time=early - 60)
    assert read_id_token(token, KEYS, EXPECTED) == Refused(Cause.NOT_FRESH, "auth_time")


def test_where_the_site_chose_so_the_password_may_be_old() -> None:
    """Some providers never say when they asked for it."""
    lax = replace(EXPECTED, settings=replace(SETTINGS, reauthenticate=False))
    assert isinstance(read_id_token(signed(auth_time=None), KEYS, lax), Account)


def test_a_token_without_a_signature_is_refused() -> None:
    """`alg: none`, in any spelling."""
    for name in ("none", "None", "NONE"):
        token = by_hand({"alg": name, "kid": "k1"}, lambda _: b"")
        assert read_id_token(token, KEYS, EXPECTED) == Refused(Cause.INVALID, "algorithm")


def test_a_token_that_is_keyed_with_the_public_key_is_refused() -> None:
    """Everybody knows that key: with HMAC, everybody could sign."""
    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    token = by_hand({"alg": "HS256", "kid": "k1"}, lambda text: hmac.digest(pem, text, "sha256"))
    for keys in (KEYS, [{"kty": "oct", "k": "AAAA", "kid": "k1"}]):
        assert read_id_token(token, keys, EXPECTED) == Refused(Cause.INVALID, "algorithm")


def test_a_token_with_the_signature_of_another_key_is_refused() -> None:
    """Though it names the right one."""
    assert read_id_token(signed(OTHER), KEYS, EXPECTED) == Refused(Cause.INVALID, "signature")


def test_a_token_that_names_no_key_is_tried_with_each() -> None:
    """The header need not name it (OpenID Connect Core, 10.1)."""
    token = jwt.encode(claims(), KEY, "RS256")
    both = [jwk_of(OTHER, "k0"), *KEYS]
    assert isinstance(read_id_token(token, both, EXPECTED), Account)
    assert read_id_token(token, both[:1], EXPECTED) == Refused(Cause.INVALID, "signature")


@pytest.mark.parametrize("change", [{"kid": "k2"}, {"use": "enc"}, {"alg": "RS512"}])
def test_a_key_that_may_not_have_signed_is_not_tried(change: dict[str, str]) -> None:
    """The provider may have a new one."""
    with pytest.raises(UnknownKeyError):
        read_id_token(signed(), [{**KEYS[0], **change}], EXPECTED)


@pytest.mark.parametrize("token", ["", "a.b.c", "{}", "Ünï.cö.de"])
def test_what_is_no_token_is_refused(token: str) -> None:
    """It is never an error."""
    assert read_id_token(token, KEYS, EXPECTED) == Refused(Cause.INVALID, "token")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"email": "Ana@Clinic.example", "email_verified": True}, "ana@clinic.example"),
        ({"email": "ana@\u212aliniK.example", "email_verified": True}, "ana@\u212aliniK.example"),
        ({"email": "ana@clinic.example", "email_verified": False}, None),
        ({"email": "ana@clinic.example", "email_verified": "true"}, None),
        ({"email": "ana@clinic.example"}, None),
        ({"email_verified": True}, None),
    ],
)
def test_an_address_counts_only_if_it_is_verified(
    changes: dict[str, Any], found: str | None
) -> None:
    """Its case does not count, for ASCII; letters that only look alike are others."""
    email = replace(EXPECTED, settings=replace(SETTINGS, claim="email"))
    outcome = read_id_token(signed(**changes), KEYS, email)
    if found is None:
        assert isinstance(outcome, Refused)
        assert outcome.cause is Cause.UNVERIFIED
    else:
        assert outcome == Account(ISSUER, "email", found)
