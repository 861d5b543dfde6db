"""What the log proves of each signature."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.wire.views import CoversScope
from session_controller.engine import events as f
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.events import Event
from session_controller.engine.evidence import SignatureEvidence, evidence
from session_controller.engine.state import Covers
from tests.engine.play import HOST, PATIENT, START, Play, flow_of, item
from tests.engine.test_signatures import CONSENT, FLOW, SIGNED, STROKES, asked, submit

ENGLISH = "Text of terms\n\nText of sign"
SPANISH = "Las condiciones\n\nEstoy de acuerdo"


@pytest.fixture
def play() -> Play:
    """Begin a session."""
    return Play(FLOW)


def read(play: Play) -> tuple[SignatureEvidence, ...]:
    """Read the evidence out of the log, with a hash for each event."""
    return evidence(play.session, [(event, f"{n:064x}") for n, event in enumerate(play.events)])


def sha256(text: str) -> str:
    """Hash a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_signature_is_told_whole(play: Play) -> None:
    """Text, hash, language, who asked, who signed, where, when, how, and its place in the log."""
    play.patient("REPORT_READING", field_id="terms", fraction=0.4, seconds=2)
    play.patient("REPORT_READING", field_id="terms", fraction=1, seconds=31.5)
    first, last = play.events[-2].at, play.events[-1].at
    hashes = asked(play, staff_name="Sam Poe")
    submit(play, hashes["es"], language="es", printed_name="Ana Roe", relationship="parent")
    (found,) = read(play)
    assert (found.outcome, found.field_id) == ("signed", "sign")
    assert (found.text, found.language) == (SPANISH, "es")
    assert found.document_sha256 == hashes["es"] == sha256(SPANISH)
    assert found.meaning == "Estoy de acuerdo"
    assert (found.flow_ref, found.flow_version) == (FLOW.flow_ref, FLOW.version)
    assert (found.requested_by, found.staff_name) == (HOST, "Sam Poe")
    assert (found.requested_at, found.decided_at) == (play.events[-2].at, play.events[-1].at)
    assert found.decided_on == PATIENT
    assert (found.printed_name, found.relationship) == ("Ana Roe", "parent")
    assert [[list(p) for p in stroke] for stroke in found.strokes] == STROKES
    (reading,) = found.reading
    assert (reading.field_id, reading.fraction, reading.seconds) == ("terms", 1, 31.5)
    assert (reading.first_at, reading.last_at) == (first, last)
    assert found.revision == play.session.state.revision
    assert found.chain == f"{len(play.events) - 1:064x}"


def test_every_outcome_is_told_in_order(play: Play) -> None:
    """Declined, signed, withdrawn, signed again: four outcomes of one field, none overwritten."""
    asked(play)
    play.patient("DECLINE_SIGNATURE", reason="not today")
    submit(play, asked(play)["es"], language="es", printed_name="Ana Roe")
    play.patient("WITHDRAW_SIGNATURE", field_id="sign", reason="too soon")
    submit(play, asked(play)[""])
    found = read(play)
    assert [one.outcome for one in found] == ["declined", "signed", "withdrawn", "signed"]
    assert [one.reason for one in found] == ["not today", None, "too soon", None]
    assert [one.text for one in found] == [ENGLISH, SPANISH, SPANISH, ENGLISH]
    assert [one.printed_name for one in found] == [None, "Ana Roe", "Ana Roe", None]
    assert [bool(one.strokes) for one in found] == [False, True, False, True]
    assert [one.revision for one in found] == sorted(one.revision for one in found)


def test_the_evidence_is_of_its_moment(play: Play) -> None:
    """What changes after a signature changes nothing of what was signed."""
    play.patient("REPORT_READING", field_id="terms", fraction=0.5, seconds=3)
    submit(play, asked(play)[""])
    before = read(play)
    play.enter("students", True)
    play.patient("REPORT_READING", field_id="terms", fraction=1, seconds=99)
    play.patient("REPORT_READING", field_id="more", fraction=1, seconds=5)
    (after,) = read(play)
    assert after.changed_after == ("students",)
    assert (replace(after, changed_after=()),) == before
    submit(play, asked(play)[""])
    again = read(play)[-1]
    assert again.text == "Text of terms\n\nText of more\n\nText of sign"
    assert [one.field_id for one in again.reading] == ["terms", "more"]


