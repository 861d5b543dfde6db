"""Links with which patients take a copy of their record along; in memory only, each for one use."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import timedelta

LASTS = timedelta(minutes=10)
"""How long a link works. The pages say it too (`clients/web/src/copy-words.ts`)."""
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class CopyLink:
    """A link that was not used yet."""

    token_hash: str
    session: str
    device: str
    """The patient's screen that created it."""
    language: str | None
    """The language that the patient chose."""
    until_s: float
    """By the clock that does not jump."""


def hash_of(token: str) -> str:
    """Return the SHA-256 of a token, by which its link is known."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(slots=True)
class CopyLinks:
    """The links that were not used yet, at most one of each session."""

    _links: dict[str, CopyLink] = field(default_factory=dict, repr=False)
    """By session."""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def token(self, device: str, session: str, request_id: str) -> str:
        """Return the token of the link that a request creates: 128 bits that nobody can guess.

        It follows from the request and from a key of this start: a request that arrives twice gets
        the same link, and no token is kept.
        """
        asked = f"{device}\n{session}\n{request_id}".encode()
        digest = hmac.digest(self._key, asked, "sha256")[:_TOKEN_BYTES]
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def put(self, link: CopyLink) -> None:
        """Keep a link, in the place of the session's earlier one."""
        self._links[link.session] = link

    def take(self, token: str, now_s: float) -> CopyLink | None:
        """Return the link of a token, which works no more from now on; None if it does not work."""
        wanted = hash_of(token)
        for link in self._links.values():
            if hmac.compare_digest(link.token_hash, wanted):
                del self._links[link.session]
                return link if now_s < link.until_s else None
        return None

    def put_back(self, link: CopyLink) -> None:
        """Keep a link again whose copy could not be made, unless the session has another one."""
        self._links.setdefault(link.session, link)

    def forget(self, session: str) -> None:
        """Delete the link of a session that was purged."""
        self._links.pop(session, None)

    def expire(self, now_s: float) -> None:
        """Delete links that have expired."""
        for link in list(self._links.values()):
            if now_s >= link.until_s:
                del self._links[link.session]
