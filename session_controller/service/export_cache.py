"""In-memory cache of exports, per device, 10-minute lifetime."""

import secrets
from dataclasses import dataclass, field

from schemas.wire.seals import Seal

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
class ExportCache:
    """Exports that their readers have not taken yet, by their ids."""

    _exports: dict[str, tuple[str, float, Export]] = field(default_factory=dict)

    def put(self, device: str, export: Export, now_s: float) -> str:
        """Keep an export for a device; gives its id."""
        self._drop(now_s, len(export.data))
        name = f"export-{secrets.token_hex(6)}"
        self._exports[name] = (device, now_s, export)
        return name

    def get(self, device: str, name: str, now_s: float) -> Export | None:
        """Return an export that was made for this device, or None if absent or expired."""
        found = self._exports.get(name)
        if found is None or found[0] != device or now_s - found[1] > KEPT_S:
            return None
        return found[2]

    def forget(self, session: str) -> None:
        """Delete the exports of a session that was purged."""
        for name, (_, _s, export) in list(self._exports.items()):
            if export.seal.session == session:
                del self._exports[name]

    def expire(self, now_s: float) -> None:
        """Delete exports that have expired."""
        self._drop(now_s, 0)

    def _drop(self, now_s: float, more: int) -> None:
        for name, (_, since_s, _e) in list(self._exports.items()):
            if now_s - since_s > KEPT_S:
                del self._exports[name]
        while self._exports and self.bytes + more > KEPT_BYTES:
            del self._exports[next(iter(self._exports))]

    @property
    def bytes(self) -> int:
        """What all exports together take."""
        return sum(len(export.data) for _, _, export in self._exports.values())
