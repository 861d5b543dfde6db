"""The codec and the tries, without sockets: properties over many inputs."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.access.rules import Access, Rules
from broker.packets.codec import (
    PUBACK,
    PUBREL,
    ReturnCode,
    decode_connect,
    decode_subscribe,
    decode_unsubscribe,
    encode_ack,
    encode_connack,
    encode_length,
    encode_suback,
    remaining_length,
)
from broker.packets.errors import Violation
from broker.packets.message import Message
from broker.packets.topics import check_filter, check_name, covers
from broker.routing.retained import RetainedMessages
from broker.routing.subscriptions import SubscriptionTrie

from .support import Packet, connect_packet, publish_packet, subscribe_packet, unsubscribe_packet

LEVELS = st.sampled_from(["", "a", "b", "$SYS", "$x", "é"])
NAMES = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = st.tuples(
    st.lists(st.one_of(LEVELS, st.just("+")), min_size=1, max_size=4), st.sampled_from(["", "#"])
).map(lambda parts: "/".join([*parts[0], parts[1]]) if parts[1] else "/".join(parts[0]))
FILTERS = st.one_of(FILTERS.filter(bool), st.just("#"))
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50)


def slow_match(topic_filter: str, topic: str) -> bool:
    """Match by the words of 4.7, written as differently from the tries as can be."""
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    wanted, given_ = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        if len(given_) < len(wanted):
            return False
        given_ = given_[: len(wanted)]
    return len(wanted) == len(given_) and all(
        w in ("+", g) for w, g in zip(wanted, given_, strict=True)
    )


@given(st.integers(0, 268_435_455))
def test_lengths_survive_the_wire(length: int) -> None:
    """Every remaining length is decoded to what was encoded, and is as short as can be."""
    encoded = encode_length(length)
    assert remaining_length(encoded, 0) == (length, len(encoded))
    for cut in range(len(encoded)):
        assert remaining_length(encoded[:cut], 0) is None


@pytest.mark.parametrize(
    ("length", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"),
     (2_097_151, "ffff7f"), (2_097_152, "80808001"), (268_435_455, "ffffff7f")],
)  # fmt: skip
def test_lengths_are_those_of_the_standard(length: int, encoded: str) -> None:
    """The borders of table 2.4 are encoded as it says."""
    assert encode_length(length).hex() == encoded


@given(
    TEXT,
    st.booleans(),
    st.integers(0, 65_535),
    st.none() | st.tuples(TEXT, st.binary(max_size=50)),
    st.integers(0, 2),
    st.none() | TEXT,
    st.none() | st.binary(max_size=50),
)
def test_a_connect_survives_the_wire(  # noqa: PLR0917
    client_id: str,
    clean: bool,
    keepalive: int,
    will: tuple[str, bytes] | None,
    qos: int,
    user: str | None,
    password: bytes | None,
) -> None:
    """Every field of a CONNECT is decoded to what was encoded."""
    password = password if user is not None else None
    qos = qos if will else 0
    raw = connect_packet(
        client_id, user=user, password=password, clean=clean, keepalive=keepalive,
        will=will, will_qos=qos,
    )  # fmt: skip
    _, body = remaining_length(raw, 1) or (0, 0)
    connect = decode_connect(raw[body:])
    assert (connect.client_id, connect.clean_session, connect.keepalive) == (
        client_id,
        clean,
        keepalive,
    )
    assert (connect.username, connect.password) == (user, password)
    if will is None:
        assert connect.will is None
    else:
        assert connect.will is not None
        assert (connect.will.topic, connect.will.payload, connect.will.qos) == (*will, qos)


@given(st.binary(max_size=100))
def test_no_body_does_more_than_break_a_rule(body: bytes) -> None:
    """Decoding any bytes gives a value or a Violation, and nothing else."""
    for decode in (decode_connect, decode_subscribe, decode_unsubscribe):
        with contextlib.suppress(Violation):
            decode(body)


@given(st.lists(st.tuples(TEXT, st.integers(0, 2)), min_size=1, max_size=5), st.integers(1, 65_535))
def test_subscriptions_survive_the_wire(wanted: list[tuple[str, int]], packet_id: int) -> None:
    """SUBSCRIBE and UNSUBSCRIBE are decoded to what was encoded."""
    raw = subscribe_packet(*wanted, packet_id=packet_id)
    _, body = remaining_length(raw, 1) or (0, 0)
    assert decode_subscribe(raw[body:]) == (packet_id, wanted)
    raw = unsubscribe_packet(*(name for name, _ in wanted), packet_id=packet_id)
    _, body = remaining_length(raw, 1) or (0, 0)
    assert decode_unsubscribe(raw[body:]) == (packet_id, [name for name, _ in wanted])


@given(
    NAMES,
    st.binary(max_size=300),
    st.integers(0, 2),
    st.integers(1, 65_535),
    st.booleans(),
    st.booleans(),
)
def test_a_message_is_encoded_as_the_standard_says(  # noqa: PLR0917
    topic: str, payload: bytes, qos: int, packet_id: int, retain: bool, dup: bool
) -> None:
    """A message's wire form has its topic, payload, QoS, DUP, retain flag and packet id (3.3)."""
    message = Message(topic, payload, qos, retain=retain)
    dup = dup and qos > 0
    raw = message.packet()
    if qos:
        raw = message.head_with_id(qos, packet_id, dup=dup) + message.payload
    assert raw == publish_packet(
        topic, payload, qos=qos, packet_id=packet_id, retain=retain, dup=dup
    )
    length, body = remaining_length(raw, 1) or (0, 0)
    got = Packet(raw[0], raw[body : body + length])
    assert (got.topic, got.payload, got.qos, got.retain) == (topic, payload, qos, retain)


