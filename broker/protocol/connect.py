"""CONNECT (3.1): credentials are checked before any session is read, taken over or changed."""

from __future__ import annotations

import asyncio
import secrets

from broker.access.identity import Credentials, Identity
from broker.monitoring.logs import clean, logger, traceback_location
from broker.monitoring.observer import Client
from broker.packets.codec import (
    Connect,
    ProtocolVersion,
    ReturnCode,
    Will,
    decode_connect,
    encode_connack,
)
from broker.packets.errors import Reason, Violation
from broker.packets.topics import check_name

from .connection import Connection
from .engine import Engine
from .transport import Hold


class Refused(Exception):  # noqa: N818 - not an error
    """A CONNECT to be answered with a return code other than 0 (3.2.2.3)."""

    def __init__(self, code: ReturnCode, reason: Reason) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def receive_connect(connection: Connection, body: bytes) -> None:
    """Validate a CONNECT, then check its credentials in a task, with reading paused."""
    try:
        connect = decode_connect(body)
        _check_will(connection, connect.will)
        client_id = _client_id(connection, connect)
        _check_failures(connection)
    except ProtocolVersion:
        _refuse(connection, "", ReturnCode.UNACCEPTABLE_PROTOCOL, Reason.PROTOCOL_VERSION)
        return
    except Refused as refused:
        _refuse(connection, connect.client_id, refused.code, refused.reason)
        return
    # The check has its own timeout; the timer is for one that ignores its cancellation.
    connection.set_timer(
        connection.engine.limits.authentication_seconds + 1, Connection.connect_timed_out
    )
    connection.hold(Hold.CHECK)
    connection.engine.start_task(_decide(connection, connect, client_id))


def _check_will(connection: Connection, will: Will | None) -> None:
    if will is None:
        return
    check_name(will.topic, connection.engine.limits.topic_levels)
    if will.topic.startswith("$"):
        raise Violation("4.7.2: will topic begins with $")


def _check_failures(connection: Connection) -> None:
    """Refuse a blocked address without the cost of a credential check."""
    if connection.engine.throttle.is_blocked(connection.address, connection.engine.now()):
        raise Refused(ReturnCode.NOT_AUTHORIZED, Reason.TOO_MANY_FAILURES)


def _client_id(connection: Connection, connect: Connect) -> str:
    """Return the client id, or a generated one if it is empty (3.1.3-6 to 3.1.3-8)."""
    if not connect.client_id and not connect.clean_session:
        raise Refused(ReturnCode.IDENTIFIER_REJECTED, Reason.CLIENT_ID)
    if len(connect.client_id.encode()) > connection.engine.limits.client_id_bytes:
        raise Refused(ReturnCode.IDENTIFIER_REJECTED, Reason.CLIENT_ID)
    return connect.client_id or f"auto-{secrets.token_hex(12)}"


async def _decide(connection: Connection, connect: Connect, client_id: str) -> None:
    """Await the identity, then admit or refuse without awaiting again."""
    engine = connection.engine
    with engine.revocations() as revoked:
        identity = await _identify(connection, connect, client_id)
    if connection.closed:
        return
    try:
        known = _require_identity(connection, identity, revoked)
        _check_identity(engine, connect, client_id, known)
        _admit(connection, connect, client_id, known)
    except Refused as refused:
        _refuse(connection, client_id, refused.code, refused.reason)


async def _identify(connection: Connection, connect: Connect, client_id: str) -> Identity | None:
    """Ask the host program and the plugins; any exception refuses."""
    engine = connection.engine
    credentials = Credentials(
        client_id, connect.username, connect.password, connection.address, connection.certificate
    )
    try:
        async with asyncio.timeout(engine.limits.authentication_seconds):
            identity = await engine.authenticate(credentials)
            if identity is not None and engine.plugins is not None:
                return await engine.plugins.admit(identity, credentials, connect)
            return identity
    except Exception as error:  # noqa: BLE001 - fails closed
        engine.counters.internal_errors += 1
        logger.error("credential check failed: %s", traceback_location(error))
        return None


def _require_identity(
    connection: Connection, identity: Identity | None, revoked: set[str]
) -> Identity:
    if identity is None or identity.user in revoked:
        connection.engine.throttle.record_failure(connection.address, connection.engine.now())
        raise Refused(ReturnCode.NOT_AUTHORIZED, Reason.NOT_AUTHENTICATED)
    return identity


def _check_identity(engine: Engine, connect: Connect, client_id: str, identity: Identity) -> None:
    """Refuse a client id of another user, a session too many, and a forbidden will."""
    if identity.client_id is not None and client_id != identity.client_id:
        raise Refused(ReturnCode.IDENTIFIER_REJECTED, Reason.CLIENT_ID)
    known = engine.sessions.get(client_id)
    if known is not None and known.identity.user != identity.user:
        raise Refused(ReturnCode.IDENTIFIER_REJECTED, Reason.CLIENT_ID)
    if known is None and len(engine.sessions) >= engine.limits.sessions:
        raise Refused(ReturnCode.SERVER_UNAVAILABLE, Reason.TOO_MANY_SESSIONS)
    access = engine.access(identity, client_id)
    if connect.will is not None and not access.may_publish(connect.will.topic):
        raise Refused(ReturnCode.NOT_AUTHORIZED, Reason.WILL_FORBIDDEN)


def _admit(connection: Connection, connect: Connect, client_id: str, identity: Identity) -> None:
    """Open the session (new, resumed or taken over) and answer with CONNACK (3.1.4, 3.2)."""
    engine = connection.engine
    session, present = engine.open_session(client_id, identity, clean=connect.clean_session)
    connection.session = session
    session.connection = connection
    connection.publisher = session.publisher
    connection.will = connect.will
    connection.client = Client(
        client_id, identity.user, identity.role, connection.address, connection.listener
    )
    connection.send(encode_connack(session_present=present, code=ReturnCode.ACCEPTED))
    connection.cancel_timer()
    if connect.keepalive:
        connection.keepalive = 1.5 * connect.keepalive  # 3.1.2-24
        connection.set_timer(connection.keepalive, _check_keepalive)
    session.resume()
    engine.reports.connected(connection.client)
    connection.unhold(Hold.CHECK)


def _check_keepalive(connection: Connection) -> None:
    """Close a connection that was silent for 1.5 times its keepalive (3.1.2-24)."""
    left = connection.last_heard + connection.keepalive - connection.engine.now()
    if connection.held:  # reading is paused, so silence proves nothing
        left = connection.keepalive
    if left <= 0:
        connection.close(Reason.KEEPALIVE)
    else:
        connection.set_timer(left, _check_keepalive)


def _refuse(connection: Connection, client_id: str, code: ReturnCode, reason: Reason) -> None:
    """Answer with a return code and close the connection (3.2.2-5)."""
    logger.debug(
        "refused %s (client %s): %s", clean(connection.address), clean(client_id), reason.value
    )
    connection.claimed_id = client_id
    connection.send(encode_connack(session_present=False, code=code))
    connection.close(reason)
