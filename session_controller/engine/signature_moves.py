"""The commands about signatures, decided after role, phase and host have been checked."""

from schemas.questionnaire.model import FieldKind, Flow
from schemas.wire import commands as c
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import SignatureStatus
from session_controller.engine import events as f
from session_controller.engine.context import Context
from session_controller.engine.coverage import covers
from session_controller.engine.fields import field_on_step, refuse_kind
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session


def request_signature(
    session: Session, command: c.RequestSignature, context: Context
) -> f.Fact | Refusal:
    """Request a signature on the current step; this fixes the text to be signed."""
    refusal = _no_signature_field(session, command.field_id)
    if refusal is not None:
        return refusal
    if not session.consent_text(command.field_id).strip():
        return refuse_kind("There is nothing to sign: no text to be signed is shown on this step.")
    return f.SignatureRequested(
        field_id=command.field_id,
        document_sha256=session.document_sha256(command.field_id),
        covers=covers(session.flow, command.field_id, context.identity),
        staff_name=command.staff_name,
    )


def cancel_signature(_: Session, __: c.CancelSignature, ___: Context) -> f.Fact | Refusal:
    """Cancel the request for a signature."""
    return f.SignatureCancelled()


def submit_signature(session: Session, command: c.SubmitSignature, _: Context) -> f.Fact | Refusal:
    """Sign the requested field, and exactly the text that was shown."""
    if command.field_id != session.state.signing:
        return Refusal(
            RejectionCode.NO_SIGNATURE_REQUESTED,
            "A signature has been requested for another field.",
        )
    language = offered_language(session.flow, command.language)
    original = session.document_sha256(command.field_id)
    shown = session.document_sha256(command.field_id, language)
    requested = session.state.signatures[command.field_id].document_sha256
    known = command.language is None or language is not None
    if not known or original != requested or command.document_sha256 != shown:
        return Refusal(
            RejectionCode.DOCUMENT_CHANGED,
            "The text has changed since it was shown. Please read it again.",
            {"document_sha256": shown},
        )
    return f.Signed(
        field_id=command.field_id,
        document_sha256=shown,
        covered_sha256=session.covered(command.field_id, shown).sha256,
        strokes=command.strokes,
        language=language if shown != original else None,
        printed_name=command.printed_name,
        relationship=command.relationship,
    )


def offered_language(flow: Flow, wanted: str | None) -> str | None:
    """Return the flow's language that matches the wanted one (`es` for `es-MX`).

    None if the flow has no such language, or none is wanted.
    """
    if wanted is None:
        return None
    found = (one for one in (wanted, wanted.partition("-")[0]) if one in flow.languages)
    return next(found, None)


def decline_signature(
    session: Session, command: c.DeclineSignature, _: Context
) -> f.Fact | Refusal:
    """Decline the requested signature; only the patient of this moment has declined."""
    if session.state.signing is None:
        return Refusal(RejectionCode.NO_SIGNATURE_REQUESTED, "No signature has been requested.")
    return f.SignatureDeclined(
        reason=command.reason, covered_sha256=session.declined(session.state.signing).sha256
    )


def withdraw_signature(
    session: Session, command: c.WithdrawSignature, _: Context
) -> f.Fact | Refusal:
    """Withdraw a signature while the session is on its step; it is then missing again."""
    refusal = _no_signature_field(session, command.field_id)
    if refusal is not None:
        return refusal
    signature = session.state.signatures.get(command.field_id)
    if signature is None or signature.status is not SignatureStatus.SIGNED:
        return Refusal(RejectionCode.NO_SIGNATURE_REQUESTED, "There is no signature to withdraw.")
    return f.SignatureWithdrawn(field_id=command.field_id, reason=command.reason)


def _no_signature_field(session: Session, field_id: str) -> Refusal | None:
    place = field_on_step(session, field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.SIGNATURE:
        return refuse_kind("This field does not take a signature.")
    return None
