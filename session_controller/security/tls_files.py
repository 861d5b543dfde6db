"""Which files a box uses for TLS."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The embedded broker's certificate and key, and the CAs of accepted clients, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    own: bool = False
    """Whether the box made them, and renews them."""