def test_a_withdrawal_names_what_was_signed(play: Play) -> None:
    """Even where another text stands there by then."""
    submit(play, asked(play)[""])
    play.enter("students", True)
    play.patient("WITHDRAW_SIGNATURE", field_id="sign")
    assert read(play)[-1].text == ENGLISH


def test_a_request_that_was_cancelled_came_to_nothing(play: Play) -> None:
    """What the staff took back, and what was refused, is no outcome."""
    hashes = asked(play)
    submit(play, hashes[""], language="fr")
    play.host("CANCEL_SIGNATURE")
    play.patient("WITHDRAW_SIGNATURE", field_id="sign")
    assert read(play) == ()


def test_a_signature_needs_no_name(play: Play) -> None:
    """One without names, and without a time of reading, gives text, hash and times all the same."""
    requested = f.SignatureRequested(
        field_id="sign", document_sha256=sha256(ENGLISH), covers=Covers(CoversScope.UP_TO_STEP, ())
    )
    play.happen(f.ReadingReported(field_id="terms", fraction=1), PATIENT, 1)
    play.happen(requested, HOST, 1)
    signed = f.Signed(
        field_id="sign",
        document_sha256=sha256(ENGLISH),
        covered_sha256=play.session.covered("sign", sha256(ENGLISH)).sha256,
        strokes=(((0, 0, 0),),),
    )
    play.happen(signed, PATIENT, 2)
    (found,) = read(play)
    assert (found.text, found.printed_name, found.staff_name) == (ENGLISH, None, None)
    assert found.reading[0].seconds is None


def test_signatures_move_up_with_their_instances() -> None:
    """Where an instance of a group is taken out, what was signed in the next one is found."""
    play = Play(
        flow_of(
            item(
                "visits",
                "group",
                repeats=True,
                item=[
                    item("why", "string"),
                    item("text", "display", extension=[CONSENT]),
                    item("sign", "display", extension=[SIGNED]),
                ],
            )
        )
    )
    for number in range(2):
        play.enter(f"visits[{number}].why", "x")
    play.patient("REPORT_READING", field_id="visits[1].text", fraction=1, seconds=7)
    play.host("REQUEST_SIGNATURE", field_id="visits[1].sign")
    asked_for = play.patient_view.signature
    assert asked_for is not None
    play.patient(
        "SUBMIT_SIGNATURE",
        field_id="visits[1].sign",
        strokes=STROKES,
        document_sha256=asked_for.document_sha256,
        printed_name="Ana Roe",
    )
    play.patient("CLEAR_FIELD", field_id="visits[0]")
    play.patient("WITHDRAW_SIGNATURE", field_id="visits[0].sign")
    signed, withdrawn = read(play)
    assert (signed.field_id, withdrawn.field_id) == ("visits[1].sign", "visits[0].sign")
    assert withdrawn.printed_name == "Ana Roe"
    assert [one.seconds for one in withdrawn.reading] == [7]


def test_a_log_that_cannot_be_is_a_fault(play: Play) -> None:
    """No opening, a signature for another text, a withdrawal of nothing: each is an error."""
    with pytest.raises(BrokenLogError, match="SessionOpened"):
        evidence(play.session, [(Event("s", 1, START, f.Paused()), "")])
    withdrawn = Event("s", 9, START + timedelta(hours=1), f.SignatureWithdrawn(field_id="sign"))
    with pytest.raises(BrokenLogError, match="does not exist"):
        evidence(play.session, [*((e, "") for e in play.events), (withdrawn, "")])
    asked(play)
    digest = sha256(ENGLISH)
    covered = play.session.covered("sign", digest).sha256
    strokes = (((0, 0, 0),),)
    requested = play.session
    for text, all_of_it, what in (("a" * 64, covered, "text"), (digest, "a" * 64, "answers")):
        play.session = requested
        forged = f.Signed(
            field_id="sign", document_sha256=text, covered_sha256=all_of_it, strokes=strokes
        )
        play.happen(forged, PATIENT, 1)
        with pytest.raises(BrokenLogError, match=f"another {what}|other {what}"):
            read(play)
        play.events.pop()


def test_who_was_signed_in_is_told_of_each_request(play: Play) -> None:
    """As the log has it: the person who asked, not one who signed in later."""
    submit(play, asked(play)[""])
    place = next(n for n, e in enumerate(play.events) if e.fact.type == "SignatureRequested")
    play.events[place] = play.events[place]._replace(person="sue-poe")
    assert [one.requested_person for one in read(play)] == ["sue-poe"]
