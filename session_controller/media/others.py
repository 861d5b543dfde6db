"""Types accepted only if a flow asks for them: office documents, audio, video."""

from io import BytesIO
from zipfile import BadZipFile, ZipFile

from session_controller.media import kinds
from session_controller.media.outcome import Inspected, UnfitError
from session_controller.media.text import inspect_text

_ZIPPED = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.")
_OLE = frozenset(
    ("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint")
)
_HEARD_OR_SEEN = ("audio/", "video/")
_JSON = "application/json"
_MARKED_UP = frozenset(("text/html", "application/xhtml+xml", "image/svg+xml"))
_MACROS = "_VBA_PROJECT".encode("utf-16-le")
_MOST_ENTRIES = 10_000


def inspect_other(data: bytes, media_type: str) -> Inspected:
    """Check what can be checked of a type that is not decoded here. Raises `UnfitError`."""
    kind = kinds.kind_of(data)
    if media_type in _MARKED_UP or "macroenabled" in media_type or kind == kinds.PROGRAM:
        raise UnfitError("active_content")
    if media_type.startswith("image/") or media_type.endswith(("/xml", "+xml")):
        raise UnfitError("unsupported")  # its location data or scripts could not be removed
    if kind != _expected(media_type):
        raise UnfitError("pretends")
    if kind is None and not media_type.startswith(_HEARD_OR_SEEN) and media_type != _JSON:
        raise UnfitError("unsupported")
    if kind == kinds.ZIP:
        _check_archive(data)
    if kind == kinds.OLE and _MACROS in data:
        raise UnfitError("active_content")
    if media_type == _JSON:
        return inspect_text(data, media_type)
    return Inspected(media_type, data)


def _expected(media_type: str) -> str | None:
    if media_type == kinds.ZIP or media_type.startswith(_ZIPPED):
        return kinds.ZIP
    if media_type in _OLE:
        return kinds.OLE
    return None


def _check_archive(data: bytes) -> None:
    """Check the names in an archive; nothing is unpacked."""
    try:
        with ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
    except (BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise UnfitError("damaged") from error
    if len(names) > _MOST_ENTRIES:
        raise UnfitError("too_large")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise UnfitError("active_content")
