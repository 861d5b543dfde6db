"""PUBLISH from a client (3.3, 4.3): routed first, acknowledged after, in order (4.6.0-2, -3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .codec import MAX_QOS, PUBACK, PUBCOMP, PUBREC, decode_packet_id, encode_ack
from .errors import Reason, Violation
from .gate import Action
from .message import Message
from .routing import Topic
from .topics import check_name, decode_utf8

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

MAX_CACHED_TOPICS = 256
"""Answers of the rules remembered per connection; a screen uses a handful of topics."""

FORBIDDEN = Topic("")
"""Stands in a connection's cache for a topic that its rules forbid."""


class Acknowledgement:
    """One PUBACK or PUBREC that waits for the host program, or for one before it that does."""

    __slots__ = ("_pending", "_sealed", "connection", "packet", "packet_id", "session")

    def __init__(
        self, connection: Connection, session: Session, header: bytes, number: int
    ) -> None:
        self.connection = connection
        self.session = session
        self.packet = encode_ack(header, number)
        self.packet_id = number
        self._pending = 0
        self._sealed = False

    @property
    def ready(self) -> bool:
        """Say whether nobody defers it any more."""
        return self._pending == 0

    def defer(self) -> Callable[[], None]:
        """Hold it until the function given back is called; calling that again does nothing."""
        self._pending += 1
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._release()

        return release

    def seal(self) -> None:
        """Say that it stands in its connection's queue now."""
        self._sealed = True

    def _release(self) -> None:
        self._pending -= 1
        if self._pending or not self._sealed:
            return
        if self.session.inbound.get(self.packet_id) is self:
            self.session.inbound[self.packet_id] = None
        send_ready(self.connection)


def receive_publish(connection: Connection, data: bytes, start: int, body: int, stop: int) -> None:
    """Take the PUBLISH at data[start:stop] whose variable header begins at `body`."""
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
    # Length and topic go out as they came; a length spelled with idle bytes is written anew.
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
        # Denials are not remembered: the observer is to hear the name of each.
        connection.engine.reports.publish_denied(connection.require_client(), name)
        return FORBIDDEN
    if len(connection.topics) >= MAX_CACHED_TOPICS:
        connection.topics.clear()
    topic = connection.topics[raw_topic] = connection.engine.router.topic(name)
    return topic


def _allowed(connection: Connection, name: str) -> bool:
    """Ask the rules and, if there are any, amqtt's plugins (which may postpone the packet)."""
    if not connection.require_session().access.may_publish(name):
        return False
    gate = connection.engine.gate
    return gate is None or gate.allows(connection, Action.PUBLISH, name)


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
    # What came is, byte for byte, what receivers get, unless it must lose its retain flag
    # (3.3.1-9) or spells its length with idle bytes (2.2.3 does not forbid them).
    packet = data[start:stop] if first == 0x30 and data[body - 1] else None  # noqa: PLR2004
    message = Message(topic.name, payload, 0, connection.publisher, packet=packet)
    router.route(topic, message, keep=bool(first & 1))


def _receive_qos2(
    connection: Connection, topic: Topic, number: int, message: Message, *, keep: bool
) -> None:
    """Route at the first PUBLISH, and not again until PUBREL frees the id (4.3.3, method B)."""
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
    """Hand a QoS 1 or 2 message on; gives what a local handler may have deferred."""
    if topic is FORBIDDEN:  # 3.3.5-2: acknowledged all the same
        return None
    router = connection.engine.router
    acknowledgement = None
    if router.reaches_host(topic):
        acknowledgement = Acknowledgement(connection, connection.require_session(), header, number)
    router.route(topic, message, acknowledgement, keep=keep)
    return acknowledgement


def _answer(
    connection: Connection, acknowledgement: Acknowledgement | None, header: bytes, number: int
) -> None:
    """Send PUBACK or PUBREC, or line it up behind those that wait."""
    waiting = connection.waiting
    if not waiting and (acknowledgement is None or acknowledgement.ready):
        connection.send(encode_ack(header, number))
        return
    if acknowledgement is None:
        session = connection.require_session()
        acknowledgement = Acknowledgement(connection, session, header, number)
    _line_up(connection, acknowledgement)


def _answer_again(
    connection: Connection, acknowledgement: Acknowledgement | None, number: int
) -> None:
    """Answer a QoS 2 PUBLISH that came a second time, perhaps on a new connection."""
    if acknowledgement is None:
        _answer(connection, None, PUBREC, number)
    elif acknowledgement.connection is not connection:
        acknowledgement.connection = connection
        _line_up(connection, acknowledgement)


def _line_up(connection: Connection, acknowledgement: Acknowledgement) -> None:
    if connection.waiting is None:
        connection.waiting = deque()
    acknowledgement.seal()
    connection.waiting.append(acknowledgement)
    if len(connection.waiting) >= connection.engine.limits.deferred:
        connection.hold_for_host()


def send_ready(connection: Connection) -> None:
    """Send the acknowledgements in front that nobody defers any more."""
    waiting = connection.waiting
    if not waiting:
        return
    while waiting and waiting[0].ready:
        connection.send(waiting.popleft().packet)
    if 2 * len(waiting) <= connection.engine.limits.deferred:
        connection.host_has_room()
    if not waiting:
        connection.waiting = None  # a deque is large, and most connections are silent


def receive_pubrel(connection: Connection, body: bytes) -> None:
    """Free a packet id and answer PUBCOMP, known or not (4.3.3)."""
    number = decode_packet_id(body)
    connection.require_session().inbound.pop(number, None)
    connection.send(encode_ack(PUBCOMP, number))
