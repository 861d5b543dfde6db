"""Where a box is: `mqtt://host:port`, `mqtts://…`, `ws://host:port/mqtt`, `wss://…`."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's address, read."""

    host: str
    port: int
    transport: Literal["tcp", "websockets"] = "tcp"
    tls: bool = False
    path: str = "/mqtt"

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read a URL; raises ValueError with what is wrong with it."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS:
            known = ", ".join(_DEFAULT_PORTS)
            raise ValueError(f"a box's URL begins with one of {known} and ://")
        if not parts.hostname:
            raise ValueError("the URL names no host")
        if parts.username or parts.password:
            raise ValueError("the URL must hold no user and no password: a Credential does")
        return cls(
            host=parts.hostname,
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
            transport="websockets" if parts.scheme.startswith("ws") else "tcp",
            tls=parts.scheme.endswith("s") and parts.scheme != "ws",
            path=parts.path or "/mqtt",
        )
