"""The documents of a record: what is known of each, and the hash that identifies it."""

from session_controller.export.printing.book import Book
from session_controller.export.printing.moments import moment
from session_controller.export.printing.sheet import DocumentPart, Fact
from session_controller.export.record import RecordDocument

Files = dict[str, bytes]
"""Files by their names in a sheet."""

_ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
}
"""Media types that the typesetter can show, and their file name extensions."""


def document_parts(book: Book, files: Files) -> tuple[DocumentPart, ...]:
    """Describe each document; its bytes are added to `files`."""
    return tuple(
        _part(book, number, document, files)
        for number, document in enumerate(book.documents, start=1)
    )


def _part(book: Book, number: int, document: RecordDocument, files: Files) -> DocumentPart:
    words, label = book.words, book.title_of(document.field_id)
    ending = _ENDINGS.get(document.media_type, "other")
    name = f"document-{number}.{ending}"
    files[name] = document.data
    alt = words.page_of_document if ending == "pdf" else words.picture_of
    return DocumentPart(
        id=f"document-{number}",
        title=f"{words.document.format(n=number)}. {label}",
        file=name,
        alt=alt.replace("{label}", label),
        facts=_facts(book, document),
    )


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
