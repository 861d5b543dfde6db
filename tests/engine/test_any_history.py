"""Any sequence of commands by anyone keeps the rules."""

import string
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from schemas.wire.rejections import RejectionCode as Code
from schemas.wire.views import SignatureStatus
from session_controller.engine import events as f
from session_controller.engine.evidence import evidence
from session_controller.engine.history import replay
from session_controller.engine.moves import Phase, phase_of
from session_controller.engine.session import Session
from tests.conftest import FULL
from tests.engine.play import HOST, OTHER, PATIENT, Play
from tests.engine.test_moves import FLOW, SHA

FIELDS = st.sampled_from(
    ["name", "ssn", "smokes", "packs", "photo", "terms", "sign", "meds", "meds[0]", "meds[1]",
     "meds[0].drug", "meds[1].drug", "meds[2].dose", "meds[x].drug", "who", "nothing"]
)  # fmt: skip
STEPS = st.sampled_from(["who", "card", "meds", "agree", "nowhere"])
TEXT = st.text(string.ascii_letters + " é\u200d<", min_size=1, max_size=12)
TYPED = st.text(string.ascii_letters + " é\u202e<", min_size=1, max_size=12)
"""What is typed into a field: the wire takes it, and it is said what is wrong with it."""
VALUES = st.one_of(
    TYPED,
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(TYPED),
)
SCREENS = st.sampled_from([HOST, OTHER, PATIENT])
UPLOADS = st.sampled_from(["u1", "u2"])
REASONS = st.one_of(st.none(), TEXT)

COMMANDS: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.tuples(
        st.just("NAVIGATE"), st.fixed_dictionaries({"step_id": STEPS, "override_reason": REASONS})
    ),
    st.tuples(st.just("ENTER_FIELD"), st.fixed_dictionaries({"field_id": FIELDS, "value": VALUES})),
    st.tuples(
        st.sampled_from(
            ["CLEAR_FIELD", "REQUEST_SIGNATURE", "FETCH_DOCUMENT", "WITHDRAW_SIGNATURE"]
        ),
        st.fixed_dictionaries({"field_id": FIELDS}),
    ),
    st.tuples(
        st.sampled_from(["HIGHLIGHT_FIELD", "FOCUS_FIELD"]),
        st.fixed_dictionaries({"field_id": st.one_of(st.none(), FIELDS)}),
    ),
    st.tuples(
        st.just("REQUEST_CORRECTION"),
        st.fixed_dictionaries({"field_id": FIELDS, "message": TEXT}),
    ),
    st.tuples(
        st.just("REVIEW_DOCUMENT"),
        st.fixed_dictionaries({"field_id": FIELDS, "accepted": st.booleans()}),
    ),
    st.tuples(
        st.just("REPORT_READING"),
        st.fixed_dictionaries(
            {"field_id": FIELDS, "fraction": st.floats(0, 1)},
            optional={"seconds": st.floats(0, 1000)},
        ),
    ),
    st.tuples(
        st.just("BEGIN_UPLOAD"),
        st.fixed_dictionaries(
            {
                "field_id": FIELDS,
                "upload": UPLOADS,
                "size": st.integers(1, 9),
                "sha256": st.just(SHA),
                "media_type": st.just("image/png"),
            }
        ),
    ),
    st.tuples(st.just("REPORT_READY"), st.fixed_dictionaries({"step_id": STEPS})),
    st.tuples(
        st.just("SET_SELF_PACED"),
        st.fixed_dictionaries({"self_paced": st.sampled_from([True, True, False, None])}),
    ),
    st.tuples(st.just("FINISH_UPLOAD"), st.fixed_dictionaries({"upload": UPLOADS})),
    st.tuples(st.just("COVER_SCREEN"), st.fixed_dictionaries({"covered": st.booleans()})),
    st.tuples(st.just("REPLACE_PATIENT_DEVICE"), st.just({"device": None})),
    st.tuples(
        st.sampled_from(
            [
                "CANCEL_SIGNATURE",
                "SEND_HELP",
                "ANSWER_HELP",
                "PAUSE",
                "RESUME",
                "TAKE_OVER",
                "COMPLETE",
                "DECLINE_SIGNATURE",
                "ASK_FOR_HELP",
            ]
        ),
        st.just({}),
    ),
)
MAY_MOVE_WHILE_SIGNING = {
    "HIGHLIGHT_FIELD", "CANCEL_SIGNATURE", "REQUEST_CORRECTION", "REVIEW_DOCUMENT",
    "FETCH_DOCUMENT", "SEND_HELP", "ANSWER_HELP", "SET_SELF_PACED", "COVER_SCREEN", "PAUSE",
    "RESUME", "REPLACE_PATIENT_DEVICE", "TAKE_OVER", "CANCEL", "SUBMIT_SIGNATURE",
    "DECLINE_SIGNATURE",
}  # fmt: skip