def test_answers_are_encoded_as_the_standard_says() -> None:
    """CONNACK, SUBACK and the acknowledgements have the bytes of chapter 3."""
    assert encode_connack(session_present=True, code=ReturnCode.ACCEPTED).hex() == "20020100"
    assert encode_connack(session_present=False, code=ReturnCode.NOT_AUTHORIZED).hex() == "20020005"
    assert encode_suback(258, [0, 1, 0x80]).hex() == "90050102000180"
    assert encode_ack(PUBACK, 258).hex() == "40020102"
    assert encode_ack(PUBREL, 1).hex() == "62020001"


@given(st.dictionaries(FILTERS, st.integers(0, 2), max_size=8), NAMES, st.data())
def test_the_subscription_trie_matches_as_the_standard_says(
    filters: dict[str, int], topic: str, data: st.DataObject
) -> None:
    """The trie finds exactly the filters that match, also after some were taken away."""
    trie: SubscriptionTrie[str] = SubscriptionTrie()
    for topic_filter, qos in filters.items():
        trie.add(topic_filter, topic_filter, qos)
        trie.add(topic_filter, "everyone", qos)
    removed = data.draw(st.sets(st.sampled_from(sorted(filters) or ["a"])))
    for topic_filter in removed:
        trie.remove(topic_filter, topic_filter)
    matching = {f: q for f, q in filters.items() if slow_match(f, topic)}
    expected = {f: q for f, q in matching.items() if f not in removed}
    if matching:
        expected["everyone"] = max(matching.values())
    assert trie.match(topic) == expected
    for topic_filter in filters:
        trie.remove(topic_filter, topic_filter)
        trie.remove(topic_filter, "everyone")
    assert trie.count == 0
    assert not trie._root.children, "nothing is left of what was taken away"


@given(st.dictionaries(NAMES, st.binary(min_size=1, max_size=5), max_size=8), FILTERS)
def test_the_retained_trie_matches_as_the_standard_says(
    kept: dict[str, bytes], topic_filter: str
) -> None:
    """The trie finds exactly the retained messages whose topics match, and forgets all."""
    retained = RetainedMessages(100, 10_000)
    places = {t: retained.put(Message(t, payload, 1, retain=True)) for t, payload in kept.items()}
    found = {message.topic: message.payload for message in retained.match(topic_filter)}
    assert found == {t: p for t, p in kept.items() if slow_match(topic_filter, t)}
    assert {message.topic for message in retained} == set(kept)
    for number, (topic, place) in enumerate(places.items()):
        another = Message(topic, b"another", 1, retain=True)
        assert place
        assert retained.replace(place, another) if number % 2 else retained.put(another)
    assert {(m.topic, m.payload) for m in retained} == {(topic, b"another") for topic in kept}
    assert {m.payload for m in retained.match(topic_filter)} <= {b"another"}
    assert retained.bytes == sum(len(topic) + len(b"another") for topic in kept)
    for topic in kept:
        retained.remove(topic)
    assert (retained.count, retained.bytes, retained._root.children or {}) == (0, 0, {})
    for topic, place in places.items():
        assert place
        assert not retained.replace(place, Message(topic, b"late", 1)), "what is gone stays gone"


@given(FILTERS, FILTERS, st.lists(NAMES, max_size=20))
def test_what_covers_a_filter_matches_all_that_it_matches(
    pattern: str, topic_filter: str, topics: list[str]
) -> None:
    """If a pattern covers a filter, no topic matches the filter and not the pattern."""
    if covers(pattern, topic_filter):
        for topic in topics:
            assert slow_match(pattern, topic) or not slow_match(topic_filter, topic)


@given(FILTERS, NAMES)
def test_covering_a_name_is_matching_it(pattern: str, topic: str) -> None:
    """For a topic name, `covers` is plain matching."""
    assert covers(pattern, topic) == slow_match(pattern, topic)


@given(TEXT, TEXT)
def test_no_name_reaches_beyond_its_own_level(user: str, client_id: str) -> None:
    """Whatever a client calls itself, it reaches only topics with that name in one level."""
    access = Access(Rules(("u/%u/%c",), ("u/%u/+", "c/%c")), user, client_id)
    for topic in ("u/other/x", "u", "u/a/b/c", "other", "$SYS/x", "c/other"):
        allowed = access.may_publish(topic) or access.may_subscribe(topic)
        assert not allowed or user in topic.split("/") or client_id in topic.split("/")
    assert not access.may_subscribe("#")
    assert not access.may_subscribe("u/#")
    assert not access.may_subscribe("u/+/+")


@given(st.text(max_size=30))
def test_every_filter_and_name_is_judged(text: str) -> None:
    """Any string is a topic name, a filter, both or neither; a name is always a filter too."""
    for check in (check_name, check_filter):
        with contextlib.suppress(Violation):
            check(text, 32)
    try:
        check_name(text, 32)
    except Violation:
        return
    check_filter(text, 32)
