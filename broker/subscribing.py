"""SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .codec import (
    SUBSCRIBE_REFUSED,
    UNSUBACK,
    decode_subscribe,
    decode_unsubscribe,
    encode_ack,
    encode_suback,
)
from .gate import Action
from .topics import check_filter

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session


def receive_subscribe(connection: Connection, body: bytes) -> None:
    """Grant or refuse each filter, answer all in one SUBACK, then send what is retained."""
    packet_id, wanted = decode_subscribe(body)
    for topic_filter, _ in wanted:
        check_filter(topic_filter, connection.engine.limits.topic_levels)
    if connection.engine.gate is not None:
        for topic_filter, _ in wanted:  # all answers first: a postponed packet is handled anew
            _allowed(connection, topic_filter)
    codes = [_subscribe(connection, topic_filter, qos) for topic_filter, qos in wanted]
    connection.send(encode_suback(packet_id, codes))
    for (topic_filter, _), code in zip(wanted, codes, strict=True):
        if code != SUBSCRIBE_REFUSED:
            _send_retained(connection, topic_filter, code)


def _subscribe(connection: Connection, topic_filter: str, qos: int) -> int:
    """Give the granted QoS, or 0x80 (3.9.3)."""
    engine, session = connection.engine, connection.require_session()
    if not _allowed(connection, topic_filter):
        engine.reports.subscribe_denied(connection.require_client(), topic_filter)
        return SUBSCRIBE_REFUSED
    full = len(session.subscriptions) >= engine.limits.subscriptions
    if full and topic_filter not in session.subscriptions:
        engine.counters.subscribe_at_limit += 1
        engine.reports.once(session.client_id, "too many subscriptions")
        return SUBSCRIBE_REFUSED
    session.subscriptions[topic_filter] = qos
    engine.router.subscriptions.add(topic_filter, session, qos)
    return qos


def _allowed(connection: Connection, topic_filter: str) -> bool:
    """Ask the rules and, if there are any, amqtt's plugins (which may postpone the packet)."""
    if not connection.require_session().access.may_subscribe(topic_filter):
        return False
    gate = connection.engine.gate
    return gate is None or gate.allows(connection, Action.SUBSCRIBE, topic_filter)


def _send_retained(connection: Connection, topic_filter: str, granted: int) -> None:
    """Send matching retained messages, also when the subscription is not new (3.8.4-3)."""
    session = connection.require_session()
    for message in list(connection.engine.router.retained.match(topic_filter)):
        if session.access.may_receive(message.topic):
            session.deliver_retained(message, granted)


def receive_unsubscribe(connection: Connection, body: bytes) -> None:
    """Take subscriptions away; UNSUBACK comes even if there was none (3.10.4-5)."""
    packet_id, filters = decode_unsubscribe(body)
    for topic_filter in filters:
        check_filter(topic_filter, connection.engine.limits.topic_levels)
        unsubscribe(connection, topic_filter)
    connection.send(encode_ack(UNSUBACK, packet_id))


def unsubscribe(connection: Connection, topic_filter: str) -> None:
    """Take one subscription of a connection's session away."""
    drop_subscription(connection, connection.require_session(), topic_filter)


def drop_subscription(connection: Connection, session: Session, topic_filter: str) -> None:
    """Take one subscription away."""
    if session.subscriptions.pop(topic_filter, None) is not None:
        connection.engine.router.subscriptions.remove(topic_filter, session)
