"""Hostile input on every topic that a device can write: refused or dropped, and nothing leaks.

After each attack the same session still works, the service hit no bug of its own, and the log holds
nothing of what was entered.
"""

import json
import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import RunningBox

from .forms import VISIT, begin, reach
from .raw import ROOT, Device, Json, Pair, Peer, Room, acknowledges, pairing_id

SECRET = "Zorblatt-Quuxington"
"""What a patient enters, and no log may hold."""

NESTED = 20_000
HOSTILE: list[bytes] = [
    b"",
    b" ",
    b"not json " + SECRET.encode(),
    b"{",
    b'{"v": 1',
    b"[]",
    b"[1, 2]",
    b"null",
    b"true",
    b"12",
    b'"text"',
    b"\x00\x01\x02\xff\xfe",
    b"\xff" * 100,
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"[" * NESTED,
    b"[" * NESTED + b"]" * NESTED,
    b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    b'{"v": NaN}',
    b'{"v": 1e999}',
    b'{"v": -Infinity}',
    b'{"v": 1, "type": "ENTER_FIELD", "seq": NaN}',
    b'{"v": 1, "type": "\xed\xa0\x80"}',
    b'{"v": 1, "type": "\\ud800", "command_id": "\\ud800", "request_id": "\\udfff"}',
    b'{"v": 1, "v": 2, "type": "SYNC", "type": "NAVIGATE"}',
    b'{"v": 1, "type": "' + b"A" * 50_000 + b'"}',
    b'{"v": 1, "type": "SYNC", "request_id": "' + b"r" * 50_000 + b'", "session": "x"}',
    b'{"v": 1, "code": "' + b"B" * 50_000 + b'"}',
    b'{"v": 1, "code": "\\u0000\\u0001"}',
    b'{"__proto__": {"v": 1}, "constructor": {}}',
    b'{"v": 9007199254740993, "seq": 123456789012345678901234567890}',
    b'{"v": ' + b"9" * 5_000 + b"}",
    json.dumps({"v": 1, "type": "DANCE", "note": SECRET}).encode(),
    json.dumps({"v": 1, "type": "ENTER_FIELD", "seq": SECRET, "value": SECRET}).encode(),
    json.dumps({SECRET: SECRET}).encode(),
    b"x" * 65_536,
]

VALUES: list[Any] = [
    f"{SECRET}\x00\x01\x1b[31m",
    f"{SECRET}\u202e\u2066",
    SECRET * 1_000,
    [SECRET] * 100,
    {"code": SECRET, "system": SECRET, "display": SECRET},
    {SECRET: SECRET},
    {"masked": True, "length": 3},
    [[[[[SECRET]]]]],
    "' OR 1=1; DROP TABLE events; --" + SECRET,
    "<script>alert('" + SECRET + "')</script>",
    "${jndi:ldap://" + SECRET + "}",
    1e308,
    -0.0,
    2**63,
    10**30,
    0.1 + 0.2,
    True,
    None,
    {"$ref": SECRET},
]


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Yield the log of everything, down to DEBUG."""
    caplog.set_level(logging.DEBUG)
    yield lambda: "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    caplog.clear()


def still_works(pair: Pair, box: RunningBox) -> None:
    """See that the session goes on, and that the service met no bug of its own."""
    for device in (pair.staff, pair.patient):
        if not device.connected:
            device.online()
        view = device.sync(pair.session)
        device.seq[pair.session] = view["acknowledged_seq"]
    name = f"Name {uuid.uuid4().hex[:6]}"
    pair.fill("ENTER_FIELD", field_id="name", value=name)
    pair.lead("HIGHLIGHT_FIELD", field_id="name")
    staff, patient = pair.both()
    assert staff["fields"]["name"]["value"] == patient["fields"]["name"]["value"] == name
    assert box.box.counters.get("bugs", 0) == 0
    assert box.box.counters.get("commits_failed", 0) == 0


def topics_of(pair: Pair, device: Device) -> list[str]:
    """Return every topic that a device may write, and some that only look like one."""
    me, session = device.device, pair.session
    return [
        f"{ROOT}/devices/{me}/presence",
        f"{ROOT}/devices/{me}/requests",
        f"{ROOT}/sessions/{session}/commands/{me}",
        f"{ROOT}/sessions/nothing/commands/{me}",
        f"{ROOT}/sessions/{'x' * 64}/commands/{me}",
        f"{ROOT}/sessions/{'x' * 65}/commands/{me}",
        f"{ROOT}/sessions/A B\u00e9/commands/{me}",
        f"{ROOT}/sessions//commands/{me}",
        f"{ROOT}/sessions/{session}/uploads/{me}/u-1/0",
        f"{ROOT}/sessions/{session}/uploads/{me}/{'u' * 5_000}/0",
        f"{ROOT}/sessions/{session}/uploads/{me}/u-1/{'9' * 5_000}",
        f"{ROOT}/sessions/{session}/uploads/{me}/u-1/\u0661",
        f"{ROOT}/sessions/{session}/uploads/{me}/u-1/0/0/0",
        f"{ROOT}/sessions/{session}/uploads/{me}",
        f"handrail/v1/other/devices/{me}/presence",
        f"handrail/v1/other/sessions/{session}/commands/{me}",
        f"handrail/v2/main/devices/{me}/requests",
    ]


@pytest.mark.parametrize("who", ["staff", "patient"])
def test_hostile_payloads_on_every_topic_do_no_harm(
    clinic: Room, box: RunningBox, quiet_log: Callable[[], str], who: str
) -> None:
    """Every refusal is of the contract's form; the service goes on; the log holds no value."""
    pair = Pair(clinic, VISIT)
    device: Device = getattr(pair, who)
    since = device.mark()
    for topic in topics_of(pair, device):
        for payload in HOSTILE:
            if not device.connected:
                device.online()
            device.deliver(topic, payload)
    refused = [m.topic for m in list(device.messages[since:]) if b'"REJECTION"' in m.payload]
    for own in ("/inbox", f"/{pair.session}/rejections/{device.device}"):
        assert len([t for t in refused if t.endswith(own)]) == len(HOSTILE), "each is answered"
    still_works(pair, box)
    for message in list(device.messages[since:]):
        if "/rejections/" in message.topic or "/inbox" in message.topic:
            answer = message.json
            assert answer["type"] in {"REJECTION", "SYNCED"}, answer
            assert SECRET not in message.payload.decode()
    assert SECRET not in quiet_log()


