"""Plain text: what matches no other type."""

from session_controller.media.outcome import Inspected, UnfitError

_CONTROLS = frozenset((*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)))) - set("\t\n\r\x0c")


def inspect_text(data: bytes, media_type: str) -> Inspected:
    """Read text as UTF-8 (RFC 3629) without control characters. Raises `UnfitError`."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnfitError("pretends" if b"\0" in data else "unsupported") from error
    if not _CONTROLS.isdisjoint(text):
        raise UnfitError("pretends")
    return Inspected(media_type, data)
