"""Signing mode: the lock, the ways out of it, and what the signature is bound to."""

import re
from typing import Any

import pytest

from .forms import SIGNATURE as SIGNATURE_REQUIRED
from .forms import STROKES, VISIT, begin, form, item, reach, sign
from .raw import Json, Pair, Room


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on the step with the signature, its text read."""
    found = Pair(clinic, VISIT)
    reach(found, "consent")
    found.fill("REPORT_READING", field_id="notice", fraction=1)
    return found


def requested(pair: Pair) -> str:
    """Ask for the signature; give the hash of what is to be signed."""
    pair.lead("REQUEST_SIGNATURE", field_id="agree")
    view = pair.patient.view(pair.session, lambda v: v["signature"])
    assert view["signature"]["status"] == "requested"
    digest: str = view["signature"]["document_sha256"]
    assert re.fullmatch("[0-9a-f]{64}", digest)
    return digest


def test_signing_mode_locks_everything_else(pair: Pair) -> None:
    """Every patient command but a call for help, and NAVIGATE: `locked_for_signature`."""
    requested(pair)
    uploaded = {"upload": "u-1", "size": 4, "sha256": "0" * 64, "media_type": "image/png"}
    pair.refuse_while(
        "locked_for_signature",
        [
            ("staff", "NAVIGATE", {"step_id": "papers"}),
            ("staff", "NAVIGATE", {"step_id": "end"}),
            ("patient", "ENTER_FIELD", {"field_id": "remark", "value": "x"}),
            ("patient", "CLEAR_FIELD", {"field_id": "remark"}),
            ("patient", "FOCUS_FIELD", {"field_id": "remark"}),
            ("patient", "REPORT_READING", {"field_id": "notice", "fraction": 1}),
            ("patient", "BEGIN_UPLOAD", {"field_id": "card", **uploaded}),
            ("patient", "FINISH_UPLOAD", {"upload": "u-1"}),
        ],
    )
    pair.fill("ASK_FOR_HELP")
    assert pair.both()[1]["step_id"] == "consent"


def test_a_signature_is_given(pair: Pair) -> None:
    """SUBMIT_SIGNATURE ends signing mode, and the step is complete."""
    digest = requested(pair)
    pair.fill("SUBMIT_SIGNATURE", field_id="agree", strokes=STROKES, document_sha256=digest)
    staff, patient = pair.both()
    expected = {"field_id": "agree", "status": "signed", "document_sha256": digest}
    assert {k: patient["signature"][k] for k in expected} == expected
    assert staff["signatures"]["agree"]["status"] == "signed"
    assert str(STROKES[0][1][0]) not in str(staff["signatures"])
    assert staff["steps"]["consent"]["filled"] == staff["steps"]["consent"]["required"] == 2
    pair.go("end")


def test_an_answer_of_its_step_that_changes_makes_a_signature_missing(pair: Pair) -> None:
    """`changed` on both screens, and nobody moves on until it is given again."""
    digest = requested(pair)
    pair.fill("SUBMIT_SIGNATURE", field_id="agree", strokes=STROKES, document_sha256=digest)
    pair.fill("ENTER_FIELD", field_id="remark", value="Fine")
    staff, patient = pair.both()
    assert staff["signatures"]["agree"]["changed"] is True
    assert patient["step_signatures"]["agree"]["changed"] is True
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="end")
    assert refusal["details"]["fields"] == ["agree"]
    pair.lead("REQUEST_SIGNATURE", field_id="agree")
    pair.fill("SUBMIT_SIGNATURE", field_id="agree", strokes=STROKES, document_sha256=digest)
    pair.go("end")


def test_a_signature_is_declined(pair: Pair) -> None:
    """DECLINE_SIGNATURE ends signing mode; the field is `declined`, and blocks moving on."""
    requested(pair)
    pair.fill("DECLINE_SIGNATURE", reason="I want to read it again")
    staff, patient = pair.both()
    assert patient["signature"]["status"] == "declined"
    assert staff["signatures"]["agree"]["status"] == "declined"
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="end")
    assert refusal["details"]["fields"] == ["agree"]
    pair.go("papers")
    pair.go("consent")
    sign(pair, "agree")
    pair.go("end")


def test_a_signature_request_is_taken_back(pair: Pair) -> None:
    """CANCEL_SIGNATURE leaves signing mode; the patient may go on, and cannot sign."""
    digest = requested(pair)
    pair.lead("CANCEL_SIGNATURE")
    assert pair.both()[1]["signature"] is None
    pair.fill_in_vain(
        "SUBMIT_SIGNATURE",
        "no_signature_requested",
        field_id="agree",
        strokes=STROKES,
        document_sha256=digest,
    )
    pair.fill("ENTER_FIELD", field_id="remark", value="Fine")


def test_without_a_request_nothing_is_signed(pair: Pair) -> None:
    """SUBMIT, DECLINE and CANCEL outside of signing mode are `no_signature_requested`."""
    pair.refuse_while(
        "no_signature_requested",
        [
            (
                "patient",
                "SUBMIT_SIGNATURE",
                {"field_id": "agree", "strokes": STROKES, "document_sha256": "0" * 64},
            ),
            ("patient", "DECLINE_SIGNATURE", {}),
            ("staff", "CANCEL_SIGNATURE", {}),
        ],
    )


def test_another_text_is_not_signed(pair: Pair) -> None:
    """A `document_sha256` that is not the requested one is `document_changed`; the lock stays."""
    digest = requested(pair)
    pair.fill_in_vain(
        "SUBMIT_SIGNATURE",
        "document_changed",
        field_id="agree",
        strokes=STROKES,
        document_sha256="0" * 64,
    )
    assert pair.both()[1]["signature"]["status"] == "requested"
    pair.fill("SUBMIT_SIGNATURE", field_id="agree", strokes=STROKES, document_sha256=digest)


def test_another_field_is_not_signed(pair: Pair) -> None:
    """A field that is not the requested one is refused, and the lock stays."""
    digest = requested(pair)
    for field, codes in {
        "nothing": {"unknown_field"},
        "remark": {"wrong_field_kind"},
        "name": {"wrong_field_kind", "field_not_on_this_step"},
        "notice": {"wrong_field_kind"},
    }.items():
        since = pair.patient.mark()
        command = pair.patient.send(
            pair.session,
            "SUBMIT_SIGNATURE",
            field_id=field,
            strokes=STROKES,
            document_sha256=digest,
        )
        answer = pair.patient.wait(lambda m: "/rejections/" in m.topic, since).json
        assert answer["command_id"] == command["command_id"]
        assert answer["code"] in codes | {"no_signature_requested"}, (field, answer)
    assert pair.both()[1]["signature"]["status"] == "requested"


@pytest.mark.parametrize(
    "strokes",
    [
        [],
        [[]],
        [[[0.1, 0.2]]],
        [[[0.1, 0.2, 0, 0]]],
        [[[1.1, 0.2, 0]]],
        [[[-0.1, 0.2, 0]]],
        [[["0.1", 0.2, 0]]],
        [[[0.1, 0.2, -1]]],
        [[0.1, 0.2, 0]],
        "strokes",
        None,
    ],
)
def test_strokes_that_are_none_are_malformed(pair: Pair, strokes: Any) -> None:
    """Strokes are lists of `[x, y, t_ms]` with x and y from 0 to 1, and there are some."""
    digest = requested(pair)
    pair.fill_in_vain(
        "SUBMIT_SIGNATURE",
        "malformed",
        field_id="agree",
        strokes=strokes,
        document_sha256=digest,
    )
    assert pair.both()[1]["signature"]["status"] == "requested"


def test_only_a_signature_field_of_this_step_is_requested(pair: Pair) -> None:
    """REQUEST_SIGNATURE of another kind, step or flow is refused."""
    for field, code in {
        "remark": "wrong_field_kind",
        "notice": "wrong_field_kind",
        "name": "field_not_on_this_step",
        "nothing": "unknown_field",
    }.items():
        pair.lead_in_vain("REQUEST_SIGNATURE", code, field_id=field)
    requested(pair)
    pair.lead_in_vain("REQUEST_SIGNATURE", "locked_for_signature", field_id="agree")


def test_the_signature_is_bound_to_what_was_shown(clinic: Room) -> None:
    """The hash differs with the text of the step, and so with what was entered into it or not."""
    plain = form(
        "plain",
        item("step", "group", item=[item("a", "display", "One", extension=[SIGNATURE_REQUIRED])]),
    )
    other = form(
        "other",
        item("step", "group", item=[item("a", "display", "Two", extension=[SIGNATURE_REQUIRED])]),
    )
    digests = set()
    for questionnaire in (plain, other):
        pair = Pair(clinic, questionnaire)
        pair.lead("REQUEST_SIGNATURE", field_id="a")
        view = pair.patient.view(pair.session, lambda v: v["signature"])
        digests.add(view["signature"]["document_sha256"])
    assert len(digests) == 2


def test_a_pause_covers_signing_mode_and_gives_it_back(pair: Pair) -> None:
    """PAUSE while a signature is open, RESUME, and the signature is still asked for."""
    digest = requested(pair)
    pair.lead("PAUSE")
    pair.fill_in_vain(
        "SUBMIT_SIGNATURE",
        "session_paused",
        field_id="agree",
        strokes=STROKES,
        document_sha256=digest,
    )
    pair.lead("RESUME")
    assert pair.both()[1]["signature"]["status"] == "requested"
    pair.fill("SUBMIT_SIGNATURE", field_id="agree", strokes=STROKES, document_sha256=digest)


def test_a_patient_who_reconnects_is_still_in_signing_mode(pair: Pair) -> None:
    """The lock is the session's, not the connection's."""
    digest = requested(pair)
    pair.patient.vanish()
    pair.patient.online()
    view = pair.patient.view(pair.session, lambda v: v["signature"])
    expected = {"field_id": "agree", "status": "requested", "document_sha256": digest}
    assert {k: view["signature"][k] for k in expected} == expected
    pair.fill("SUBMIT_SIGNATURE", field_id="agree", strokes=STROKES, document_sha256=digest)


def test_the_lock_leaves_an_open_upload_as_it_is(clinic: Room) -> None:
    """An upload begun before the request can be finished after it."""
    both = form(
        "both",
        item(
            "step",
            "group",
            item=[
                item("scan", "attachment"),
                item("a", "display", "One", extension=[SIGNATURE_REQUIRED]),
            ],
        ),
    )
    pair = Pair(clinic, both)
    begin(pair, "scan", "scan-1", b"\x89PNG")
    sign(pair, "a")
    view: Json = pair.both()[1]
    assert view["documents"]["scan"]["status"] == "receiving"
    assert view["signature"]["status"] == "signed"
