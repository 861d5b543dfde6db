"""A record with what each part of the paper asks of it: the judged answers, numbers, names."""

from dataclasses import dataclass
from functools import cached_property

from schemas.questionnaire import FieldKind, Item
from schemas.views import DocumentStatus
from session_controller.engine.session import Session
from session_controller.layout import Node
from session_controller.printing.languages import words_in
from session_controller.printing.words import Words
from session_controller.record import Record, RecordDevice, RecordDocument, SignatureEvidence

_TITLE_LENGTH = 120


@dataclass(frozen=True, eq=False)
class Book:
    """A record being written up."""

    record: Record

    @cached_property
    def words(self) -> Words:
        """The record's own words."""
        return words_in(self.record.language)

    @cached_property
    def session(self) -> Session:
        """The session, its answers judged."""
        return Session.of(self.record.flow, self.record.state)

    @cached_property
    def documents(self) -> tuple[RecordDocument, ...]:
        """The documents in the order of the form; those of fields that are off come last."""
        places = {field_id: place for place, field_id in enumerate(self.session.assessment.fields)}
        last = len(places)
        return tuple(sorted(self.record.documents, key=lambda one: places.get(one.field_id, last)))

    @cached_property
    def document_numbers(self) -> dict[str, int]:
        """The number of each document, by its field."""
        return {one.field_id: n for n, one in enumerate(self.documents, start=1)}

    @cached_property
    def signatures(self) -> tuple[SignatureEvidence, ...]:
        """The signatures, in the order in which they were decided."""
        return self.record.signatures

    @cached_property
    def signature_numbers(self) -> dict[str, int]:
        """The number of the newest signature of each field."""
        return {one.field_id: n for n, one in enumerate(self.signatures, start=1)}

    @cached_property
    def devices(self) -> dict[str, RecordDevice]:
        """Those that took part, by their ids."""
        return {one.device: one for one in self.record.devices}

    @cached_property
    def texts_only_read(self) -> tuple[Node, ...]:
        """The consent texts that are on and that no signature binds."""
        return tuple(node for node in self._consents() if self.bound_by(node) is None)

    def _consents(self) -> list[Node]:
        layout = self.session.assessment.layout
        nodes = (layout.nodes[layout.index[f]] for f in self.session.assessment.fields)
        return [node for node in nodes if node.item.kind is FieldKind.CONSENT]

    def bound_by(self, node: Node) -> int | None:
        """Find the first signature whose text holds that of a consent, by its number."""
        for number, evidence in enumerate(self.signatures, start=1):
            if node.item.text_in(evidence.language) in evidence.text:
                return number
        return None

    def device_name(self, device: str) -> str:
        """Name a device as the staff does."""
        known = self.devices.get(device)
        return known.name if known else device

    def title_of(self, field_id: str) -> str:
        """Name a field by its label, after the instances that it stands in."""
        layout = self.session.assessment.layout
        index = layout.index.get(field_id)
        if index is None:
            return field_id
        node = layout.nodes[index]
        numbers = "".join(f"{number + 1}. " for _, number in node.scope)
        return numbers + self.short_label(node.item)

    def step_title(self, field_id: str) -> str | None:
        """Name the step of a field."""
        layout, flow = self.session.assessment.layout, self.record.flow
        index = layout.index.get(field_id)
        if index is None:
            return None
        return flow.steps[layout.nodes[index].step].title_in(self.record.language) or None

    def short_label(self, item: Item) -> str:
        """Name an item in one line: the first of its text."""
        text = self.label(item).partition("\n")[0].strip()
        return text if len(text) <= _TITLE_LENGTH else text[: _TITLE_LENGTH - 1].rstrip() + "…"

    def label(self, item: Item) -> str:
        """Give an item's text in the session's language, or what stands in for a missing one."""
        text = (item.text_in(self.record.language) or item.label).strip()
        return f"{item.prefix} {text}" if item.prefix else text

    def document_gap(self, field_id: str) -> str | None:
        """Say what became of a document that is not there."""
        known = self.record.state.documents.get(field_id)
        if known is None:
            return None
        if known.status is DocumentStatus.REJECTED:
            sent_back = self.words.sent_back
            return f"{sent_back}: {known.reason}" if known.reason else sent_back
        return self.words.incomplete
