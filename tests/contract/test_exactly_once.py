"""Exactly once: `seq`, `command_id`, what is recorded, and `expected_revision`."""

import json
import uuid
from functools import partial
from typing import Any

import pytest

from .forms import VISIT
from .raw import ROOT, Device, Json, Pair, Room, check_rejection


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on its first step."""
    return Pair(clinic, VISIT)


def rejections(device: Device, session: str, since: int) -> list[Json]:
    """Return the rejections of a session that have arrived since then."""
    topic = f"{ROOT}/sessions/{session}/rejections/{device.device}"
    return [m.json for m in device.messages[since:] if m.topic == topic]


def refused(pair: Pair, since: int, count: int) -> list[Json]:
    """Wait for so many rejections, which other topics may overtake, and return all there are."""
    found = partial(rejections, pair.patient, pair.session, since)
    pair.patient.wait(lambda _: len(found()) >= count, since)
    return found()


def rejection(device: Device, session: str, since: int) -> Json:
    """Wait for a rejection."""
    topic = f"{ROOT}/sessions/{session}/rejections/{device.device}"
    found: Json = device.wait(lambda m: m.topic == topic, since).json
    return found


def test_seq_1_2_3_are_acknowledged_in_turn(pair: Pair) -> None:
    """Each accepted command raises `acknowledged_seq` and `revision` by one."""
    before = pair.patient.sync(pair.session)
    for n, name in enumerate(["Ada", "Grace", "Mary"], start=1):
        view = pair.enter(name=name)
        assert view["acknowledged_seq"] == n
        assert view["revision"] == before["revision"] + n
        assert view["fields"]["name"]["value"] == name


def test_an_accepted_command_said_twice_changes_nothing(pair: Pair) -> None:
    """The same `seq` and `command_id` again: the view is published again, nothing is applied."""
    command = pair.patient.send(pair.session, "ENTER_FIELD", field_id="name", value="Ada")
    pair.patient.answer(pair.session, command)
    pair.enter(name="Grace")
    staff, _ = pair.both()
    since = pair.patient.mark()
    pair.patient.say(pair.session, command)
    again = pair.patient.answer(pair.session, command, since)
    assert again.get("type") != "REJECTION"
    assert again["fields"]["name"] == {"value": "Grace"}
    assert again["revision"] == staff["revision"]
    assert rejections(pair.patient, pair.session, since) == []


def test_a_refused_command_said_twice_gets_the_same_rejection(pair: Pair) -> None:
    """The answer is the very same, even where the command would be accepted by now."""
    since = pair.staff.mark()
    command = pair.staff.send(pair.session, "NAVIGATE", step_id="visits")
    first = rejection(pair.staff, pair.session, since)
    check_rejection(first, "step_incomplete")
    pair.enter(name="Ada", born="1990-05-17", plan={"system": "urn:test", "code": "gold"})
    since = pair.staff.mark()
    pair.staff.say(pair.session, command)
    assert rejection(pair.staff, pair.session, since) == first
    assert pair.both()[0]["step_id"] == "person"


def test_the_first_answer_counts_whatever_the_repetition_says(pair: Pair) -> None:
    """A repetition of `seq` and `command_id` with other contents is answered as the first was."""
    command = pair.patient.send(pair.session, "ENTER_FIELD", field_id="name", value="Ada")
    pair.patient.answer(pair.session, command)
    since = pair.patient.mark()
    pair.patient.say(pair.session, {**command, "value": "Eve"})
    again = pair.patient.answer(pair.session, command, since)
    assert again["fields"]["name"] == {"value": "Ada"}


def test_a_seq_with_another_command_id_is_refused(pair: Pair) -> None:
    """`sequence_reused`; nothing changes, and the sequence goes on."""
    pair.enter(name="Ada")
    since = pair.patient.mark()
    pair.patient.say(
        pair.session,
        {
            "v": 1,
            "type": "ENTER_FIELD",
            "command_id": str(uuid.uuid4()),
            "seq": 1,
            "field_id": "name",
            "value": "Eve",
        },
    )
    check_rejection(rejection(pair.patient, pair.session, since), "sequence_reused")
    view = pair.enter(born="1990-05-17")
    assert view["fields"]["name"] == {"value": "Ada"}
    assert view["acknowledged_seq"] == 2


@pytest.mark.parametrize("ahead", [1, 2, 1_000_000])
def test_a_gap_is_refused_with_the_expected_seq(pair: Pair, ahead: int) -> None:
    """`sequence_gap` tells `expected_seq`, and is not recorded: that `seq` is still free."""
    pair.enter(name="Ada")
    since = pair.patient.mark()
    command = pair.patient.send(
        pair.session, "ENTER_FIELD", field_id="name", value="Eve", seq=2 + ahead
    )
    refusal = rejection(pair.patient, pair.session, since)
    check_rejection(refusal, "sequence_gap")
    assert refusal["details"]["expected_seq"] == 2
    assert (refusal["seq"], refusal["command_id"]) == (2 + ahead, command["command_id"])
    view = pair.patient.sync(pair.session)
    assert view["acknowledged_seq"] == 1
    assert view["fields"]["name"] == {"value": "Ada"}
    pair.patient.seq[pair.session] = 1
    assert pair.enter(name="Grace")["acknowledged_seq"] == 2


def test_each_device_counts_for_itself(pair: Pair) -> None:
    """The staff's sequence and the patient's are two, and both are of this session alone."""
    pair.enter(name="Ada")
    view = pair.lead("HIGHLIGHT_FIELD", field_id="name")
    assert view["acknowledged_seq"] == 1
    assert pair.both()[1]["acknowledged_seq"] == 1
    other = Pair(pair.room, VISIT, staff=pair.staff)
    assert other.lead("HIGHLIGHT_FIELD", field_id="name")["acknowledged_seq"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "DANCE"}, "unknown_type"),
        ({"type": 7}, "unknown_type"),
        ({"v": 2}, "unsupported_version"),
        ({"v": 0}, "unsupported_version"),
        ({"field_id": None}, "malformed"),
        ({"field_id": 7}, "malformed"),
        ({"field_id": ["name"]}, "malformed"),
        ({"type": "COVER_SCREEN", "covered": "yes"}, "malformed"),
        ({"type": "HIGHLIGHT_FIELD", "field_id": {}}, "malformed"),
        ({"expected_revision": "7"}, "malformed"),
    ],
)
def test_what_has_a_readable_seq_is_recorded(pair: Pair, change: Json, code: str) -> None:
    """Refused with its `seq` and `command_id`; `acknowledged_seq` rises, `revision` does not."""
    kind = change.get("type", "ENTER_FIELD")
    rest = {key: value for key, value in change.items() if key != "type"}
    pair.fill_in_vain(kind, code, **{"field_id": "name", "value": "Eve", **rest})
    assert pair.enter(name="Ada")["acknowledged_seq"] == 2


@pytest.mark.parametrize(
    ("missing", "codes"),
    [
        ("type", {"malformed", "unknown_type"}),
        ("v", {"malformed", "unsupported_version"}),
        ("field_id", {"malformed"}),
        ("value", {"malformed"}),
        ("command_id", {"malformed"}),
    ],
)
def test_a_command_that_lacks_something_is_refused(
    pair: Pair, missing: str, codes: set[str]
) -> None:
    """Every object bears `v`, every command its `type` and fields; refused, it is recorded."""
    command = {
        "v": 1,
        "type": "ENTER_FIELD",
        "command_id": str(uuid.uuid4()),
        "seq": 1,
        "field_id": "name",
        "value": "Eve",
    }
    del command[missing]
    pair.patient.say(pair.session, command)
    refusal = rejection(pair.patient, pair.session, 0)
    assert refusal["code"] in codes, refusal
    assert refusal["seq"] == 1
    view = pair.patient.view(pair.session, lambda v: v["acknowledged_seq"] == 1)
    assert view["fields"] == {}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"[]",
        b"7",
        b'"NAVIGATE"',
        b"null",
        b"{}",
        b"\xff\xfe\x00",
        b'{"v": 1, "type": "ENTER_FIELD", "field_id": "name", "value": 1}',
        b'{"v": 1, "type": "ENTER_FIELD", "seq": "1", "field_id": "name", "value": 1}',
        b'{"v": 1, "type": "ENTER_FIELD", "seq": 0, "field_id": "name", "value": 1}',
        b'{"v": 1, "type": "ENTER_FIELD", "seq": -1, "field_id": "name", "value": 1}',
        b'{"v": 1, "type": "ENTER_FIELD", "seq": 1.5, "field_id": "name", "value": 1}',
        b'{"v": 1, "type": "ENTER_FIELD", "seq": true, "field_id": "name", "value": 1}',
        b'{"v": 1, "type": "ENTER_FIELD", "seq": 99999999999999999999, "field_id": "name"}',
    ],
)
def test_what_has_no_readable_seq_is_refused_and_not_recorded(pair: Pair, payload: bytes) -> None:
    """`malformed` with no `seq`, and the sequence stands where it was."""
    since = pair.patient.mark()
    pair.patient.publish(f"{ROOT}/sessions/{pair.session}/commands/{pair.patient.device}", payload)
    refusal = rejection(pair.patient, pair.session, since)
    check_rejection(refusal, "malformed")
    assert refusal.get("seq") is None
    assert "request_id" not in refusal
    assert pair.enter(name="Ada")["acknowledged_seq"] == 1


@pytest.mark.parametrize("command_id", [None, "", "not-a-uuid", 7, "x" * 3_000])
def test_a_command_without_a_uuid_is_malformed(pair: Pair, command_id: Any) -> None:
    """`command_id` is a UUID; a readable `seq` beside a bad one is recorded as refused."""
    since = pair.patient.mark()
    pair.patient.send(
        pair.session, "ENTER_FIELD", field_id="name", value="Eve", command_id=command_id
    )
    refusal = rejection(pair.patient, pair.session, since)
    check_rejection(refusal, "malformed")
    view = pair.patient.view(pair.session, lambda v: v["acknowledged_seq"] == 1)
    assert view["fields"] == {}
    assert pair.enter(name="Ada")["acknowledged_seq"] == 2


def test_a_command_id_is_compared_as_a_uuid(pair: Pair) -> None:
    """An upper-case UUID is echoed as it came, and its repetition is recognised."""
    command_id = str(uuid.uuid4()).upper()
    since = pair.patient.mark()
    command = pair.patient.send(
        pair.session, "ENTER_FIELD", field_id="nothing", value=1, command_id=command_id
    )
    first = rejection(pair.patient, pair.session, since)
    assert first["command_id"] == command_id
    since = pair.patient.mark()
    pair.patient.say(pair.session, command)
    assert rejection(pair.patient, pair.session, since) == first


def test_unknown_fields_are_ignored(pair: Pair) -> None:
    """A reader ignores fields that it does not know; `sent_at` may be missing."""
    view = pair.fill("ENTER_FIELD", field_id="name", value="Ada", colour="red", sent_at=None)
    assert view["fields"]["name"] == {"value": "Ada"}
    since = pair.patient.mark()
    command = {
        "v": 1,
        "type": "ENTER_FIELD",
        "command_id": str(uuid.uuid4()),
        "seq": 2,
        "field_id": "name",
        "value": "Grace",
    }
    pair.patient.say(pair.session, command)
    assert pair.patient.answer(pair.session, command, since)["fields"]["name"]["value"] == "Grace"


def test_expected_revision_is_met(pair: Pair) -> None:
    """A command for the newest revision is accepted, one for another is `stale_revision`."""
    view = pair.enter(name="Ada")
    view = pair.fill(
        "ENTER_FIELD", field_id="name", value="Grace", expected_revision=view["revision"]
    )
    refusal = pair.fill_in_vain(
        "ENTER_FIELD",
        "stale_revision",
        field_id="name",
        value="Eve",
        expected_revision=view["revision"] - 1,
    )
    assert refusal["details"]["revision"] == view["revision"]
    pair.fill_in_vain(
        "ENTER_FIELD",
        "stale_revision",
        field_id="name",
        value="Eve",
        expected_revision=view["revision"] + 1,
    )
    assert pair.both()[1]["fields"]["name"] == {"value": "Grace"}
    pair.enter(name="Mary")


def test_a_stream_of_commands_without_waiting_is_applied_in_order(pair: Pair) -> None:
    """A hundred commands sent at once end in the last value, and in a hundred revisions."""
    before = pair.patient.sync(pair.session)["revision"]
    commands = [
        pair.patient.send(pair.session, "ENTER_FIELD", field_id="name", value=f"Name {n}")
        for n in range(100)
    ]
    view = pair.patient.answer(pair.session, commands[-1])
    assert view["acknowledged_seq"] == 100
    assert view["revision"] == before + 100
    assert view["fields"]["name"]["value"] == "Name 99"
    for view in pair.patient.views(pair.session):
        number = view["acknowledged_seq"]
        expected = {"value": f"Name {number - 1}"} if number else None
        assert view["fields"].get("name") == expected


def test_a_whole_outbox_sent_again_is_applied_once(pair: Pair) -> None:
    """All commands said again from the start leave the session as it is, refusals included."""
    since = pair.patient.mark()
    sent = [
        pair.patient.send(pair.session, "ENTER_FIELD", field_id=field, value="Ada")
        for field in ("name", "nothing", "name", "visits", "name")
    ]
    view = pair.patient.view(pair.session, lambda v: v["acknowledged_seq"] == 5)
    first = refused(pair, since, 2)
    since = pair.patient.mark()
    for command in sent:
        pair.patient.say(pair.session, command)
    extra = pair.enter(born="1990-05-17")
    assert extra["revision"] == view["revision"] + 1
    assert refused(pair, since, 2) == first
    assert [r["code"] for r in first] == ["unknown_field", "field_not_on_this_step"]


def test_a_device_that_lost_its_memory_goes_on(pair: Pair) -> None:
    """`acknowledged_seq` + 1 is the next, for a device that knows nothing but its credential."""
    pair.enter(name="Ada")
    pair.fill_in_vain("ENTER_FIELD", "unknown_field", field_id="nothing", value=1)
    pair.patient.vanish()
    fresh = pair.room.device(pair.patient.device, pair.patient.secret)
    view = fresh.view(pair.session)
    assert view["acknowledged_seq"] == 2
    fresh.seq[pair.session] = view["acknowledged_seq"]
    assert fresh.do(pair.session, "ENTER_FIELD", field_id="name", value="Grace")["fields"]["name"]


def test_a_command_twice_in_one_object_counts_once(pair: Pair) -> None:
    """Duplicate keys do not get a command applied that is not what it seems."""
    body = json.dumps(
        {
            "v": 1,
            "type": "ENTER_FIELD",
            "command_id": str(uuid.uuid4()),
            "seq": 1,
            "field_id": "name",
            "value": "Ada",
        }
    )
    doubled = body[:-1] + ', "field_id": "born", "value": "1990-05-17"}'
    since = pair.patient.mark()
    topic = f"{ROOT}/sessions/{pair.session}/commands/{pair.patient.device}"
    pair.patient.publish(topic, doubled)
    pair.patient.wait(
        lambda m: (
            m.topic.endswith(f"/{pair.patient.device}")
            and (m.json.get("code") == "malformed" or m.json.get("acknowledged_seq") == 1)
        ),
        since,
    )
    fields = pair.both()[1]["fields"]
    assert fields in ({}, {"born": {"value": "1990-05-17"}})
