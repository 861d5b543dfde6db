"""SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11)."""

from __future__ import annotations

from broker.packets.codec import (
    SUBSCRIBE_REFUSED,
    UNSUBACK,
    decode_subscribe,
    decode_unsubscribe,
    encode_ack,
    encode_suback,
)
from broker.packets.topics import check_filter

from .connection import Connection


def receive_subscribe(connection: Connection, body: bytes) -> None:
    """Grant or refuse each filter, answer with one SUBACK, then send retained messages."""
    packet_id, wanted = decode_subscribe(body)
    for topic_filter, _ in wanted:
        check_filter(topic_filter, connection.engine.limits.topic_levels)
    if connection.engine.plugins is not None:
        for topic_filter, _ in wanted:  # before any change: a postponed packet is handled again
            _allowed(connection, topic_filter)
    codes = [_subscribe(connection, topic_filter, qos) for topic_filter, qos in wanted]
    connection.send(encode_suback(packet_id, codes))
    for (topic_filter, _), code in zip(wanted, codes, strict=True):
        if code != SUBSCRIBE_REFUSED:
            _send_retained(connection, topic_filter, code)


def _subscribe(connection: Connection, topic_filter: str, qos: int) -> int:
    """Return the granted QoS, or 0x80 for a refusal (3.9.3)."""
    engine, session = connection.engine, connection.require_session()
    if not _allowed(connection, topic_filter):
        engine.reports.subscribe_denied(connection.require_client(), topic_filter)
        return SUBSCRIBE_REFUSED
    full = len(session.subscriptions) >= engine.limits.subscriptions
    if full and topic_filter not in session.subscriptions:
        engine.counters.subscribe_at_limit += 1
        engine.reports.warn_once(session.client_id, "too many subscriptions")
        return SUBSCRIBE_REFUSED
    session.subscriptions[topic_filter] = qos
    engine.router.subscriptions.add(topic_filter, session, qos)
    return qos


def _allowed(connection: Connection, topic_filter: str) -> bool:
    """Ask the rules and, if there are any, the plugins (which may postpone the packet)."""
    if not connection.require_session().access.may_subscribe(topic_filter):
        return False
    plugins = connection.engine.plugins
    return plugins is None or plugins.may_subscribe(connection, topic_filter)


def _send_retained(connection: Connection, topic_filter: str, granted: int) -> None:
    """Send matching retained messages, even if the subscription is not new (3.8.4-3)."""
    session = connection.require_session()
    for message in list(connection.engine.router.retained.match(topic_filter)):
        if session.access.may_receive(message.topic):
            session.deliver_retained(message, granted)


def receive_unsubscribe(connection: Connection, body: bytes) -> None:
    """Remove subscriptions; UNSUBACK is sent even if there were none (3.10.4-5)."""
    packet_id, filters = decode_unsubscribe(body)
    for topic_filter in filters:
        check_filter(topic_filter, connection.engine.limits.topic_levels)
        _unsubscribe(connection, topic_filter)
    connection.send(encode_ack(UNSUBACK, packet_id))


def _unsubscribe(connection: Connection, topic_filter: str) -> None:
    session = connection.require_session()
    if session.subscriptions.pop(topic_filter, None) is not None:
        connection.engine.router.subscriptions.remove(topic_filter, session)
