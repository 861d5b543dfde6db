"""PUBLISH from a client (3.3, 4.3): routed, then acknowledged in order (4.6.0-2, -3)."""

from __future__ import annotations

from broker.packets.codec import MAX_QOS, PUBACK, PUBCOMP, PUBREC, decode_packet_id, encode_ack
from broker.packets.errors import Reason, Violation
from broker.packets.message import Acknowledgement, Message
from broker.packets.topics import check_name, decode_utf8
from broker.routing.router import Topic

from .connection import Connection

MAX_CACHED_TOPICS = 256
"""Allowed topics cached per connection; a screen uses a handful."""

FORBIDDEN = Topic("")
"""Stands for a topic that the rules forbid."""


def receive_publish(connection: Connection, data: bytes, start: int, body: int, stop: int) -> None:
    """Handle the PUBLISH at data[start:stop], whose variable header begins at `body`."""
    first = data[start]
    qos = first >> 1 & 3
    if qos > MAX_QOS:
        raise Violation("3.3.1-4: QoS 3")
    topic_end = body + 2
    if topic_end <= stop:
        topic_end += data[body] << 8 | data[body + 1]
    payload_at = topic_end + 2 if qos else topic_end
    if payload_at > stop or body + 2 > stop:
        raise Violation("PUBLISH is shorter than its fields")
    raw_topic = data[body + 2 : topic_end]
    topic = connection.topics.get(raw_topic)
    if topic is None:
        topic = _look_up(connection, raw_topic)
    if qos == 0:
        _receive_qos0(connection, topic, first, data, (start, body, payload_at, stop))
        return
    number = data[topic_end] << 8 | data[topic_end + 1]
    if number == 0:
        raise Violation("2.3.1-1: packet identifier 0")
    connection.engine.counters.messages_received += 1
    # Length and topic are forwarded as received, unless the length has superfluous bytes.
    head = data[start + 1 : topic_end] if data[body - 1] else None
    message = Message(topic.name, data[payload_at:stop], qos, connection.publisher, head=head)
    keep = bool(first & 1)
    if qos == 1:
        acknowledgement = _route(connection, topic, PUBACK, number, message, keep=keep)
        _answer(connection, acknowledgement, PUBACK, number)
    else:
        _receive_qos2(connection, topic, number, message, keep=keep)


def _look_up(connection: Connection, raw_topic: bytes) -> Topic:
    name = decode_utf8(raw_topic)
    check_name(name, connection.engine.limits.topic_levels)
    if not _allowed(connection, name):
        # Denials are not cached: the observer is notified of each.
        connection.engine.reports.publish_denied(connection.require_client(), name)
        return FORBIDDEN
    if len(connection.topics) >= MAX_CACHED_TOPICS:
        connection.topics.clear()
    topic = connection.topics[raw_topic] = connection.engine.router.topic(name)
    return topic


def _allowed(connection: Connection, name: str) -> bool:
    """Ask the rules and, if there are any, the plugins (which may postpone the packet)."""
    if not connection.require_session().access.may_publish(name):
        return False
    plugins = connection.engine.plugins
    return plugins is None or plugins.may_publish(connection, name)


def _receive_qos0(
    connection: Connection,
    topic: Topic,
    first: int,
    data: bytes,
    bounds: tuple[int, int, int, int],
) -> None:
    start, body, payload_at, stop = bounds
    if first & 0x08:
        raise Violation("3.3.1-2: DUP on QoS 0")
    connection.engine.counters.messages_received += 1
    if topic is FORBIDDEN:
        return
    router = connection.engine.router
    payload = data[payload_at:stop]
    # The packet is forwarded as received, unless RETAIN must be cleared (3.3.1-9) or its length
    # has superfluous bytes (2.2.3 does not forbid them).
    packet = data[start:stop] if first == 0x30 and data[body - 1] else None  # noqa: PLR2004
    message = Message(topic.name, payload, 0, connection.publisher, packet=packet)
    router.route(topic, message, keep=bool(first & 1))


def _receive_qos2(
    connection: Connection, topic: Topic, number: int, message: Message, *, keep: bool
) -> None:
    """Route the first PUBLISH of a packet id until its PUBREL (4.3.3, method B)."""
    session = connection.require_session()
    if number in session.inbound:
        _answer_again(connection, session.inbound[number], number)
        return
    if len(session.inbound) >= connection.engine.limits.unreleased:
        raise Violation("too many QoS 2 messages without PUBREL", Reason.LIMIT)
    session.inbound[number] = None
    acknowledgement = _route(connection, topic, PUBREC, number, message, keep=keep)
    if acknowledgement is not None and not acknowledgement.ready:
        session.inbound[number] = acknowledgement
    _answer(connection, acknowledgement, PUBREC, number)


def _route(
    connection: Connection,
    topic: Topic,
    header: bytes,
    number: int,
    message: Message,
    *,
    keep: bool,
) -> Acknowledgement | None:
    """Route a QoS 1 or 2 message. Return an acknowledgement that a handler may have deferred."""
    if topic is FORBIDDEN:  # 3.3.5-2: acknowledged all the same
        return None
    router = connection.engine.router
    acknowledgement = None
    if router.reaches_host(topic):
        inbound = connection.require_session().inbound
        acknowledgement = Acknowledgement(connection, inbound, header, number)
    router.route(topic, message, acknowledgement, keep=keep)
    return acknowledgement


def _answer(
    connection: Connection, acknowledgement: Acknowledgement | None, header: bytes, number: int
) -> None:
    """Send PUBACK or PUBREC, or queue it behind deferred ones."""
    waiting = connection.waiting
    if not waiting and (acknowledgement is None or acknowledgement.ready):
        connection.send(encode_ack(header, number))
        return
    if acknowledgement is None:
        inbound = connection.require_session().inbound
        acknowledgement = Acknowledgement(connection, inbound, header, number)
    connection.queue_acknowledgement(acknowledgement)


def _answer_again(
    connection: Connection, acknowledgement: Acknowledgement | None, number: int
) -> None:
    """Acknowledge a repeated QoS 2 PUBLISH, possibly on a new connection."""
    if acknowledgement is None:
        _answer(connection, None, PUBREC, number)
    elif acknowledgement.connection is not connection:
        acknowledgement.connection = connection
        connection.queue_acknowledgement(acknowledgement)


def receive_pubrel(connection: Connection, body: bytes) -> None:
    """Release a packet id and answer with PUBCOMP, even if it is unknown (4.3.3)."""
    number = decode_packet_id(body)
    connection.require_session().inbound.pop(number, None)
    connection.send(encode_ack(PUBCOMP, number))
