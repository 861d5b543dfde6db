"""What was entered in a session, field by field: only what is on, and keeps its question's rules.

entered(record) -> Entered
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from schemas.questionnaire import FieldKind, Item, Json
from session_controller.answers import consent_document
from session_controller.assessment import Assessment, assess
from session_controller.layout import Node
from session_controller.record import Record, RecordDocument, SignatureEvidence
from session_controller.response import answers_to

Answer = Mapping[str, Json]
"""A FHIR answer: `value[x]`."""


@dataclass(frozen=True, slots=True)
class EnteredField:
    """A field that is on, with what it holds; `answers` are FHIR's, none for other than questions.

    `scope` names the instance of each repeating group around it.
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
        """Whether it holds anything."""
        return bool(self.answers or self.document or self.signature)


@dataclass(frozen=True, eq=False)
class Entered:
    """A record's fields that are on, in the flow's order."""

    record: Record
    assessment: Assessment

    @cached_property
    def documents(self) -> Mapping[str, RecordDocument]:
        """The documents of fields that are on."""
        is_on = self.assessment.is_enabled
        return {one.field_id: one for one in self.record.documents if is_on(one.field_id)}

    @cached_property
    def signatures(self) -> Mapping[str, SignatureEvidence]:
        """What each signature field came to in the end."""
        return {one.field_id: one for one in self.record.signatures}

    def stands(self, evidence: SignatureEvidence) -> bool:
        """Tell whether a signature holds: the field's last word, for the text as it reads now."""
        last = self.signatures.get(evidence.field_id) == evidence
        return last and evidence.outcome == "signed" and self._reads_as(evidence)

    def _reads_as(self, evidence: SignatureEvidence) -> bool:
        if self.item(evidence.field_id) is None:
            return False
        state = self.record.state
        texts = (
            consent_document(
                self.record.flow,
                evidence.field_id,
                state.answers,
                state.instances,
                language,
                documents=self.assessment.held.documents,
                reading=state.reading,
            )
            for language in (evidence.language, None)
        )
        return any(sha256(text).hexdigest() == evidence.document_sha256 for text in texts)

    @cached_property
    def fields(self) -> tuple[EnteredField, ...]:
        """All fields that are on, hidden ones too."""
        return tuple(self._fields())

    @cached_property
    def filled(self) -> Mapping[str, EnteredField]:
        """Those that hold anything, by field id."""
        return {one.field_id: one for one in self.fields if one.filled}

    def item(self, field_id: str) -> Item | None:
        """Give the item behind a field, on or off; None where it is gone."""
        layout = self.assessment.layout
        index = layout.index.get(field_id)
        return None if index is None else layout.nodes[index].item

    def is_yes(self, link_id: str) -> bool:
        """Tell whether a yes-or-no question is answered with yes."""
        found = self.filled.get(link_id)
        return found is not None and found.value is True

    def _fields(self) -> Iterator[EnteredField]:
        for node in self.assessment.layout.nodes:
            if node.item.is_field and self.assessment.on[node.index]:
                yield self._field(node)

    def _field(self, node: Node) -> EnteredField:
        value = self.assessment.held.answers.get(node.field_id)
        signed = node.item.kind is FieldKind.SIGNATURE
        return EnteredField(
            node.field_id,
            node.item,
            dict(node.scope),
            value,
            tuple(answers_to(node.item, value)),
            self.documents.get(node.field_id),
            self.signatures.get(node.field_id) if signed else None,
        )


def entered(record: Record) -> Entered:
    """Judge once more what a record holds, with what is there of documents and signatures."""
    state = record.state
    assessment = assess(
        record.flow,
        state.answers,
        state.instances,
        documents={one.field_id: "received" for one in record.documents},
        signatures={one.field_id: "signed" for one in record.signatures},
        reading=state.reading,
    )
    return Entered(record, assessment)


def text_of(answer: Answer) -> str:
    """Say an answer in words: what a screen would show of it."""
    ((key, value),) = ((k, v) for k, v in answer.items() if k.startswith("value"))
    if key == "valueCoding":
        return str(value.get("display") or value.get("code") or "")
    if key == "valueReference":
        return str(value.get("display") or value.get("reference") or "")
    if key == "valueQuantity":
        return " ".join(str(value[part]) for part in ("value", "unit") if part in value)
    if key == "valueAttachment":
        return str(value.get("title") or value.get("contentType") or "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
