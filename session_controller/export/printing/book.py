"""A record with what its parts need for printing: assessed answers, numbers, names."""

from dataclasses import dataclass
from functools import cached_property

from schemas.questionnaire.model import FieldKind, Item
from schemas.wire.views import DocumentStatus
from session_controller.engine.evidence import SignatureEvidence
from session_controller.engine.session import Session
from session_controller.export.answered import entered
from session_controller.export.consents import AnsweredConsent, consents_of
from session_controller.export.printing.languages import words_in
from session_controller.export.printing.words import Words
from session_controller.export.record import Record, RecordDevice, RecordDocument
from session_controller.forms.layout import Node

_TITLE_LENGTH = 120


@dataclass(frozen=True, eq=False)
class Book:
    """A record being prepared for printing."""

    record: Record

    @cached_property
    def words(self) -> Words:
        """The wording of the record."""
        return words_in(self.record.language)

    @cached_property
    def session(self) -> Session:
        """The session, with its answers assessed."""
        return Session.of(self.record.flow, self.record.state)

    @cached_property
    def documents(self) -> tuple[RecordDocument, ...]:
        """The documents in the order of the form; those of disabled fields come last."""
        places = {field_id: place for place, field_id in enumerate(self.session.assessment.fields)}
        last = len(places)
        return tuple(sorted(self.record.documents, key=lambda one: places.get(one.field_id, last)))

    @cached_property
    def document_numbers(self) -> dict[str, int]:
        """The number of each document, by field id."""
        return {one.field_id: n for n, one in enumerate(self.documents, start=1)}

    @cached_property
    def signatures(self) -> tuple[SignatureEvidence, ...]:
        """The signatures, in the order in which they were decided."""
        return self.record.signatures

    @cached_property
    def signature_numbers(self) -> dict[str, int]:
        """The number of each field's newest signature."""
        return {one.field_id: n for n, one in enumerate(self.signatures, start=1)}

    def stands(self, number: int) -> bool:
        """Return whether a signature, by number, is valid: the last, of what is unchanged."""
        field_id = self.signatures[number - 1].field_id
        newest = self.signature_numbers[field_id] == number
        known = field_id in self.record.state.signatures
        return newest and known and not self.session.is_stale(field_id)

    @cached_property
    def devices(self) -> dict[str, RecordDevice]:
        """The devices that took part, by id."""
        return {one.device: one for one in self.record.devices}

    @cached_property
    def texts_only_read(self) -> tuple[Node, ...]:
        """The enabled consent texts that no signature binds, and that no answer consents to."""
        asked = {one.field.field_id for one in self.answered_consents}
        nodes = (node for node in self._consents() if self.bound_by(node) is None)
        return tuple(node for node in nodes if node.field_id not in asked)

    @cached_property
    def answered_consents(self) -> tuple[AnsweredConsent, ...]:
        """The consents that were given or refused by answering a question."""
        found = consents_of(entered(self.record))
        return tuple(one for one in found if isinstance(one, AnsweredConsent))

    def _consents(self) -> list[Node]:
        layout = self.session.assessment.layout
        nodes = (layout.nodes[layout.index[f]] for f in self.session.assessment.fields)
        return [node for node in nodes if node.item.kind is FieldKind.CONSENT]

    def bound_by(self, node: Node) -> int | None:
        """Return the number of the first signature whose text includes a consent text, or None."""
        for number, evidence in enumerate(self.signatures, start=1):
            if node.item.text_in(evidence.language) in evidence.text:
                return number
        return None

    def device_name(self, device: str) -> str:
        """Return a device's name as given by staff."""
        known = self.devices.get(device)
        return known.name if known else device

    def title_of(self, field_id: str) -> str:
        """Return a field's label, preceded by its instance numbers."""
        layout = self.session.assessment.layout
        index = layout.index.get(field_id)
        if index is None:
            return field_id
        node = layout.nodes[index]
        numbers = "".join(f"{number + 1}. " for _, number in node.scope)
        return numbers + self.short_label(node.item)

    def step_title(self, field_id: str) -> str | None:
        """Return the title of a field's step."""
        layout = self.session.assessment.layout
        index = layout.index.get(field_id)
        if index is None:
            return None
        return self.session.title_of(layout.nodes[index].step, self.record.language) or None

    def short_label(self, item: Item) -> str:
        """Return the first line of an item's text."""
        text = self.label(item).partition("\n")[0].strip()
        return text if len(text) <= _TITLE_LENGTH else text[: _TITLE_LENGTH - 1].rstrip() + "…"

    def label(self, item: Item) -> str:
        """Return an item's text in the session's language, or a substitute if it is missing."""
        text = (item.text_in(self.record.language) or item.label).strip()
        return f"{item.prefix} {text}" if item.prefix else text

    def document_gap(self, field_id: str) -> str | None:
        """Return why a document is missing."""
        known = self.record.state.documents.get(field_id)
        if known is None:
            return None
        if known.status is DocumentStatus.REJECTED:
            chosen = known.reason_code and self.words.document_faults[known.reason_code]
            why = "; ".join(filter(None, (chosen, known.reason)))
            return f"{self.words.sent_back}: {why}" if why else self.words.sent_back
        return self.words.incomplete
