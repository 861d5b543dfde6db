"""Earlier answers: what was entered and then replaced or emptied, by whom and when."""

from session_controller.engine.field_history import FieldChange, earlier_values
from session_controller.export.printing.book import Book
from session_controller.export.printing.moments import moment
from session_controller.export.printing.sheet import Fact
from session_controller.export.printing.values import shown_values


def earlier_answers(book: Book) -> tuple[Fact, ...]:
    """Return a line for each answer that was replaced, in the log's order."""
    return tuple(_line(book, one) for one in earlier_values(book.record.history))


def _line(book: Book, change: FieldChange) -> Fact:
    words = book.words
    entered = words.entered_at.format(
        at=moment(change.entered_at, words), device=_device(book, change.entered_on)
    )
    wording = words.removed_at if change.after is None else words.replaced_at
    replaced = wording.format(at=moment(change.at, words), device=_device(book, change.device))
    return Fact(_title(book, change), (*_values(book, change), entered, replaced))


def _title(book: Book, change: FieldChange) -> str:
    item = book.record.flow.items.get(change.link_id)
    if item is None or not change.removed:
        return book.title_of(change.field_id)
    return book.short_label(item)


def _values(book: Book, change: FieldChange) -> tuple[str, ...]:
    item, value = book.record.flow.items.get(change.link_id), change.before
    if item is None or not item.takes_value:
        stored = value.get("sha256") if isinstance(value, dict) else None
        return (f"{book.words.document}: {stored or value}",)
    return shown_values(item, value, book.record.language, book.words)


def _device(book: Book, device: str | None) -> str:
    return book.words.the_form if device is None else book.device_name(device)
