"""The demo's script, scene by scene; everything it claims is also checked."""

from collections.abc import Callable
from dataclasses import dataclass

from clients.cli.box_process import BoxProcess
from clients.demo.people import WITHIN_S, Clerk, Patient, demand
from clients.demo.stage import Stage
from clients.sdk.notifications import Connectivity
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import DocumentStatus, SessionStatus, SignatureStatus


@dataclass(frozen=True, slots=True)
class Cast:
    """The people and the box of the demo."""

    stage: Stage
    clerk: Clerk
    patient: Patient
    box: BoxProcess


CLERK = "Sam Poe"
"""The name of the signature's requester."""
SENT_WHILE_CUT_OFF = ("member-id", "takes-medicines")
"""Fields that the patient enters while disconnected; each must arrive once."""


def play(cast: Cast) -> None:
    """Play one guided check-in, from the first field to the submission."""
    for scene in SCENES:
        scene(cast)


def _about_you(cast: Cast) -> None:
    stage, clerk, patient = cast.stage, cast.clerk, cast.patient
    stage.scene("Who you are")
    stage.tell("The patient fills in the form; staff see each answer as it is stored.")
    patient.fill(until=lambda view: "last-name" in view.fields)
    stage.tell("“Your date of birth, please”: the front desk highlights the field.")
    clerk.client.highlight_field(clerk.session, "birth-date").result(WITHIN_S)
    shown = patient.client.wait_for(
        clerk.session, lambda view: view.highlight == "birth-date", WITHIN_S
    )
    demand(shown.highlight == "birth-date", "the tablet did not show the highlight")
    stage.pause(2)
    patient.enter("birth-date").result(WITHIN_S)
    patient.fill()
    patient.enter("social-security-number").result(WITHIN_S)
    stage.tell("The Social Security number is masked on the front-desk screen.")
    clerk.moves_on()


def _contact(cast: Cast) -> None:
    stage, clerk, patient = cast.stage, cast.clerk, cast.patient
    stage.scene("How we reach you")
    patient.fill(until=lambda view: "zip" in view.fields)
    stage.tell("An invalid phone number: both screens show what is wrong with it.")
    patient.enter("mobile-phone", "12").result(WITHIN_S)
    message = clerk.is_refused(clerk.navigate(), RejectionCode.STEP_INCOMPLETE)
    stage.tell(f"The front desk cannot move on: “{message}”")
    patient.asks_for_help()
    clerk.sees("the call for help", lambda view: view.help_requested)
    stage.tell("The patient requests help, and the front desk answers.")
    clerk.client.answer_help(clerk.session).result(WITHIN_S)
    patient.enter("mobile-phone").result(WITHIN_S)
    patient.fill()
    stage.tell("The front desk requests a correction: the ZIP code and the city do not match.")
    clerk.client.request_correction(clerk.session, "zip", "Is it 04102?").result(WITHIN_S)
    stage.pause(2)
    patient.enter("zip", "04102").result(WITHIN_S)
    clerk.moves_on()


def _identity(cast: Cast) -> None:
    stage, clerk, patient = cast.stage, cast.clerk, cast.patient
    stage.scene("Identity document")
    patient.fill()
    clerk.sees(
        "the photo", lambda view: view.documents["id-front"].status is DocumentStatus.RECEIVED
    )
    stage.tell("The photo is here, checked byte for byte. Too dark: the front desk rejects it.")
    clerk.reviews("id-front", reason="Too dark, please try again near the window.")
    stage.pause(2)
    patient.fill()
    clerk.reviews("id-front")
    stage.tell("The second photo is accepted.")
    clerk.moves_on()


