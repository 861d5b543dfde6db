"""DISCONNECT (3.14) and the end of a connection: session, observer, will (3.1.2.5)."""

from __future__ import annotations

from broker.packets.codec import Will
from broker.packets.errors import Reason, Violation

from .connection import Connection
from .session import Session

NO_WILL_AFTER = (Reason.DISCONNECT, Reason.SHUTDOWN)


def receive_disconnect(connection: Connection, body: bytes) -> None:
    """Close the connection without its will (3.14.4-3)."""
    if body:
        raise Violation("3.14.1: DISCONNECT must not have a body")
    connection.will = None
    connection.close(Reason.DISCONNECT)


def handle_close(connection: Connection, reason: Reason) -> None:
    """Detach the session, notify the observer and publish the will, in this order."""
    engine = connection.engine
    session, client = connection.session, connection.client
    if session is None or client is None:
        engine.reports.refused(connection.address, connection.claimed_id, reason)
        return
    if session.connection is connection:
        session.connection = None
        session.left_at = engine.now()
        if session.clean:
            engine.drop_session(session)
    engine.reports.disconnected(client, reason)
    will, connection.will = connection.will, None
    if will is not None and reason not in NO_WILL_AFTER:
        _publish_will(connection, session, will)


def _publish_will(connection: Connection, session: Session, will: Will) -> None:
    """Publish a will (3.1.2-8), if the rules still allow it."""
    engine = connection.engine
    if not engine.access(session.identity, session.client_id).may_publish(will.topic):
        engine.counters.wills_denied += 1
        return
    engine.counters.wills_published += 1
    engine.router.publish(
        engine.router.topic(will.topic),
        will.payload,
        qos=will.qos,
        retain=will.retain,
        publisher=connection.publisher,
    )
