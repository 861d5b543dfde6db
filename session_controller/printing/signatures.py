"""Consents: the text exactly as it was shown, and what came of it (21 CFR 11.50)."""

from session_controller.layout import Node
from session_controller.printing.book import Book
from session_controller.printing.documents import Files
from session_controller.printing.drawing import drawn
from session_controller.printing.moments import moment
from session_controller.printing.sheet import Fact, Picture, SignaturePart
from session_controller.printing.steps import outcome_text, percent
from session_controller.record import SignatureEvidence

_TONES = {"signed": "good", "declined": "care", "withdrawn": "care"}


def signature_parts(book: Book, files: Files) -> tuple[SignaturePart, ...]:
    """Write up each signature, then each text that was read only; pictures go to `files`."""
    shown_by: dict[str, int] = {}
    parts = [
        _part(book, number, evidence, shown_by, files)
        for number, evidence in enumerate(book.signatures, start=1)
    ]
    return (*parts, *(_only_read(book, node) for node in book.texts_only_read))


def _part(
    book: Book, number: int, evidence: SignatureEvidence, shown_by: dict[str, int], files: Files
) -> SignaturePart:
    words = book.words
    before = shown_by.setdefault(evidence.document_sha256, number)
    again = before != number
    title = words.signature.format(n=number)
    step = book.step_title(evidence.field_id)
    return SignaturePart(
        id=f"signature-{number}",
        title=f"{title}. {step}" if step else title,
        outcome=outcome_text(book, evidence.outcome),
        tone=_TONES[evidence.outcome],
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
    return [Fact(label, (value,)) for label, value in named.items() if value]


def _relationship(book: Book, evidence: SignatureEvidence) -> str | None:
    """Give what the page offers in the record's language, and a person's own words as they are."""
    said = evidence.relationship
    return said and book.words.relationships.get(said, said)


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
