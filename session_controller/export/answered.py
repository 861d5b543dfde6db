"""The answers of a record, field by field: only enabled fields and valid answers.

entered(record) -> Entered
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from schemas.questionnaire.dates import days_around
from schemas.questionnaire.model import FieldKind, Flow, Item, Json
from session_controller.engine.evidence import SignatureEvidence
from session_controller.engine.session import Session, standing
from session_controller.engine.state import SessionState
from session_controller.export.answer import Answer
from session_controller.export.record import ChainHead, Record, RecordDocument
from session_controller.forms.assessment import Assessment, assess
from session_controller.forms.field_status import DECLINED_BEFORE
from session_controller.forms.layout import Node
from session_controller.forms.response import answers_to


@dataclass(frozen=True, slots=True)
class EnteredField:
    """An enabled field and its content; `answers` are FHIR answers, empty for non-questions.

    `scope` gives the instance number of each repeating group around it.
    """

    field_id: str
    item: Item
    scope: Mapping[str, int]
    value: Json
    answers: tuple[Answer, ...]
    document: RecordDocument | None
    signature: SignatureEvidence | None

    @property
    def filled(self) -> bool:
        """Whether the field has any content."""
        return bool(self.answers or self.document or self.signature)


@dataclass(frozen=True, eq=False)
class Entered:
    """A record's enabled fields, in the flow's order."""

    record: Record
    assessment: Assessment

    @cached_property
    def documents(self) -> Mapping[str, RecordDocument]:
        """The documents of enabled fields."""
        is_on = self.assessment.is_enabled
        return {one.field_id: one for one in self.record.documents if is_on(one.field_id)}

    @cached_property
    def signatures(self) -> Mapping[str, SignatureEvidence]:
        """The last outcome of each signature field."""
        return {one.field_id: one for one in self.record.signatures}

    def stands(self, evidence: SignatureEvidence) -> bool:
        """Return whether a signature is valid: the last outcome, and of what is unchanged since."""
        if evidence.outcome != "signed" or self.signatures.get(evidence.field_id) != evidence:
            return False
        state = self.record.state
        known = evidence.field_id in state.signatures and self.item(evidence.field_id) is not None
        return known and standing(self.record.flow, state, evidence.field_id) == "signed"

    def declined_before(self, evidence: SignatureEvidence) -> bool:
        """Return whether a refusal counts no more: decided anew, or by another patient."""
        if self.signatures.get(evidence.field_id) != evidence:
            return True
        state = self.record.state
        known = evidence.field_id in state.signatures and self.item(evidence.field_id) is not None
        return known and standing(self.record.flow, state, evidence.field_id) == DECLINED_BEFORE

    @cached_property
    def fields(self) -> tuple[EnteredField, ...]:
        """All enabled fields, including hidden ones."""
        return tuple(self._fields())

    @cached_property
    def filled(self) -> Mapping[str, EnteredField]:
        """The fields with any content, by field id."""
        return {one.field_id: one for one in self.fields if one.filled}

    def item(self, field_id: str) -> Item | None:
        """Return the item of a field, enabled or not, or None if it no longer exists."""
        layout = self.assessment.layout
        index = layout.index.get(field_id)
        return None if index is None else layout.nodes[index].item

    def is_yes(self, link_id: str) -> bool:
        """Return whether a boolean question is answered with yes."""
        found = self.filled.get(link_id)
        return found is not None and found.value is True

    def _fields(self) -> Iterator[EnteredField]:
        for node in self.assessment.layout.nodes:
            if node.item.is_field and self.assessment.on[node.index]:
                yield self._field(node)

    def _field(self, node: Node) -> EnteredField:
        held = self.assessment.held
        value = held.answers.get(node.field_id)
        signed = node.item.kind is FieldKind.SIGNATURE
        return EnteredField(
            node.field_id,
            node.item,
            dict(node.scope),
            value,
            tuple(answers_to(node.item, value, held.today)),
            self.documents.get(node.field_id),
            self.signatures.get(node.field_id) if signed else None,
        )


def entered(record: Record) -> Entered:
    """Assess a record's answers, documents and signatures."""
    state = record.state
    assessment = assess(
        record.flow,
        state.answers,
        state.instances,
        documents={one.field_id: "received" for one in record.documents},
        signatures={one.field_id: "signed" for one in record.signatures},
        reading=state.reading,
        today=days_around(state.opened_at),
        computed=state.computed,
    )
    return Entered(record, assessment)


def unsigned(flow: Flow, state: SessionState) -> Entered:
    """Assess the answers of a session alone, without reading documents and signatures."""
    record = Record(
        site="",
        flow=flow,
        mapping=None,
        state=state,
        language=None,
        devices=(),
        documents=(),
        signatures=(),
        history=(),
        head=ChainHead(0, ""),
        exported_at=state.updated_at,
        exported_by="",
        software="",
    )
    return Entered(record, Session.of(flow, state).assessment)
