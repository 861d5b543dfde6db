"""The authorization request: where the browser goes, and what must come back from there."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlencode, urlsplit

from session_controller.openid.settings import OpenIdSettings

LASTS_S = 300.0
"""How long a person may take at the provider."""
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that was begun at one screen; kept in memory only, and used once."""

    page: str
    begun_s: float
    """By the clock that does not jump."""
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def begin(cls, page: str, steady_s: float) -> "Pending":
        """Begin a sign-in with fresh random values."""
        state, nonce, verifier = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
        return cls(page, steady_s, state, nonce, verifier)

    def is_of(self, state: str, steady_s: float) -> bool:
        """Return whether an answer belongs to it, and came in time."""
        in_time = steady_s - self.begun_s < LASTS_S
        return in_time and hmac.compare_digest(self.state.encode(), state.encode())

    @property
    def challenge(self) -> str:
        """The code challenge of the verifier (RFC 7636, 4.2, S256)."""
        digest = sha256(self.verifier.encode("ascii")).digest()
        return urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def authorization_url(endpoint: str, settings: OpenIdSettings, pending: Pending) -> str:
    """Return the URL that the browser opens (OpenID Connect Core, 3.1.2.1).

    `max_age` obliges the provider to say when it asked for the password. It is not 0: some
    providers ask then without end.
    """
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": pending.page,
        "scope": " ".join(settings.scopes),
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": pending.challenge,
        "code_challenge_method": "S256",
        "prompt": "login" if settings.reauthenticate else "select_account",
    }
    if settings.reauthenticate:
        query["max_age"] = str(int(LASTS_S))
    joint = "&" if urlsplit(endpoint).query else "?"
    return f"{endpoint}{joint}{urlencode(query)}"
