"""What a broker is told at its start: listeners and limits, closed and bounded by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SAME_ORIGIN = "same-origin"


@dataclass(frozen=True, slots=True)
class Tls:
    """A listener's certificate. TLS 1.2 is the oldest version spoken."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Certificate authorities whose client certificates are accepted; None asks for none."""
    client_certificate: Literal["optional", "required"] = "required"


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on. Loopback, unless asked otherwise."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port; `Broker.addresses` says which."""
    kind: Literal["mqtt", "http"] = "mqtt"
    """mqtt: MQTT on a bare stream. http: web pages, and MQTT over WebSocket at `/mqtt`."""
    tls: Tls | None = None
    origins: tuple[str, ...] = (SAME_ORIGIN,)
    """Pages whose scripts may open the WebSocket (`https://host:port`, `same-origin` or `*`).

    A program that sends no Origin is not a page, and is let in to show its credentials.
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the broker. What happens at each is in docs/broker.md.

    Sizes are bytes, times seconds.
    """

    packet_bytes: int = 1 << 20
    """One packet whole. A larger one is refused at its header, before any of it is kept."""
    connect_bytes: int = 8 << 10
    """A CONNECT: nobody is known yet, so strangers get no more memory than this."""
    connect_seconds: float = 10.0
    """From accept to a whole CONNECT; a tablet on bad WLAN needs one or two."""
    authentication_seconds: float = 10.0
    """For the credential check, scrypt on a busy small box included."""
    connections: int = 10_000
    """All of them; well below the file descriptors a service usually gets."""
    connections_per_address: int = 4_000
    """A large clinic behind one NAT address or proxy fits, and others find room beside it."""
    failures_per_address: int = 100
    """Failed authentications within `failure_seconds`; then the address waits.

    One tablet with a wrong password that tries every second must not shut out its neighbours.
    """
    failure_seconds: float = 60.0
    """Short: a clinic that was shut out is in again after a minute."""
    sessions: int = 20_000
    """Connected and kept ones. The next new session is refused with code 3."""
    session_expiry_seconds: float = 7 * 86_400.0
    """A kept session whose client stays away longer is forgotten."""
    queue_messages: int = 1_000
    """QoS 1 and 2 messages that wait for one session beyond those in flight."""
    queue_bytes: int = 8 << 20
    """The same in bytes of payload and topic."""
    inflight: int = 128
    """Unacknowledged QoS 1 and 2 messages sent to one client: hides the round trip of a LAN."""
    output_bytes: int = 1 << 20
    """Unread output of a connection, beyond which QoS 0 is dropped and QoS 1 and 2 wait."""
    stalled_seconds: float = 60.0
    """A client with unread output that reads nothing at all for so long is disconnected."""
    deferred: int = 256
    """Inbound messages whose PUBACK the host program holds; then the connection is not read."""
    unreleased: int = 4_096
    """Inbound QoS 2 messages of one session that wait for their PUBREL."""
    subscriptions: int = 256
    """Of one session: a screen has a handful, a gateway some dozens."""
    retained_messages: int = 20_000
    """Far more than a clinic has open sessions and devices."""
    retained_bytes: int = 64 << 20
    """What they may take of a small box's memory."""
    topic_levels: int = 32
    """Levels of a topic or filter; bounds the walk through the tries."""
    client_id_bytes: int = 256
    """The standard asks for 23 at least (3.1.3-5); users name devices by UUIDs and paths."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """All that `Broker` needs beside credentials and rules."""

    listeners: Mapping[str, Listener] = field(default_factory=lambda: {"mqtt": Listener()})
    limits: Limits = field(default_factory=Limits)
    sys_seconds: float = 10.0
    """How often `$SYS/…` is published; 0 never."""
    stop_seconds: float = 5.0
    """What a graceful stop may take to hand out what is in flight."""
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """amqtt plugins by dotted path, with their options. They can refuse, never allow."""
