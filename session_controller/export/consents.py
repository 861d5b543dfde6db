"""The consents that a record holds: the one list that the PDF and FHIR agree on.

consents_of(entered) -> one for each text presented for signature, with its last outcome, then one
for each answered question that the flow's mapping names as a consent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from schemas.questionnaire.model import FieldKind, Json
from session_controller.engine.evidence import SignatureEvidence
from session_controller.export.answered import Entered, EnteredField


@dataclass(frozen=True, slots=True)
class SignedConsent:
    """The last outcome of presenting a text for signature; a changed text is another consent."""

    evidence: SignatureEvidence

    @property
    def role(self) -> str:
        """A name for it that is stable within the session."""
        return consent_role(self.evidence)


@dataclass(frozen=True, slots=True)
class AnsweredConsent:
    """A yes-or-no question of consent, and its answer."""

    field: EnteredField

    @property
    def role(self) -> str:
        """A name for it that is stable within the session."""
        return f"consent:{self.field.field_id}"

    @property
    def given(self) -> bool:
        """Whether it is answered with yes."""
        return self.field.value is True


RecordConsent = SignedConsent | AnsweredConsent


def consent_role(evidence: SignatureEvidence) -> str:
    """Return the name of the consent that an outcome decides; another patient's is its own."""
    role = f"consent:{evidence.field_id}:{evidence.document_sha256}"
    return f"{role}:{evidence.revision}" if evidence.other_patient else role


def consents_of(entered: Entered) -> tuple[RecordConsent, ...]:
    """Return the consents of a record: by signature in the log's order, then by answer."""
    last = {consent_role(one): one for one in entered.record.signatures}
    asked = asked_by_mapping(entered.record.mapping)
    return (
        *(SignedConsent(one) for one in last.values()),
        *(AnsweredConsent(one) for one in entered.fields if _is_answered(one, asked)),
    )


def asked_by_mapping(mapping: Mapping[str, Json] | None) -> Collection[str]:
    """Return the linkIds that a mapping names as consents."""
    named = None if mapping is None else mapping.get("consents")
    return named.keys() if isinstance(named, dict) else ()


def _is_answered(field: EnteredField, asked: Collection[str]) -> bool:
    is_asked = field.item.link_id in asked and field.item.type is FieldKind.BOOLEAN
    return is_asked and field.item.kind is not FieldKind.SIGNATURE and bool(field.answers)
