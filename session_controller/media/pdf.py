"""Check that a PDF is safe to open: complete, without password and without active content."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final

import pikepdf
from pikepdf.settings import set_qpdf_limits

from session_controller.media.kinds import PDF, ends_as_zip
from session_controller.media.outcome import Inspected, UnfitError

MOST_OBJECTS: Final = 50_000
"""A long report with tagged structure has 20 000; a scan has a few per page."""
MOST_PAGES: Final = 1_000
MOST_UNPACKED: Final = 1 << 30
"""Bytes of all streams together: some forty pages scanned in colour at 300 dpi."""
MOST_IN_ONE_TABLE: Final = 64 << 20
"""Bytes of one object stream, which must be in memory as a whole."""
MOST_PIXELS: Final = 200_000_000
"""Of one embedded image: a page in black and white at 1200 dpi has 140 million."""
MOST_DEEP: Final = 100
_PIECE: Final = 1 << 20

_ENDS = b"%%EOF"
_WHITE = b"\0\t\n\x0c\r "
_ACTS = frozenset(
    (
        "/JavaScript",
        "/Launch",
        "/SubmitForm",
        "/ImportData",
        "/GoToR",
        "/GoToE",
        "/RichMediaExecute",
        "/Rendition",
        "/Movie",
        "/Sound",
    )
)
"""Actions other than going to a page of the same document or opening a link (12.6.4)."""
_ATTACHES = frozenset(("/RichMedia", "/FileAttachment", "/Screen", "/Movie", "/Sound", "/3D"))
"""Annotations that play or contain files (12.5.6)."""
_HOLDS = (pikepdf.Array, pikepdf.Dictionary)
_NAMED_TO_ACT = frozenset(("/JavaScript", "/EmbeddedFiles"))


def inspect_pdf(data: bytes, media_type: str = PDF) -> Inspected:
    """Check every object of a PDF (ISO 32000-2). Raises `UnfitError`; the bytes stay unchanged.

    Broken cross-references are not repaired: each program repairs them differently, and could
    show something other than what was checked here.
    """
    _check_ends(data)
    try:
        with _bounded(), pikepdf.open(BytesIO(data), attempt_recovery=False) as pdf:
            return Inspected(media_type, data, pages=_read(pdf))
    except pikepdf.PasswordError as error:
        raise UnfitError("encrypted") from error
    except (MemoryError, RecursionError) as error:
        raise UnfitError("too_large") from error
    except UnfitError:
        raise
    except Exception as error:  # any error of qpdf: the file is at fault
        raise UnfitError("damaged") from error


@contextmanager
def _bounded() -> Iterator[None]:
    """Limit what qpdf unpacks in memory, temporarily: the limits apply to the process."""
    before = set_qpdf_limits(
        flate_max_memory=MOST_IN_ONE_TABLE, run_length_max_memory=MOST_IN_ONE_TABLE
    )
    try:
        yield
    finally:
        set_qpdf_limits(**before)  # type: ignore[arg-type]


def _check_ends(data: bytes) -> None:
    """Refuse two files in one: data before the header or after the last end."""
    if not data.startswith(b"%PDF-") or ends_as_zip(data):
        raise UnfitError("pretends")
    _, end, rest = data.rpartition(_ENDS)
    if not end:
        raise UnfitError("damaged")
    if rest.strip(_WHITE):
        raise UnfitError("pretends")


def _read(pdf: pikepdf.Pdf) -> int:
    """Check the whole document; return its number of pages."""
    if pdf.is_encrypted:
        raise UnfitError("encrypted")
    if len(pdf.objects) > MOST_OBJECTS or len(pdf.pages) > MOST_PAGES:
        raise UnfitError("too_large")
    if not len(pdf.pages):
        raise UnfitError("damaged")
    _check_catalog(pdf.Root)
    _check(pdf.trailer)
    unpacked = 0
    for thing in pdf.objects:
        _check(thing)
        if isinstance(thing, pikepdf.Stream):
            unpacked = _unpack(thing, unpacked)
    if pdf.get_warnings():
        raise UnfitError("damaged")
    return len(pdf.pages)


def _check_catalog(catalog: pikepdf.Object) -> None:
    """Refuse actions that run when the document is opened (7.7.2, 12.6.3)."""
    names = catalog.get("/Names")
    if isinstance(names, pikepdf.Dictionary) and not _NAMED_TO_ACT.isdisjoint(names.keys()):
        raise UnfitError("active_content")
    if "/AA" in catalog or "/Collection" in catalog:
        raise UnfitError("active_content")
    opening = catalog.get("/OpenAction")
    if isinstance(opening, pikepdf.Dictionary) and (
        _name(dict(opening.items()), "/S") != "/GoTo" or "/Next" in opening
    ):
        raise UnfitError("active_content")


def _check(thing: object, depth: int = 0) -> None:
    """Refuse an object with active content, directly or in its direct children.

    Indirect objects are checked separately.
    """
    if depth > MOST_DEEP:
        raise UnfitError("too_large")
    if isinstance(thing, pikepdf.Array):
        inner = list(thing)
    elif isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        entries = dict(thing.items())
        _check_entries(entries)
        inner = list(entries.values())
    else:
        return
    for value in inner:
        if isinstance(value, _HOLDS) and not value.is_indirect:
            _check(value, depth + 1)


def _check_entries(entries: dict[str, Any]) -> None:
    kind = _name(entries, "/Type")
    acts = _name(entries, "/S") in _ACTS and kind != "/StructElem"
    attaches = _name(entries, "/Subtype") in _ATTACHES or kind == "/EmbeddedFile"
    if acts or attaches or "/XFA" in entries:
        raise UnfitError("active_content")
    if isinstance(entries.get("/EF"), pikepdf.Dictionary) or _reacts(entries.get("/AA")):
        raise UnfitError("active_content")
    if _name(entries, "/Subtype") == "/Image":
        width, height = entries.get("/Width"), entries.get("/Height")
        if not (isinstance(width, int) and isinstance(height, int)):
            raise UnfitError("damaged")
        if width * height > MOST_PIXELS:
            raise UnfitError("too_large")


def _name(entries: Mapping[str, Any], key: str) -> str | None:
    value = entries.get(key)
    return str(value) if isinstance(value, pikepdf.Name) else None


def _reacts(additional: object) -> bool:
    """Return whether AA is additional actions (12.6.3), not a font or image of that name."""
    return isinstance(additional, pikepdf.Dictionary) and any(
        isinstance(action, pikepdf.Dictionary) and "/S" in action
        for _, action in additional.items()
    )


def _unpack(stream: pikepdf.Stream, unpacked: int) -> int:
    """Unpack a compressed stream piecewise, to measure what displaying it would take."""
    filters = stream.get("/Filter")
    first = filters[0] if isinstance(filters, pikepdf.Array) and len(filters) else filters
    if first != "/FlateDecode":
        return unpacked
    unpacker, rest = zlib.decompressobj(), stream.read_raw_bytes()
    while rest and not unpacker.eof:
        unpacked += len(unpacker.decompress(rest, _PIECE))
        rest = unpacker.unconsumed_tail
        if unpacked > MOST_UNPACKED:
            raise UnfitError("too_large")
    return unpacked
