"""The table of legal moves: who may send which command in which phase, and what decides it.

A legal move is a row; a missing row is a refusal. `docs/reference/states.md` is generated from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.wire import commands as c
from schemas.wire.rejections import RejectionCode
from session_controller.engine import facility_moves as facility
from session_controller.engine import patient_moves as patient
from session_controller.engine import signature_moves as signature
from session_controller.engine.context import Context
from session_controller.engine.events import Fact
from session_controller.engine.refusal import SESSION_ENDED, Refusal
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState


class Phase(StrEnum):
    """The phase a session is in."""

    OPEN = "open"
    SIGNING = "signing"
    PAUSED = "paused"
    ENDED = "ended"


class Party(StrEnum):
    """Who may send a command."""

    HOST = "host"
    FACILITY = "facility"
    """Any facility screen, host or not."""
    PATIENT = "patient"


Decide = Callable[[Session, Any, Context], Fact | Refusal]


@dataclass(frozen=True, slots=True)
class Move:
    """A row: who, in which phases, and the function that checks the rest."""

    party: Party
    phases: frozenset[Phase]
    decide: Decide


_OPEN = frozenset({Phase.OPEN})
_SIGNING = frozenset({Phase.SIGNING})
_RUNNING = _OPEN | _SIGNING
_UNTIL_ENDED = _RUNNING | {Phase.PAUSED}

MOVES: Mapping[type[c.CommandBase], Move] = {
    c.Navigate: Move(Party.HOST, _OPEN, facility.navigate),
    c.HighlightField: Move(Party.HOST, _RUNNING, facility.highlight_field),
    c.RequestSignature: Move(Party.HOST, _OPEN, signature.request_signature),
    c.CancelSignature: Move(Party.HOST, _SIGNING, signature.cancel_signature),
    c.RequestCorrection: Move(Party.HOST, _RUNNING, facility.request_correction),
    c.ReviewDocument: Move(Party.HOST, _RUNNING, facility.review_document),
    c.FetchDocument: Move(Party.HOST, _RUNNING, facility.fetch_document),
    c.SendHelp: Move(Party.HOST, _UNTIL_ENDED, facility.send_help),
    c.AnswerHelp: Move(Party.HOST, _RUNNING, facility.answer_help),
    c.SetSelfPaced: Move(Party.HOST, _RUNNING, facility.set_self_paced),
    c.CoverScreen: Move(Party.HOST, _RUNNING, facility.cover_screen),
    c.Pause: Move(Party.HOST, _RUNNING, facility.pause),
    c.Resume: Move(Party.HOST, _UNTIL_ENDED, facility.resume),
    c.ReplacePatientDevice: Move(Party.HOST, _RUNNING, facility.replace_patient_device),
    c.TakeOver: Move(Party.FACILITY, _RUNNING, facility.take_over),
    c.Complete: Move(Party.HOST, _OPEN, facility.complete),
    c.Cancel: Move(Party.HOST, _UNTIL_ENDED, facility.cancel),
    c.EnterField: Move(Party.PATIENT, _OPEN, patient.enter_field),
    c.ClearField: Move(Party.PATIENT, _OPEN, patient.clear_field),
    c.FocusField: Move(Party.PATIENT, _OPEN, patient.focus_field),
    c.ReportReading: Move(Party.PATIENT, _OPEN, patient.report_reading),
    c.BeginUpload: Move(Party.PATIENT, _OPEN, patient.begin_upload),
    c.FinishUpload: Move(Party.PATIENT, _OPEN, patient.finish_upload),
    c.SubmitSignature: Move(Party.PATIENT, _SIGNING, signature.submit_signature),
    c.DeclineSignature: Move(Party.PATIENT, _SIGNING, signature.decline_signature),
    c.WithdrawSignature: Move(Party.PATIENT, _OPEN, signature.withdraw_signature),
    c.ReportReady: Move(Party.PATIENT, _OPEN, patient.report_ready),
    c.AskForHelp: Move(Party.PATIENT, _UNTIL_ENDED, patient.ask_for_help),
    c.ReportIdle: Move(Party.PATIENT, _UNTIL_ENDED, patient.report_idle),
    c.ReportScreen: Move(Party.PATIENT, _UNTIL_ENDED, patient.report_screen),
}

BLOCKED: Mapping[Phase, Refusal] = {
    Phase.OPEN: Refusal(RejectionCode.NO_SIGNATURE_REQUESTED, "No signature has been requested."),
    Phase.SIGNING: Refusal(
        RejectionCode.LOCKED_FOR_SIGNATURE, "Not possible while a signature is requested."
    ),
    Phase.PAUSED: Refusal(RejectionCode.SESSION_PAUSED, "The session is paused."),
    Phase.ENDED: SESSION_ENDED,
}
"""The refusal of a command that has no row in a phase."""

NOT_THE_HOST = Refusal(RejectionCode.NOT_THE_HOST, "Another screen leads this session.")


def phase_of(state: SessionState) -> Phase:
    """Return the phase of a session: ended takes precedence over paused, paused over signing."""
    if state.status.ended:
        return Phase.ENDED
    if state.paused:
        return Phase.PAUSED
    return Phase.SIGNING if state.signing else Phase.OPEN
