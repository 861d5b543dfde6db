"""Why connections end: reasons and protocol violations."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a connection ended or a CONNECT was refused. A closed set, with a counter each."""

    DISCONNECT = "disconnect"
    """The client sent DISCONNECT (3.14); its will is not published."""
    CONNECTION_LOST = "connection_lost"
    KEEPALIVE = "keepalive"
    PROTOCOL_ERROR = "protocol_error"
    TOO_LARGE = "too_large"
    TAKEN_OVER = "taken_over"
    REVOKED = "revoked"
    SLOW_CONSUMER = "slow_consumer"
    LIMIT = "limit"
    INTERNAL_ERROR = "internal_error"
    SHUTDOWN = "shutdown"
    """The broker stops; no will is published."""

    CONNECT_TIMEOUT = "connect_timeout"
    NOT_AUTHENTICATED = "not_authenticated"
    CLIENT_ID = "client_id"
    WILL_FORBIDDEN = "will_forbidden"
    PROTOCOL_VERSION = "protocol_version"
    TOO_MANY_FAILURES = "too_many_failures"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MANY_SESSIONS = "too_many_sessions"


class Violation(Exception):  # noqa: N818 - a word of the standard (4.8.0-1)
    """The peer violated the protocol or a limit; its connection is closed at once (4.8.0-1).

    The message names the rule and never quotes the peer.
    """

    def __init__(self, rule: str, reason: Reason = Reason.PROTOCOL_ERROR) -> None:
        super().__init__(rule)
        self.rule = rule
        self.reason = reason