class AnyHistory(RuleBasedStateMachine):
    """Screens that send whatever they like."""

    @initialize()
    def begin(self) -> None:
        """Open a session."""
        self.play = Play(FLOW)

    @rule(screen=SCREENS, sent=COMMANDS)
    def send(self, screen: str, sent: tuple[str, dict[str, Any]]) -> None:
        """Send any command, and check its outcome against the rules."""
        before = self.play.session
        if screen == PATIENT and before.state.patient != PATIENT:
            return
        kind, fields = sent
        outcome = self.play.send(screen, kind, **fields)
        self.check(before, screen, kind, outcome)

    @rule(
        field_id=st.sampled_from(["name", "meds[0].drug", "meds[1].drug", "meds[0].dose"]),
        value=TEXT,
    )
    def fill(self, field_id: str, value: str) -> None:
        """Enter what lets the session get anywhere at all."""
        if self.play.session.state.patient == PATIENT:
            before = self.play.session
            self.check(before, PATIENT, "ENTER_FIELD", self.play.enter(field_id, value))

    @rule(screen=SCREENS, step_id=STEPS, reason=st.sampled_from([None, "lost"]))
    def move(self, screen: str, step_id: str, reason: str | None) -> None:
        """Try to move everyone, from whatever screen."""
        if screen == PATIENT and self.play.session.state.patient != PATIENT:
            return
        before = self.play.session
        outcome = self.play.send(screen, "NAVIGATE", step_id=step_id, override_reason=reason)
        self.check(before, screen, "NAVIGATE", outcome)

    @rule(fraction=st.floats(0, 1), number=st.integers(0, 2))
    def act_on_the_group(self, fraction: float, number: int) -> None:
        """Ask for a correction in an instance, or take an instance out; read a little."""
        state = self.play.session.state
        if state.patient != PATIENT or state.host is None:
            return
        for screen, kind, fields in (
            (PATIENT, "REPORT_READING", {"field_id": "terms", "fraction": fraction}),
            (
                state.host,
                "REQUEST_CORRECTION",
                {"field_id": f"meds[{number}].drug", "message": "please"},
            ),
            (PATIENT, "CLEAR_FIELD", {"field_id": f"meds[{number - 1}]"}),
        ):
            before = self.play.session
            self.check(before, screen, kind, self.play.send(screen, kind, **fields))

    @precondition(lambda self: self.play.session.state.signing)
    @rule(right=st.booleans())
    def sign(self, right: bool) -> None:
        """Sign what is asked for, or something else."""
        if self.play.session.state.patient != PATIENT:
            return
        before = self.play.session
        field_id = before.state.signing or ""
        sha256 = before.state.signatures[field_id].document_sha256 if right else SHA
        signed = {"field_id": field_id, "strokes": [[[0, 0, 0]]], "document_sha256": sha256}
        outcome = self.play.patient("SUBMIT_SIGNATURE", **signed)
        self.check(before, PATIENT, "SUBMIT_SIGNATURE", outcome)

    @rule()
    def another_patient(self) -> None:
        """Reconnect the patient's screen after it was replaced."""
        if self.play.session.state.patient is None and phase_of(self.play.session.state) is not (
            Phase.ENDED
        ):
            joined = f.DeviceJoined(device=PATIENT, role=f.Role.PATIENT, online=True)
            self.play.happen(joined)

    def check(self, before: Session, screen: str, kind: str, outcome: f.Fact | Code) -> None:
        """Hold one step of the history against the rules."""
        old, new = before.state, self.play.session.state
        if isinstance(outcome, Code):
            assert new.revision == old.revision
            assert new.answers == old.answers
            assert new.step_index == old.step_index
        else:
            assert new.revision == old.revision + 1
            assert phase_of(old) is not Phase.ENDED
        if new.step_index != old.step_index:
            if screen == PATIENT:
                assert kind == "REPORT_READY", "the patient moves the flow"
                assert before.may_advance, "without leave"
                assert before.assessment.steps[old.step_index].complete
            else:
                assert (screen, kind) == (old.host, "NAVIGATE"), "only the host moves the flow"
        if new.answers != old.answers:
            assert screen == PATIENT, "only the patient enters"
        if phase_of(old) is Phase.SIGNING and not isinstance(outcome, Code):
            assert kind in MAY_MOVE_WHILE_SIGNING
        assert new.acknowledged[screen] == old.acknowledged.get(screen, 0) + 1

    @invariant()
    def replaying_gives_the_state(self) -> None:
        """The log alone rebuilds the state, judged the same."""
        again = replay(FLOW, self.play.events)
        assert again.state == self.play.session.state
        assert again.assessment.faults == self.play.session.assessment.faults
        assert Session.of(FLOW, again.state).assessment.steps == again.assessment.steps

    @invariant()
    def every_signature_has_its_evidence(self) -> None:
        """Whatever stands as signed is the last outcome that the log proves of its field."""
        proven = evidence(self.play.session, [(event, "") for event in self.play.events])
        last = {one.field_id: one for one in proven}
        for field_id, signature in self.play.session.state.signatures.items():
            if signature.status is not SignatureStatus.REQUESTED:
                assert last[field_id].outcome == signature.status
                assert last[field_id].document_sha256 == signature.document_sha256

    @invariant()
    def nothing_is_kept_of_what_is_not_there(self) -> None:
        """Whatever is kept by field id is of an instance that exists."""
        state = self.play.session.state
        count = state.instances.get("meds", 0)
        for kept in (
            state.answers,
            state.corrections,
            state.reading,
            state.reading_seconds,
            state.documents,
        ):
            for field_id in kept:
                if field_id.startswith("meds["):
                    assert int(field_id[5]) < max(count, 1), (
                        "the first is shown, even before it exists"
                    )

    @invariant()
    def who_is_ready_has_nothing_to_do(self) -> None:
        """A patient who is done with a step has left nothing of it undone."""
        session = self.play.session
        assert session.state.ready_since is None or not session.patient_faults

    @invariant()
    def screens_agree(self) -> None:
        """Both screens are at one step of one revision, and staff sees no sensitive value."""
        staff = self.play.staff_view
        ssn = self.play.session.state.answers.get("ssn")
        shown = staff.fields.get("ssn")
        assert shown is None or ssn is None or shown.value != ssn
        if self.play.session.state.patient == PATIENT:
            patient = self.play.patient_view
            assert (patient.revision, patient.step_id) == (staff.revision, staff.step_id)
            assert set(patient.fields) <= set(FLOW_FIELDS[patient.step_id])


FLOW_FIELDS = {
    "who": ["name", "ssn", "smokes", "packs"],
    "card": ["photo"],
    "meds": [f"meds[{n}].{field}" for n in range(100) for field in ("drug", "dose")],
    "agree": ["terms", "sign"],
}

AnyHistory.TestCase.settings = settings(
    max_examples=300 if FULL else 30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyHistory = AnyHistory.TestCase
