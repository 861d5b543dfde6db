"""Payloads: what goes out comes back, and nothing that is not of the contract gets in."""

import json
import re
import sys
import tracemalloc
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import CONTROLS, rfc3339, written
from schemas.wire.commands import EnterField, Reason
from schemas.wire.destinations import is_safe
from schemas.wire.devices import CODE_ALPHABET, CODE_LENGTH, Assignment, normalize_code, show_code
from schemas.wire.parse import Unreadable, read_claim, read_command, read_presence, read_request
from schemas.wire.rejections import RejectionCode
from tests.schemas.samples import (
    COMMAND_ID,
    commands_of_every_type,
    facility_view,
    from_controller,
    from_devices,
    patient_view,
    requests_of_every_type,
)

READERS = (read_command, read_request, read_presence, read_claim)
SECRET = "Zebulon-1963"


def name(value):
    """Name a parameter by its type."""
    return type(value).__name__


@pytest.mark.parametrize("command", commands_of_every_type(), ids=name)
def test_every_command_round_trips(command):
    """A command that is written reads as itself."""
    assert read_command(command.to_json()) == command


@pytest.mark.parametrize("request_", requests_of_every_type(), ids=name)
def test_every_request_round_trips(request_):
    """A request that is written reads as itself."""
    assert read_request(request_.to_json()) == request_


@pytest.mark.parametrize("payload", from_controller(), ids=name)
def test_what_the_controller_says_round_trips(payload):
    """Views, answers, refusals and small payloads read as what was written."""
    assert type(payload).model_validate_json(payload.to_json()) == payload


@pytest.mark.parametrize("payload", [*from_devices(), *from_controller()], ids=name)
def test_payloads_are_written_as_pydantic_writes_them(payload):
    """The quick way of writing gives the same keys and values, absent ones left out."""
    assert json.loads(payload.to_json()) == json.loads(payload.model_dump_json())


@pytest.mark.parametrize("value", [2**63, -(10**30), {"deep": [1.5, 2**70]}, 1e22, "ä\u2028\x7f"])
def test_any_value_that_json_has_is_written(value):
    """Integers of more than 64 bits too, which a patient may enter."""
    entered = EnterField(command_id=COMMAND_ID, seq=1, field_id="f", value=value)
    assert json.loads(entered.to_json())["value"] == value
    assert read_command(entered.to_json()) == entered


def test_a_payload_that_is_kept_takes_no_more_than_it_has():
    """The broker holds one for each topic that is retained: no writer's buffer stays behind it."""
    assignment = Assignment(session=None)
    assignment.to_json()
    tracemalloc.start()
    try:
        kept = [assignment.to_json() for _ in range(100)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 100 * (len(kept[0]) + 200)


def test_what_is_not_json_is_not_written():
    """Bytes and sets are refused, not written as something else."""
    for value in (b"bytes", {1, 2}, object()):
        with pytest.raises(TypeError):
            written({"value": value})


@pytest.mark.parametrize("payload", [*from_devices(), *from_controller()], ids=name)
def test_every_object_bears_the_version(payload):
    """Each payload has `v`: 1."""
    assert json.loads(payload.to_json())["v"] == 1


@pytest.mark.parametrize("payload", [*from_devices(), *from_controller()], ids=name)
def test_fields_that_are_not_known_are_ignored(payload):
    """A newer sender's extra key changes nothing."""
    body = json.loads(payload.to_json()) | {"a_later_field": 1}
    assert type(payload).model_validate_json(json.dumps(body)) == payload


@pytest.mark.parametrize("payload", [*from_devices(), *from_controller()], ids=name)
def test_payloads_are_frozen(payload):
    """Nobody changes a payload after it was read."""
    with pytest.raises(ValidationError):
        payload.v = 2


def test_the_codes_are_those_of_the_contract():
    """The closed set of refusal codes."""
    expected = """
        malformed unknown_type unsupported_version unknown_session not_a_participant
        not_allowed_for_role not_the_host session_ended session_paused locked_for_signature
        no_signature_requested unknown_step unknown_field field_not_on_this_step
        wrong_field_kind step_incomplete session_incomplete stale_revision sequence_gap
        sequence_reused document_changed upload_incomplete upload_corrupt too_large too_many
        code_refused sign_in_required pin_refused sign_in_refused unavailable
    """
    assert sorted(RejectionCode) == sorted(expected.split())


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
@example(b"")
@example(b"null")
@example(b"[" * 5000)
@example(b'{"v":1e999}')
@example(b"\xff\xfe")
@example(b'{"a":' * 3000)
def test_garbage_is_a_value_and_never_an_error(payload):
    """Bytes that are no payload read as `Unreadable`."""
    for read in READERS:
        found = read(payload)
        assert isinstance(found, Unreadable)
        assert found.code is RejectionCode.MALFORMED


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
keys = st.sampled_from(
    ["v", "type", "command_id", "seq", "field_id", "value", "strokes", "request_id", "code"]
)


@given(st.dictionaries(keys | st.just(SECRET), json_values, max_size=8))
def test_what_cannot_be_read_is_never_repeated(body):
    """The message of an unreadable payload holds nothing that the sender wrote as a value."""
    for read in READERS:
        found = read(json.dumps(body).encode())
        if isinstance(found, Unreadable):
            assert SECRET not in found.message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, RejectionCode.UNSUPPORTED_VERSION),
        ({"v": 2, "type": "A_LATER_TYPE"}, RejectionCode.UNSUPPORTED_VERSION),
        ({"v": "1"}, RejectionCode.MALFORMED),
        ({"v": True}, RejectionCode.MALFORMED),
        ({"type": "SELF_DESTRUCT"}, RejectionCode.UNKNOWN_TYPE),
        ({"type": None}, RejectionCode.UNKNOWN_TYPE),
        ({"seq": 0}, RejectionCode.MALFORMED),
        ({"seq": "12"}, RejectionCode.MALFORMED),
        ({"seq": 12.5}, RejectionCode.MALFORMED),
        ({"seq": True}, RejectionCode.MALFORMED),
        ({"seq": 2**53}, RejectionCode.MALFORMED),
        ({"command_id": "12"}, RejectionCode.MALFORMED),
        ({"fraction": 1.01}, RejectionCode.MALFORMED),
        ({"fraction": "0.5"}, RejectionCode.MALFORMED),
        ({"field_id": ""}, RejectionCode.MALFORMED),
        ({"field_id": "x" * 1025}, RejectionCode.MALFORMED),
    ],
)
def test_types_are_strict_and_refusals_say_which(change, code):
    """Nothing is converted: a wrong type is malformed, another version or type is named so."""
    body = {
        "v": 1,
        "type": "REPORT_READING",
        "command_id": COMMAND_ID,
        "seq": 12,
        "field_id": "notice",
        "fraction": 0.5,
    }
    assert not isinstance(read_command(json.dumps(body).encode()), Unreadable)
    found = read_command(json.dumps(body | change).encode())
    assert isinstance(found, Unreadable)
    assert found.code is code


