"""Strip a WebP of everything but the picture (RFC 9649, 2), which is copied byte for byte."""

from collections.abc import Iterator

from session_controller.media.exif import PREFIX, only_orientation
from session_controller.media.outcome import UnfitError

_HEAD = 12
_PICTURE = frozenset((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_FRAME = frozenset((b"VP8 ", b"VP8L", b"ALPH"))
_FRAME_HEAD = 16
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04


def strip(data: bytes) -> bytes:
    """Remove XMP, unknown chunks and anything after the end; keep EXIF orientation."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise UnfitError("damaged")
    kept = [_cleaned(data[start:stop]) for start, stop in _chunks(data, _HEAD, end)]
    exif = any(chunk.startswith(b"EXIF") for chunk in kept)
    body = b"".join(_flagged(chunk, exif=exif) for chunk in kept)
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each chunk, including the padding byte of an odd size (2.3)."""
    while at < end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        stop = at + 8 + size + size % 2
        if stop > end:
            raise UnfitError("damaged")
        yield at, stop
        at = stop


def _cleaned(chunk: bytes) -> bytes:
    name = chunk[:4]
    if name == b"EXIF":
        return _orientation(chunk)
    if name == b"ANMF":
        return _frame(chunk)
    return chunk if name in _PICTURE else b""


def _frame(chunk: bytes) -> bytes:
    """Clean one frame of an animation, which contains chunks of its own (2.7.1.1)."""
    content = _content(chunk)
    parts = (content[a:b] for a, b in _chunks(content, _FRAME_HEAD, len(content)))
    body = b"".join(part for part in parts if part[:4] in _FRAME)
    return _written(b"ANMF", content[:_FRAME_HEAD] + body, chunk)


def _orientation(chunk: bytes) -> bytes:
    content = _content(chunk)
    prefix = PREFIX if content.startswith(PREFIX) else b""
    block = only_orientation(content.removeprefix(PREFIX))
    return b"" if block is None else _written(b"EXIF", prefix + block, chunk)


def _content(chunk: bytes) -> bytes:
    return chunk[8 : 8 + int.from_bytes(chunk[4:8], "little")]


def _written(name: bytes, content: bytes, before: bytes) -> bytes:
    """Serialize a chunk, or return the original bytes if its content is unchanged."""
    if content == _content(before):
        return before
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _flagged(chunk: bytes, *, exif: bool) -> bytes:
    """Update the flags of the extended header (2.7)."""
    if chunk[:4] != b"VP8X":
        return chunk
    flags = chunk[8] & ~_XMP_FLAG & ~(0 if exif else _EXIF_FLAG)
    return chunk[:8] + bytes((flags,)) + chunk[9:]
