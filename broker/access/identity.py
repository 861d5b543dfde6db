"""Credentials of a CONNECT, and the identity that the host program assigns to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a CONNECT (MQTT 3.1.1, 3.1.3). The repr omits the password."""

    client_id: str
    username: str | None
    password: bytes | None = field(repr=False)
    address: str
    certificate: Mapping[str, Any] | None = None
    """The verified client certificate as `ssl.SSLSocket.getpeercert` returns it, or None."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated user and its role. Sessions belong to users."""

    user: str
    role: str
    client_id: str | None = None
    """The only client id that this user may use; None: any that no other user has."""


Authenticate = Callable[[Credentials], Awaitable[Identity | None]]
"""Return None to refuse. An exception or a timeout (`authentication_seconds`) refuses as well."""