def test_what_could_be_read_of_a_refused_command_is_kept():
    """The sender hears which of its commands it was."""
    body = {"v": 1, "type": "NAVIGATE", "command_id": COMMAND_ID, "seq": 3}
    found = read_command(json.dumps(body).encode())
    assert isinstance(found, Unreadable)
    assert (found.command_id, found.seq) == (COMMAND_ID, 3)
    assert found.message == "Missing or invalid: step_id."


@pytest.mark.parametrize("missing", ["code", "session"])
def test_a_join_names_a_code_or_a_session(missing):
    """JOIN_SESSION with both or neither is malformed."""
    body = {"v": 1, "type": "JOIN_SESSION", "request_id": "r", "code": "A", "session": "s"}
    both = read_request(json.dumps(body).encode())
    assert isinstance(both, Unreadable)
    one = read_request(json.dumps({k: v for k, v in body.items() if k != missing}).encode())
    assert not isinstance(one, Unreadable)


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999", '{"a":[{"b":NaN}]}'])
def test_only_finite_numbers_come_in(value):
    """JSON has no NaN and no infinity (RFC 8259, 6), and no value of ours is one."""
    text = (
        f'{{"v":1,"type":"ENTER_FIELD","command_id":"{COMMAND_ID}","seq":1,"field_id":"a","value":'
    )
    assert not isinstance(read_command(f"{text}1.5}}".encode()), Unreadable)
    found = read_command(f"{text}{value}}}".encode())
    assert isinstance(found, Unreadable)
    assert found.message == "Missing or invalid: value."


def test_optional_keys_are_left_out():
    """A command without override or expectation does not mention them."""
    body = json.loads(commands_of_every_type()[1].to_json())
    assert "expected_revision" not in body
    assert body["field_id"] is None


def test_the_sensitive_value_is_masked_on_the_wire():
    """A masked value tells its length and nothing else."""
    body = json.loads(facility_view().to_json())
    assert body["fields"]["ssn"]["value"] == {"masked": True, "length": 9}


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001
def test_times_are_rfc3339_in_utc_with_milliseconds(moment):
    """A time is written with three digits and Z, and reads as the same moment."""
    text = rfc3339(moment.replace(tzinfo=UTC))
    assert text.endswith("Z")
    assert len(text.rpartition(".")[2]) == len("000Z")
    view = patient_view(updated_at=moment.replace(tzinfo=UTC))
    assert json.loads(view.to_json())["updated_at"] == text


