"""What may be done about signatures, by both sides, once role, phase and host are checked."""

from schemas import commands as c
from schemas.questionnaire import FieldKind, Flow
from schemas.rejections import RejectionCode
from schemas.views import SignatureStatus
from session_controller.engine import facts as f
from session_controller.engine.context import Context
from session_controller.engine.fields import field_on_step, refuse_kind
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session


def request_signature(
    session: Session, command: c.RequestSignature, _: Context
) -> f.Fact | Refusal:
    """Only a signature field of the current step; the text to be signed is fixed here."""
    return _no_signature_field(session, command.field_id) or f.SignatureRequested(
        field_id=command.field_id,
        document_sha256=session.document_sha256(command.field_id),
        staff_name=command.staff_name,
    )


def cancel_signature(_: Session, __: c.CancelSignature, ___: Context) -> f.Fact | Refusal:
    """Leave signing mode."""
    return f.SignatureCancelled()


def submit_signature(session: Session, command: c.SubmitSignature, _: Context) -> f.Fact | Refusal:
    """Sign the field that is asked for, and the very text that was shown."""
    if command.field_id != session.state.signing:
        return Refusal(
            RejectionCode.NO_SIGNATURE_REQUESTED, "The signature is asked for another field."
        )
    language = offered_language(session.flow, command.language)
    original = session.document_sha256(command.field_id)
    shown = session.document_sha256(command.field_id, language)
    requested = session.state.signatures[command.field_id].document_sha256
    known = command.language is None or language is not None
    if not known or original != requested or command.document_sha256 != shown:
        return Refusal(
            RejectionCode.DOCUMENT_CHANGED,
            "The text has changed since it was shown.",
            {"document_sha256": shown},
        )
    return f.Signed(
        field_id=command.field_id,
        document_sha256=shown,
        strokes=command.strokes,
        language=language if shown != original else None,
        printed_name=command.printed_name,
        relationship=command.relationship,
    )


def offered_language(flow: Flow, wanted: str | None) -> str | None:
    """Give the language of the flow that serves who wants this one: `es` where that is `es-MX`.

    None where the flow's texts come in no such language, or none is wanted.
    """
    if wanted is None:
        return None
    found = (one for one in (wanted, wanted.partition("-")[0]) if one in flow.languages)
    return next(found, None)


def decline_signature(_: Session, command: c.DeclineSignature, __: Context) -> f.Fact | Refusal:
    """Leave signing mode without having signed."""
    return f.SignatureDeclined(reason=command.reason)


def withdraw_signature(
    session: Session, command: c.WithdrawSignature, _: Context
) -> f.Fact | Refusal:
    """Take a signature back while the session is on its step; it is missing from then on."""
    refusal = _no_signature_field(session, command.field_id)
    if refusal is not None:
        return refusal
    signature = session.state.signatures.get(command.field_id)
    if signature is None or signature.status is not SignatureStatus.SIGNED:
        return Refusal(
            RejectionCode.NO_SIGNATURE_REQUESTED, "There is no signature to be taken back."
        )
    return f.SignatureWithdrawn(field_id=command.field_id, reason=command.reason)


def _no_signature_field(session: Session, field_id: str) -> Refusal | None:
    place = field_on_step(session, field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.SIGNATURE:
        return refuse_kind("This field is not a signature.")
    return None
