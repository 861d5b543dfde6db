"""The documents: pictures as they are, the pages of a PDF as pictures, and the hash of each."""

from collections.abc import Callable

from session_controller.printing.book import Book
from session_controller.printing.moments import moment
from session_controller.printing.sheet import DocumentPart, Fact, Picture
from session_controller.record import RecordDocument

PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}
"""What the typesetter can decode, and what it knows it by."""

MAX_PAGES = 25
"""Of one PDF: a record is to be read, and the document itself is kept beside it."""

Files = dict[str, bytes]
Viewer = Callable[[bytes, str], tuple[bytes, ...]]
"""(data, ending) to pictures: themselves, or the pages of a PDF; none where it cannot be shown."""


def document_parts(book: Book, look: Viewer, files: Files) -> tuple[DocumentPart, ...]:
    """Write up each document; what is to be shown of it is added to `files`."""
    return tuple(
        _part(book, number, document, look, files)
        for number, document in enumerate(book.documents, start=1)
    )


def _part(
    book: Book, number: int, document: RecordDocument, look: Viewer, files: Files
) -> DocumentPart:
    words, label = book.words, book.title_of(document.field_id)
    is_pdf = document.media_type == "application/pdf"
    ending = "pdf" if is_pdf else PICTURES.get(document.media_type)
    seen = look(document.data, ending) if ending else ()
    pictures = []
    for page, data in enumerate(seen, start=1):
        name = f"document-{number}-{page}.{'png' if is_pdf else ending}"
        files[name] = data
        alt = words.page_of_document if is_pdf else words.picture_of
        pictures.append(Picture(name, alt.format(label=label, n=page)))
    note = None if seen else words.not_shown
    if len(seen) >= MAX_PAGES:
        note = words.more_pages.format(n=MAX_PAGES)
    title = f"{words.document.format(n=number)}. {label}"
    return DocumentPart(f"document-{number}", title, tuple(pictures), note, _facts(book, document))


def _facts(book: Book, document: RecordDocument) -> tuple[Fact, ...]:
    words = book.words
    size = f"{len(document.data):,}".replace(",", " ")
    facts = [
        Fact(words.file, (f"{document.media_type}, {size} {words.bytes}",)),
        Fact(words.received, (moment(document.received_at, words),)),
        Fact(words.review, (words.accepted if document.accepted else words.not_reviewed,)),
        Fact(words.sha256, (document.sha256,), code=True),
    ]
    if document.original_sha256 != document.sha256:
        facts.append(Fact(words.original_sha256, (document.original_sha256,), code=True))
    return tuple(facts)