@given(st.text(CODE_ALPHABET, min_size=CODE_LENGTH, max_size=CODE_LENGTH))
def test_a_code_is_read_as_people_type_it(code):
    """Case, spaces and hyphens do not matter (RFC 8628, 6.1)."""
    shown = show_code(code)
    assert normalize_code(shown.lower()) == normalize_code(shown.replace("-", " ")) == code


def test_request_and_command_types_do_not_overlap():
    """A request on a command topic is refused as an unknown type, and the other way round."""
    for request_ in requests_of_every_type():
        found = read_command(request_.to_json())
        assert isinstance(found, Unreadable)
        assert found.code is RejectionCode.UNKNOWN_TYPE
    for command in commands_of_every_type():
        found = read_request(command.to_json())
        assert isinstance(found, Unreadable)
        assert found.code is RejectionCode.UNKNOWN_TYPE


WRITTEN_WITH = {
    *"\u061c\u200e\u200f",  # marks of direction
    *"\u180e\u200b\u200c\u200d",  # Mongolian; Khmer, Persian, Indic scripts, emoji
    *map(chr, (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)),
}
"""The format characters that languages need: the rule is in `schemas/base.py`."""


def test_controls_and_formats_are_in_no_line():
    """Of Unicode's Cc, Cf, Zl and Zp, a line has only what languages are written with."""
    refused = re.compile(f"[{CONTROLS}]")
    for character in map(chr, range(sys.maxunicode + 1)):
        acts = unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}
        expected = acts and character not in WRITTEN_WITH
        is_reserved = unicodedata.category(character) == "Cn"
        assert is_reserved or bool(refused.match(character)) == expected, character


@pytest.mark.parametrize("bad", ["\n", "\x1b", "\x9b", "\u2028", "\u202e", "\u2066", "\U000e0041"])
def test_a_name_with_a_control_is_refused(bad):
    """On the wire, names and labels are one line that acts on no terminal."""
    request = {
        "v": 1,
        "type": "CHANGE_DEVICE",
        "request_id": "r",
        "device": "d",
        "name": f"a{bad}b",
    }
    found = read_request(json.dumps(request).encode())
    assert isinstance(found, Unreadable)
    assert "name" in found.message
    request["name"] = "\u0645\u06cc\u200c\u062e"
    assert not isinstance(read_request(json.dumps(request).encode()), Unreadable)


def test_a_reason_has_lines():
    """A reason is typed on several lines, without other controls."""
    reason = TypeAdapter(Reason)
    assert reason.validate_python("a\r\n\tb\u2028c") == "a\r\n\tb\u2028c"
    with pytest.raises(ValidationError):
        reason.validate_python("a\x1bb")


LOCAL, FAR = "http://127.0.0.1:8080/fhir", "https://fhir.example/r4"


@pytest.mark.parametrize(
    ("url", "base", "safe"),
    [
        ("https://auth.example/token?tenant=1", FAR, True),
        ("https://auth.example/token", LOCAL, True),
        *((f"http://{host}/token", LOCAL, True) for host in ("127.0.0.1:9", "localhost", "[::1]")),
        ("http://127.0.0.1/token", FAR, False),
        ("http://evil.example/token", LOCAL, False),
        ("http://evil.example?@127.0.0.1/token", LOCAL, False),
        ("http://evil.example#@127.0.0.1/token", LOCAL, False),
        ("http://evil.example\\@127.0.0.1/token", LOCAL, False),
        ("http://evil.example:80@127.0.0.1/token", LOCAL, False),
        ("http://127.0.0.1.evil.example/token", LOCAL, False),
        ("http:///127.0.0.1/token", LOCAL, False),
        ("ht\ntp://127.0.0.1/token", LOCAL, False),
        ("http://127.0.0.1\u2044.evil.example/token", LOCAL, False),
        ("http://[127.0.0.1/token", LOCAL, False),
        ("ftp://127.0.0.1/token", LOCAL, False),
        ("https:///token", FAR, False),
        ("https://user@auth.example/token", FAR, False),
        ("//127.0.0.1/token", LOCAL, False),
        ("", LOCAL, False),
    ],
)
def test_a_secret_goes_where_it_is_encrypted(url, base, safe):
    """Or to this machine, where the server that names the URL is as well."""
    assert is_safe(url, base) is safe


def test_an_unencrypted_url_may_be_allowed():
    """As a destination without encryption is; but no other scheme."""
    assert is_safe("http://auth.example/token", "http://fhir.example", plain=True)
    assert not is_safe("file://auth.example/token", FAR, plain=True)
    assert not is_safe("http://u@auth.example/token", FAR, plain=True)
