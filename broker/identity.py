"""Who a connection is: what it showed, and what the host program made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a CONNECT showed (MQTT 3.1.1, 3.1.3). The password never appears in a repr."""

    client_id: str
    username: str | None
    password: bytes | None = field(repr=False)
    address: str
    certificate: Mapping[str, Any] | None = None
    """The verified client certificate as `ssl.SSLSocket.getpeercert` gives it, or None."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the host program says this is. Sessions belong to users."""

    user: str
    role: str
    client_id: str | None = None
    """The only client id that this user may use; None: any that no other user holds."""


Authenticate = Callable[[Credentials], Awaitable[Identity | None]]
"""None refuses. Raising, or taking longer than `Limits.authentication_seconds`, refuses too."""