def _insurance(cast: Cast) -> None:
    stage, clerk, patient = cast.stage, cast.clerk, cast.patient
    stage.scene("Insurance: the tablet is unplugged")
    patient.fill(until=lambda view: "payer" in view.fields)
    device = patient.client.credential.device
    stage.tell("The cable is pulled: the connection is lost without warning.", 1)
    step = patient.view.step_id
    patient.client.interrupt()
    clerk.sees("that the tablet is offline", lambda view: not view.participants[device].online)
    late = patient.enter("member-id")
    stage.tell("Ana does not notice and keeps typing. The tablet stores what she enters.", 1)
    demand(not late.done(), "an answer arrived although the connection was lost")
    clerk.sees("the tablet again", lambda view: view.participants[device].online)
    late.result(WITHIN_S)
    demand(patient.view.step_id == step, "the tablet returned to another step")
    stage.tell("Plugged in again: the same step, and the answer arrived exactly once.")
    patient.fill()
    for field_id in ("card-front", "card-back"):
        clerk.reviews(field_id)
    clerk.moves_on()


def _health(cast: Cast) -> None:
    stage, clerk, patient, box = cast.stage, cast.clerk, cast.patient, cast.box
    stage.scene("Your health: the box is killed")
    patient.fill(until=lambda view: "smoking" in view.fields)
    before = clerk.view
    stage.tell(f"kill -9 {box.pid}: the box is gone in the middle of a session.", 1)
    box.kill()
    for client in (clerk.client, patient.client):
        client.wait_until(Connectivity, lambda now: not now.online, WITHIN_S)
    late = patient.enter("takes-medicines")
    stage.tell("Both screens are disconnected; Ana keeps typing. The box is restarted …", 1)
    demand(not late.done(), "an answer arrived although the box was killed")
    box.start()
    after = clerk.sees(
        "both screens, after the restart",
        lambda view: (
            view.revision > before.revision
            and all(who.online for who in view.participants.values())
        ),
    )
    demand(after.step_id == before.step_id, "the box returned to another step")
    late.result(WITHIN_S)
    kept = before.fields.items() <= clerk.view.fields.items()
    demand(kept, "an answer changed during the restart")
    mine = patient.client.wait_for(
        clerk.session, lambda view: view.revision >= after.revision, WITHIN_S
    )
    demand(mine.step_id == before.step_id, "the tablet returned to another step")
    stage.tell("… and both return to the same step, with every answer.")
    patient.fill()
    clerk.moves_on()


def _privacy(cast: Cast) -> None:
    cast.stage.scene("Privacy notice")
    cast.patient.fill()
    cast.clerk.moves_on()


def _consent(cast: Cast) -> None:
    stage, clerk, patient = cast.stage, cast.clerk, cast.patient
    stage.scene("Consent")
    stage.tell("The consent must be read to its end before it can be signed.")
    patient.fill()
    clerk.client.request_signature(clerk.session, "signature", CLERK).result(WITHIN_S)
    patient.client.wait_for(
        clerk.session,
        lambda view: (
            view.signature is not None and view.signature.status is SignatureStatus.REQUESTED
        ),
        WITHIN_S,
    )
    clerk.is_refused(clerk.navigate(), RejectionCode.LOCKED_FOR_SIGNATURE)
    stage.tell("While the patient is signing, nobody can change steps, not even the front desk.")
    patient.fill()
    clerk.sees(
        "the signature",
        lambda view: (
            "signature" in view.signatures
            and view.signatures["signature"].status is SignatureStatus.SIGNED
        ),
    )
    stage.tell("Signed: bound to the exact text shown, by its SHA-256, with her name.")
    clerk.moves_on()


def _review(cast: Cast) -> None:
    stage, clerk, patient = cast.stage, cast.clerk, cast.patient
    stage.scene("Review")
    patient.fill()
    clerk.client.complete(clerk.session).result(WITHIN_S)
    clerk.sees("the end", lambda view: view.status is SessionStatus.COMPLETED)
    patient.client.wait_for(
        clerk.session, lambda view: view.status is SessionStatus.COMPLETED, WITHIN_S
    )
    stage.tell("Submitted. Both screens show it.")


SCENES: tuple[Callable[[Cast], None], ...] = (
    _about_you,
    _contact,
    _identity,
    _insurance,
    _health,
    _privacy,
    _consent,
    _review,
)
