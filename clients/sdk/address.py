"""The address of a box: `mqtt://host:port`, `mqtts://…`, `ws://host:port/mqtt`, `wss://…`."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed broker address."""

    host: str
    port: int
    transport: Literal["tcp", "websockets"] = "tcp"
    tls: bool = False
    path: str = "/mqtt"

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse a URL. Raises ValueError with the reason if it is not valid."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS:
            known = ", ".join(_DEFAULT_PORTS)
            raise ValueError(f"the URL must begin with one of {known}, followed by ://")
        if not parts.hostname:
            raise ValueError("the URL has no host")
        if parts.username or parts.password:
            raise ValueError("the URL must not contain a user or password; pass a Credential")
        return cls(
            host=parts.hostname,
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
            transport="websockets" if parts.scheme.startswith("ws") else "tcp",
            tls=parts.scheme.endswith("s") and parts.scheme != "ws",
            path=parts.path or "/mqtt",
        )
