"""Exports that wait for their readers: in memory alone, for minutes, each for whom it was made."""

import secrets
from dataclasses import dataclass, field

from schemas.seals import Seal

KEPT_S = 600.0
"""How long an export waits for its reader."""
KEPT_BYTES = 256 << 20
"""What all exports together may take; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is ready."""

    data: bytes
    seal: Seal


@dataclass(slots=True)
class Kept:
    """Exports that their readers have not taken yet, by their ids."""

    _exports: dict[str, tuple[str, float, Export]] = field(default_factory=dict)

    def put(self, device: str, export: Export, now_s: float) -> str:
        """Keep an export for a device; gives its id."""
        self._drop(now_s, len(export.data))
        name = f"export-{secrets.token_hex(6)}"
        self._exports[name] = (device, now_s, export)
        return name

    def get(self, device: str, name: str, now_s: float) -> Export | None:
        """Give an export to whom it was made for."""
        self._drop(now_s, 0)
        found = self._exports.get(name)
        return found[2] if found and found[0] == device else None

    def forget(self, session: str) -> None:
        """Let go of a session's exports: it was purged."""
        for name, (_, _s, export) in list(self._exports.items()):
            if export.seal.session == session:
                del self._exports[name]

    def expire(self, now_s: float) -> None:
        """Let go of what nobody came for."""
        self._drop(now_s, 0)

    def _drop(self, now_s: float, more: int) -> None:
        for name, (_, since_s, _e) in list(self._exports.items()):
            if now_s - since_s > KEPT_S:
                del self._exports[name]
        while self._exports and self._bytes() + more > KEPT_BYTES:
            del self._exports[next(iter(self._exports))]

    def _bytes(self) -> int:
        return sum(len(export.data) for _, _, export in self._exports.values())
