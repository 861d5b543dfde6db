"""The answers by step: what is enabled, as the patient saw it, and what is wrong with it."""

from collections.abc import Iterator
from dataclasses import replace

from schemas.questionnaire.model import FieldKind
from session_controller.export.printing.book import Book
from session_controller.export.printing.sheet import Link, Row, StepPart
from session_controller.export.printing.values import shown_values
from session_controller.forms.layout import Node

_NOT_PRINTED = {"help", "flyover"}
"""Hints of a question; other texts of a form were part of what was shown."""


def step_parts(book: Book) -> tuple[StepPart, ...]:
    """Return each step that shows anything."""
    parts = []
    for index, judged in enumerate(book.session.assessment.steps):
        title = book.session.title_of(index, book.record.language)
        rows = tuple(_rows(book, judged.enabled, title.strip()))
        if rows:
            parts.append(StepPart(title, rows))
    return tuple(parts)


def _rows(book: Book, enabled: tuple[str, ...], title: str) -> Iterator[Row]:
    layout = book.session.assessment.layout
    skip_until = -1
    for field_id in enabled:
        node = layout.nodes[layout.index[field_id]]
        if node.index < skip_until:
            continue
        if _is_empty_instance(book, node):
            row: Row | None = _none_added(book, node)
            skip_until = node.end
        else:
            row = _row(book, node)
        if row is not None and not (row.kind == "heading" and row.label == title):
            yield replace(row, depth=_depth(book, node, title))


def _is_empty_instance(book: Book, node: Node) -> bool:
    """Return whether a node is the placeholder of a repeating group without instances."""
    counts = book.record.state.instances
    return node.count_key is not None and counts.get(node.count_key, 0) == 0


def _none_added(book: Book, node: Node) -> Row:
    return Row("answer", book.label(node.item), (book.words.none_added,), empty=True)


def _depth(book: Book, node: Node, title: str) -> int:
    """Return the number of groups with a heading around a node."""
    depth = 0
    while node.parent >= 0:
        node = book.session.assessment.layout.nodes[node.parent]
        heading = _heading(book, node) if node.item.kind is FieldKind.GROUP else None
        depth += heading is not None and heading.label != title
    return depth


def _row(book: Book, node: Node) -> Row | None:
    item = node.item
    if item.kind is FieldKind.GROUP:
        return _heading(book, node)
    if item.kind is FieldKind.DISPLAY:
        text = item.text_in(book.record.language).strip()
        return Row("note", text) if text and item.item_control not in _NOT_PRINTED else None
    if item.kind is FieldKind.ATTACHMENT:
        return _document(book, node)
    if item.kind is FieldKind.SIGNATURE:
        return _signature(book, node)
    return _question(book, node)


def _heading(book: Book, node: Node) -> Row | None:
    text = node.item.text_in(book.record.language).strip()
    if node.item.repeats and node.scope:
        return Row("heading", f"{text or node.item.label} · {node.scope[-1][1] + 1}")
    return Row("heading", text) if text else None


def _question(book: Book, node: Node) -> Row:
    item, words = node.item, book.words
    value = book.record.state.answers.get(node.field_id)
    values: tuple[str, ...] = ()
    if item.takes_value:
        values = shown_values(item, value, book.record.language, words)
    links: tuple[Link, ...] = ()
    label = book.label(item)
    if item.kind is FieldKind.CONSENT:
        values, links, label = (*values, _how_far(book, node)), _text_link(book, node), ""
    label, mark = label or book.short_label(item), _mark(book, node)
    shown = tuple(one for one in values if one != mark) if values else (words.nothing,)
    return Row("answer", label, shown, mark, links, empty=not values)


def _how_far(book: Book, node: Node) -> str:
    fraction = book.record.state.reading.get(node.field_id)
    if fraction is None:
        return book.words.unread
    return book.words.read.format(percent=percent(fraction))


def percent(fraction: float) -> int:
    """Return a percentage, rounded down so that 100 means all of it."""
    return int(fraction * 100)


def _text_link(book: Book, node: Node) -> tuple[Link, ...]:
    number = book.bound_by(node)
    to = f"signature-{number}" if number else f"text-{node.index}"
    return (Link(to, book.words.text_at),)


def _document(book: Book, node: Node) -> Row:
    number = book.document_numbers.get(node.field_id)
    label = book.label(node.item)
    if number is not None:
        text = book.words.document_at.replace("{n}", str(number))
        return Row("answer", label, (), _mark(book, node), (Link(f"document-{number}", text),))
    gap = book.document_gap(node.field_id)
    mark = gap or _mark(book, node)
    return Row("answer", label, (book.words.nothing,), mark, empty=True)


def _signature(book: Book, node: Node) -> Row:
    words, number = book.words, book.signature_numbers.get(node.field_id)
    label = book.label(node.item)
    if number is None:
        mark = _mark(book, node)
        return Row("answer", label, () if mark else (words.unsigned,), mark, empty=True)
    outcome = outcome_text(book, book.signatures[number - 1].outcome)
    text = words.signature_at.replace("{n}", str(number))
    link = Link(f"signature-{number}", text)
    return Row("answer", label, (outcome,), _mark(book, node), (link,))


def outcome_text(book: Book, outcome: str) -> str:
    """Return the text for the outcome of a signature request."""
    words = book.words
    said = {"signed": words.signed, "declined": words.declined, "withdrawn": words.withdrawn}
    return said[outcome]


def _mark(book: Book, node: Node) -> str | None:
    """Return what is wrong with a field, without its value."""
    assessment, words = book.session.assessment, book.words
    correction = book.record.state.corrections.get(node.field_id)
    if correction is not None:
        return words.correction.format(message=correction)
    error = assessment.errors.get(node.field_id)
    if error is not None:
        return f"{words.invalid}: {error}" if words.language == "en" else words.invalid
    fault = assessment.states[node.index].fault
    if fault is None:
        return None
    said = {"unread": words.unread, "unsigned": words.unsigned}
    return said.get(fault.code, words.missing)
