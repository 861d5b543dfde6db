"""The keys of one database: unwrapped on first use, and cached while their session is live.

Names: `session:{id}` encrypts a session, `codes` derives pairing codes and the key
of staff, `log` signs the audit log.
"""

import base64
import hmac
from collections import OrderedDict
from collections.abc import Callable

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from session_controller.security.encryption import KEY_BYTES, BoxKeys, Cipher, new_key

CODES = "codes"
LOG = "log"
_RECENT = 64
"""Ciphers of ended sessions in the cache, 2.6 kB each."""


class KeyGoneError(LookupError):
    """A session has no key: it was purged, and its content cannot be decrypted any more."""


def session_key(session: str) -> str:
    """Return the name of a session's key."""
    return f"session:{session}"


class SessionKeys:
    """Unwraps the keys that `fetch` returns by name."""

    def __init__(self, box: BoxKeys, fetch: Callable[[str], bytes | None]) -> None:
        self.box = box
        self._fetch = fetch
        self._ciphers: OrderedDict[str, Cipher] = OrderedDict()
        self._live: set[str] = set()
        """Sessions whose cipher stays in the cache; of the others, the last ones do."""
        self._screens: dict[str, bytes] = {}
        """For each of these sessions, what the keys of its screens are derived from."""

    def key(self, name: str) -> bytes | None:
        """Unwrap a key. Raises `DecryptionError`, `BoxKeyError`."""
        wrapped = self._fetch(name)
        return None if wrapped is None else self.box.unwrap(wrapped, name)

    def cipher(self, session: str) -> Cipher:
        """Return the cipher of a session. Raises `KeyGoneError`."""
        found = self._ciphers.get(session)
        if found is None:
            key = self.key(session_key(session))
            if key is None:
                raise KeyGoneError(f"{session} has no key")
            found = self._take(session, key)
        return found

    def keep(self, session: str) -> None:
        """Keep a live session's cipher in the cache until `forget`. Raises `KeyGoneError`."""
        self._live.add(session)
        self.cipher(session)

    def uncached(self, session: str) -> Cipher:
        """Return the cipher of a session, without caching it: for a pass over many sessions.

        Raises `KeyGoneError`, `DecryptionError`, `BoxKeyError`.
        """
        key = self.key(session_key(session))
        if key is None:
            raise KeyGoneError(f"{session} has no key")
        return Cipher(key)

    def _take(self, session: str, key: bytes) -> Cipher:
        self._screens[session] = _screens_of(key)
        cipher = self._ciphers[session] = Cipher(key)
        if len(self._ciphers) > len(self._live) + _RECENT:
            self._drop(next(name for name in self._ciphers if name not in self._live))
        return cipher

    def screen_key(self, session: str, device: str) -> str | None:
        """Return the key with which a screen encrypts what it stores: 256 bits, base64url.

        It is derived from the session's key and gone with it, so what a screen left on its disk
        cannot be read after a purge. None if the session's key is not in the cache.
        """
        root = self._screens.get(session)
        if root is None:
            return None
        key = hmac.digest(root, device.encode(), "sha256")
        return base64.urlsafe_b64encode(key).rstrip(b"=").decode()

    def knows(self, session: str) -> bool:
        """Return whether a session has a key."""
        return session in self._ciphers or self._fetch(session_key(session)) is not None

    def make(self, session: str) -> tuple[str, bytes]:
        """Create a session's key; return its name and the wrapped key, to be stored."""
        key, name = new_key(), session_key(session)
        self._live.add(session)
        self._take(session, key)
        return name, self.box.wrap(key, name)

    def forget(self, session: str) -> None:
        """Remove a key from the cache: it was not stored, or its session is not live any more."""
        self._live.discard(session)
        self._drop(session)

    def _drop(self, session: str) -> None:
        self._ciphers.pop(session, None)
        self._screens.pop(session, None)


def staff_key(codes: bytes) -> bytes:
    """Derive what keys the hashes of PINs, and encrypts reasons of emergency access (HKDF)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"handrail staff").derive(codes)


def _screens_of(key: bytes) -> bytes:
    """Derive the root of the screens' keys from a session's key (HKDF, RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"handrail screen storage").derive(key)
