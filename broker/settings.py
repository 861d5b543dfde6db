"""Settings of a broker: listeners and limits. Loopback only and bounded by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

SAME_ORIGIN = "same-origin"
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Tls:
    """A listener's certificate. TLS 1.2 is the oldest version accepted."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Authorities whose client certificates are accepted; None: none are requested."""
    client_certificate: Literal["optional", "required"] = "required"
    trust_page: str | None = None
    """A page that explains how to trust the certificate; the log names it for clients that do not.
    """


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on; loopback by default."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 selects a free port; see `Broker.addresses`."""
    kind: Literal["mqtt", "http", "redirect"] = "mqtt"
    """mqtt: MQTT over TCP or TLS. http: web pages, and MQTT over WebSocket at `/mqtt`. redirect:
    plain HTTP that refers to the https address of the `http` listener.
    """
    tls: Tls | None = None
    origins: tuple[str, ...] = (SAME_ORIGIN,)
    """Pages whose scripts may open the WebSocket (`https://host:port`, `same-origin` or `*`).

    A program that sends no Origin is not a page; it may connect and present its credentials.
    """
    served: frozenset[str] = frozenset()
    """Paths that a redirect listener serves itself."""
    hosts: Callable[[str], bool] | None = None
    """Whether a name in `Host` is one of this server; None: each is.

    A page of another site whose name was made to resolve to this server (DNS rebinding) has none.
    An IP address is never a name.
    """
    proxies: tuple[Network, ...] = ()
    """Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of the broker. docs/reference/limits.md says what happens at each.

    Sizes are in bytes, times in seconds.
    """

    packet_bytes: int = 1 << 20
    """One whole packet. A larger one is refused at its header, before any of it is stored."""
    connect_bytes: int = 8 << 10
    """A CONNECT; it bounds the memory that an unauthenticated client can use."""
    connect_seconds: float = 10.0
    """From accept to a complete CONNECT; a tablet on bad WLAN needs one or two."""
    authentication_seconds: float = 10.0
    """For the credential check, including scrypt on a busy small box."""
    connections: int = 10_000
    """Total; well below the usual limit on file descriptors of a service."""
    connections_per_address: int = 4_000
    """Fits a large clinic behind one NAT address or proxy, with room for others."""
    failures_per_address: int = 100
    """Failed authentications within `failure_seconds`, after which the address is blocked.

    One tablet that retries a wrong password every second must not block its neighbours.
    """
    failure_seconds: float = 60.0
    """Short, so that a blocked clinic can connect again after a minute."""
    sessions: int = 20_000
    """Connected and stored. The next new session is refused with return code 3."""
    session_expiry_seconds: float = 7 * 86_400.0
    """A stored session is deleted after its client was absent for longer."""
    queue_messages: int = 1_000
    """QoS 1 and 2 messages queued for one session, besides those in flight."""
    queue_bytes: int = 8 << 20
    """The same, in bytes of payload and topic."""
    inflight: int = 128
    """Unacknowledged QoS 1 and 2 messages sent to one client: hides the round trip of a LAN."""
    output_bytes: int = 1 << 20
    """Unread output of a connection; beyond it QoS 0 is dropped and QoS 1 and 2 are queued."""
    stalled_seconds: float = 60.0
    """A client that reads none of its unread output for so long is disconnected."""
    deferred: int = 256
    """Inbound messages whose PUBACK the host program defers; beyond it, reading is paused."""
    unreleased: int = 4_096
    """Inbound QoS 2 messages of one session without their PUBREL."""
    subscriptions: int = 256
    """Per session: a screen has a handful, a gateway some dozens."""
    retained_messages: int = 20_000
    """Far more than the open sessions and devices of a clinic."""
    retained_bytes: int = 64 << 20
    """Topic and payload of all of them; fits the memory of a small box."""
    topic_levels: int = 32
    """Levels of a topic or filter; bounds the depth of the tries."""
    client_id_bytes: int = 256
    """At least 23 by the standard (3.1.3-5); users name devices by UUIDs and paths."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Settings of `Broker`, except credentials and rules."""

    listeners: Mapping[str, Listener] = field(default_factory=lambda: {"mqtt": Listener()})
    limits: Limits = field(default_factory=Limits)
    sys_seconds: float = 10.0
    """Interval at which `$SYS/…` is published; 0 disables it."""
    stop_seconds: float = 5.0
    """Longest time that a graceful stop waits for messages in flight."""
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """amqtt plugins by dotted path, with their options. They can refuse, never allow."""
