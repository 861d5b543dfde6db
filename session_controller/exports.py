"""A session's answers in the forms that other systems take."""

from pydantic import JsonValue

from schemas.base import rfc3339
from schemas.views import DocumentStatus, SessionStatus, SignatureStatus
from session_controller.answers import resolve
from session_controller.engine.session import Session
from session_controller.engine.state import Document, Signature
from session_controller.response import questionnaire_response

_HERE = (DocumentStatus.RECEIVED, DocumentStatus.ACCEPTED)
_STATUS = {
    SessionStatus.COMPLETED: "completed",
    SessionStatus.CANCELLED: "stopped",
    SessionStatus.EXPIRED: "stopped",
}


def as_questionnaire_response(session: Session) -> dict[str, JsonValue]:
    """Write a session as a FHIR R4 QuestionnaireResponse: what is on, valid and given."""
    state = session.state
    return questionnaire_response(
        session.flow,
        state.answers,
        state.instances,
        status=_STATUS.get(state.status, "in-progress"),
        authored=rfc3339(state.updated_at),
        identifier={"system": "urn:handrail:session", "value": state.session},
        attachments={
            field_id: _attachment(session, field_id, document)
            for field_id, document in state.documents.items()
            if document.status in _HERE
        },
        signatures={
            field_id: _signature(signature)
            for field_id, signature in state.signatures.items()
            if signature.status is SignatureStatus.SIGNED
        },
        reading=state.reading,
    )


def _attachment(session: Session, field_id: str, document: Document) -> dict[str, JsonValue]:
    place = resolve(session.flow, field_id)
    return {
        "contentType": document.media_type,
        "size": document.size,
        "title": place.item.label if place else field_id,
    }


def _signature(signature: Signature) -> dict[str, JsonValue]:
    """Write a FHIR Signature (R4, 2.24.0.18): an author's, bound to the text by its hash."""
    return {
        "type": [
            {
                "system": "urn:iso-astm:E1762-95:2013",
                "code": "1.2.840.10065.1.12.1.1",
                "display": "Author's Signature",
            }
        ],
        "when": rfc3339(signature.at),
        "who": {"display": "patient's screen"},
    }
