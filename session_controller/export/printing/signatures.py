"""Consents: the exact text as shown, and the outcome (21 CFR 11.50)."""

from collections.abc import Iterable

from schemas.wire.views import CoversScope
from session_controller.engine.coverage import Covered
from session_controller.engine.evidence import SignatureEvidence
from session_controller.export.consents import AnsweredConsent
from session_controller.export.printing.book import Book
from session_controller.export.printing.documents import Files
from session_controller.export.printing.drawing import drawn
from session_controller.export.printing.moments import moment
from session_controller.export.printing.sheet import Fact, Picture, SignaturePart
from session_controller.export.printing.steps import outcome_text, percent
from session_controller.forms.layout import Node

_TONES = {"signed": "good", "declined": "care", "withdrawn": "care"}


def signature_parts(book: Book, files: Files) -> tuple[SignaturePart, ...]:
    """Describe each signature, each consent by answer, then each text that was only read.

    Pictures are added to `files`.
    """
    shown_by: dict[str, int] = {}
    parts = [
        _part(book, number, evidence, shown_by, files)
        for number, evidence in enumerate(book.signatures, start=1)
    ]
    return (
        *parts,
        *(_answered(book, one) for one in book.answered_consents),
        *(_only_read(book, node) for node in book.texts_only_read),
    )


def _part(
    book: Book, number: int, evidence: SignatureEvidence, shown_by: dict[str, int], files: Files
) -> SignaturePart:
    words = book.words
    before = shown_by.setdefault(evidence.document_sha256, number)
    again = before != number
    title = words.signature.format(n=number)
    step = book.step_title(evidence.field_id)
    outdated = evidence.outcome == "signed" and not book.stands(number)
    outcome = words.signed_before if outdated else outcome_text(book, evidence.outcome)
    if evidence.outcome == "declined" and not book.stands(number):
        outcome = words.declined_before
    return SignaturePart(
        id=f"signature-{number}",
        title=f"{title}. {step}" if step else title,
        outcome=outcome,
        tone="care" if outdated else _TONES[evidence.outcome],
        language=evidence.language,
        text=None if again else evidence.text,
        note=words.same_text.format(n=before) if again else None,
        picture=_picture(book, number, evidence, files),
        facts=tuple(_facts(book, evidence)),
    )


def _picture(book: Book, number: int, evidence: SignatureEvidence, files: Files) -> Picture | None:
    if not evidence.strokes:
        return None
    name = f"signature-{number}.svg"
    files[name] = drawn(evidence.strokes)
    return Picture(name, book.words.signature_picture)


def _facts(book: Book, evidence: SignatureEvidence) -> list[Fact]:
    words = book.words
    named = {
        words.printed_name: evidence.printed_name,
        words.relationship: _relationship(book, evidence),
        words.when: moment(evidence.decided_at, words),
        words.meaning: evidence.meaning,
        words.reason: evidence.reason,
    }
    facts = [Fact(label, (value,)) for label, value in named.items() if value]
    covered = evidence.covered
    if covered is not None:
        facts.append(Fact(words.covers, (_covers(book, evidence, covered),)))
    if evidence.changed_after:
        facts.append(Fact(words.changed_after, (_labels(book, evidence.changed_after),)))
    return facts


def _covers(book: Book, evidence: SignatureEvidence, covered: Covered) -> str:
    words = book.words
    if evidence.scope is CoversScope.FORM:
        return words.covers_all
    parts = [words.covers_text]
    if covered.patient:
        parts.append(words.covers_patient.format(fields=_labels(book, covered.patient)))
    if covered.fields:
        wording = words.covers_step if evidence.scope is CoversScope.STEP else words.covers_so_far
        parts.append(wording.format(fields=_labels(book, covered.fields)))
    return "; ".join(parts)


def _labels(book: Book, fields: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(book.title_of(one) for one in fields))


def _relationship(book: Book, evidence: SignatureEvidence) -> str | None:
    """Return the relationship in the record's language, or a person's own words unchanged."""
    said = evidence.relationship
    return said and book.words.relationships.get(said, said)


def _answered(book: Book, consent: AnsweredConsent) -> SignaturePart:
    words, field = book.words, consent.field
    return SignaturePart(
        id=f"text-{book.session.assessment.layout.index[field.field_id]}",
        title=book.step_title(field.field_id) or book.short_label(field.item),
        outcome=words.consented if consent.given else words.not_consented,
        tone="good" if consent.given else "care",
        language=book.record.language,
        text=field.item.text_in(book.record.language) or None,
        note=None,
        picture=None,
        facts=(),
    )


def _only_read(book: Book, node: Node) -> SignaturePart:
    words = book.words
    fraction = book.record.state.reading.get(node.field_id)
    return SignaturePart(
        id=f"text-{node.index}",
        title=book.step_title(node.field_id) or book.short_label(node.item),
        outcome=words.unread
        if fraction is None
        else words.only_read.format(percent=percent(fraction)),
        tone="plain",
        language=book.record.language,
        text=node.item.text_in(book.record.language),
        note=None,
        picture=None,
        facts=(),
    )