def test_hostile_values_are_kept_or_refused_and_never_logged(
    clinic: Room, box: RunningBox, quiet_log: Callable[[], str]
) -> None:
    """Whatever is entered in whatever field: a view with it, or a refusal; the log has nothing."""
    pair = Pair(clinic, VISIT)
    fields = ["name", "born", "plan", "number", "visits", "first-visit"]
    for value in VALUES:
        for field in fields:
            since = pair.patient.mark()
            command = pair.patient.send(pair.session, "ENTER_FIELD", field_id=field, value=value)
            answer = pair.patient.answer(pair.session, command, since)
            if answer.get("type") == "REJECTION":
                assert SECRET not in json.dumps(answer)
    number = pair.both()[0]["fields"].get("number", {}).get("value", {"masked": True})
    assert number["masked"] is True
    still_works(pair, box)
    assert SECRET not in quiet_log()


def test_hostile_claims_do_no_harm(
    clinic: Room, box: RunningBox, quiet_log: Callable[[], str]
) -> None:
    """A stranger's payloads are refused, or its connection is closed."""
    pair = Pair(clinic, VISIT)
    for n, payload in enumerate(HOSTILE):
        if n % 3 == 0:
            stranger = clinic.keep(Peer(clinic.port, pairing_id(), "pairing").connect())
            stranger.subscribe(f"{ROOT}/pairing/{stranger.client_id}/grant")
        stranger.deliver(f"{ROOT}/pairing/{stranger.client_id}/claim", payload)
    still_works(pair, box)
    assert SECRET not in quiet_log()


@pytest.mark.parametrize("size", [300_000, 2_000_000])
def test_a_huge_payload_ends_its_sender_alone(clinic: Room, box: RunningBox, size: int) -> None:
    """Beyond the limits the message is refused or the connection closed; others go on."""
    pair = Pair(clinic, VISIT)
    huge = json.dumps({"v": 1, "type": "ENTER_FIELD", "value": "x" * size})
    for topic in topics_of(pair, pair.patient)[:3]:
        if not pair.patient.connected:
            pair.patient.online()
        pair.patient.deliver(topic, huge)  # returns at PUBACK or at the connection's end
        pair.staff.sync(pair.session)
    still_works(pair, box)


