"""The keys of one database: unwrapped when they are first needed, kept while their session lives.

Names: `session:{id}` seals a session, `codes` makes pairing codes, `log` signs the log.
"""

from collections.abc import Callable

from session_controller.sealing import BoxKeys, Sealer, new_key

CODES = "codes"
LOG = "log"


class KeyGoneError(LookupError):
    """A session has no key: it was purged, and nothing of it can be read any more."""


def session_key(session: str) -> str:
    """Name a session's key."""
    return f"session:{session}"


class Keychain:
    """Unwraps keys that `fetch` finds by their names."""

    def __init__(self, box: BoxKeys, fetch: Callable[[str], bytes | None]) -> None:
        self.box = box
        self._fetch = fetch
        self._sealers: dict[str, Sealer] = {}

    def key(self, name: str) -> bytes | None:
        """Unwrap a key. Raises `SealBrokenError`, `BoxKeyError`."""
        wrapped = self._fetch(name)
        return None if wrapped is None else self.box.unwrap(wrapped, name)

    def sealer(self, session: str) -> Sealer:
        """Give what seals and opens a session. Raises `KeyGoneError`."""
        found = self._sealers.get(session)
        if found is None:
            key = self.key(session_key(session))
            if key is None:
                raise KeyGoneError(f"{session} has no key")
            found = self._sealers[session] = Sealer(key)
        return found

    def knows(self, session: str) -> bool:
        """Tell whether a session has a key."""
        return session in self._sealers or self._fetch(session_key(session)) is not None

    def make(self, session: str) -> tuple[str, bytes]:
        """Make a session's key; gives its name and the key wrapped, to be stored."""
        key, name = new_key(), session_key(session)
        self._sealers[session] = Sealer(key)
        return name, self.box.wrap(key, name)

    def forget(self, session: str) -> None:
        """Let go of a key that is not stored, or needed no more for now."""
        self._sealers.pop(session, None)