def test_the_fields_of_every_command_are_checked(clinic: Room, box: RunningBox) -> None:
    """Each field of each command, replaced by each kind of JSON: answered, and never a bug."""
    pair = Pair(clinic, VISIT)
    reach(pair, "papers")
    begin(pair, "card", "card-1", b"\x89PNG")
    commands: dict[str, Json] = {
        "ENTER_FIELD": {"field_id": "note", "value": "x"},
        "CLEAR_FIELD": {"field_id": "note"},
        "FOCUS_FIELD": {"field_id": "note"},
        "REPORT_READING": {"field_id": "notice", "fraction": 0.5, "seconds": 3},
        "BEGIN_UPLOAD": {
            "field_id": "card",
            "upload": "u",
            "size": 5,
            "sha256": "0" * 64,
            "media_type": "image/png",
        },
        "FINISH_UPLOAD": {"upload": "card-1"},
        "SUBMIT_SIGNATURE": {
            "field_id": "agree",
            "strokes": [[[0, 0, 0]]],
            "document_sha256": "0" * 64,
            "language": "es",
            "printed_name": "Ana Roe",
            "relationship": "parent",
        },
        "DECLINE_SIGNATURE": {"reason": "no"},
        "WITHDRAW_SIGNATURE": {"field_id": "agree", "reason": "no"},
        "ASK_FOR_HELP": {},
    }
    leads: dict[str, Json] = {
        "NAVIGATE": {"step_id": "papers", "override_reason": "x"},
        "HIGHLIGHT_FIELD": {"field_id": "note"},
        "REQUEST_SIGNATURE": {"field_id": "agree", "staff_name": "Sam Poe"},
        "REQUEST_CORRECTION": {"field_id": "note", "message": "x"},
        "REVIEW_DOCUMENT": {"field_id": "card", "accepted": True, "reason": "x"},
        "FETCH_DOCUMENT": {"field_id": "card"},
        "COVER_SCREEN": {"covered": False},
        "REPLACE_PATIENT_DEVICE": {"device": "nobody"},
    }
    odd: list[Any] = [7, -1, 1.5, True, [], {}, [[]], "", "x" * 3_000, "\x00", "\U0001f600", "a\nb"]
    for device, table in ((pair.patient, commands), (pair.staff, leads)):
        for kind, fields in table.items():
            for name in [*fields, "expected_revision", "sent_at", "override_reason"]:
                for value in odd:
                    device.send(pair.session, kind, **{**fields, name: value})
        last = device.seq[pair.session]
        device.view(pair.session, acknowledges(last), deadline=90)
    for device in (pair.patient, pair.staff):
        refused = [m.json for m in device.messages if "/rejections/" in m.topic]
        assert refused
        assert all(answer["command_id"] and answer["seq"] for answer in refused)
    pair.go("person")
    still_works(pair, box)


@pytest.fixture
def played(clinic: Room) -> Pair:
    """A session that many examples of generated JSON share."""
    return Pair(clinic, VISIT)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [
        "v",
        "type",
        "command_id",
        "seq",
        "request_id",
        "session",
        "field_id",
        "value",
        "code",
        "online",
        "connection",
        "step_id",
        "device",
        "expected_revision",
        "strokes",
    ]
)
TYPES = st.sampled_from(
    ["ENTER_FIELD", "NAVIGATE", "SYNC", "JOIN_SESSION", "OPEN_SESSION", "LEAVE_SESSION", "CANCEL"]
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=8).flatmap(
    lambda found: TYPES.map(lambda kind: {**found, "type": kind}) | st.just(found)
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(found=OBJECTS | JSON, where=st.sampled_from(["commands", "requests", "presence"]))
def test_generated_json_does_no_harm(played: Pair, box: RunningBox, found: Any, where: str) -> None:
    """Any JSON on any topic: the service answers or drops it, and goes on."""
    device = played.patient
    topic = {
        "commands": f"{ROOT}/sessions/{played.session}/commands/{device.device}",
        "requests": f"{ROOT}/devices/{device.device}/requests",
        "presence": f"{ROOT}/devices/{device.device}/presence",
    }[where]
    since = device.mark()
    device.publish(topic, json.dumps(found))
    fence = {
        "v": 1,
        "type": "SYNC",
        "request_id": str(uuid.uuid4()),
        "session": "none",
    }
    device.publish(f"{ROOT}/devices/{device.device}/requests", fence)
    device.wait(
        lambda m: m.topic.endswith("/inbox") and m.json.get("request_id") == fence["request_id"],
        since,
    )
    if where in {"commands", "requests"}:
        answers = [
            m for m in device.messages[since:] if "/rejections/" in m.topic or "/inbox" in m.topic
        ]
        inbox = [m for m in answers if "/inbox" in m.topic]
        assert len(inbox) == (2 if where == "requests" else 1)
        for answer in answers:
            assert answer.json["v"] == 1
    assert box.box.counters.get("bugs", 0) == 0
    assert box.box.counters.get("commits_failed", 0) == 0
