"""Strip a PNG of everything but the picture (third edition, 5 and 11), copied byte for byte."""

import zlib
from collections.abc import Iterator

from session_controller.media.exif import only_orientation
from session_controller.media.outcome import UnfitError

_SIGNATURE = 8
_OVERHEAD = 12
_PICTURE = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"))
_COLOURS = frozenset(
    (b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs")
)
_ANCILLARY = 0x20


def strip(data: bytes) -> bytes:
    """Remove text, times, unknown chunks and anything after the end; keep EXIF orientation."""
    kept = [data[:_SIGNATURE]]
    for name, start, end in _chunks(data):
        chunk = data[start:end]
        if name == b"eXIf":
            chunk = _orientation(chunk)
        elif name not in _PICTURE | _COLOURS:
            if not name[0] & _ANCILLARY:
                raise UnfitError("damaged")  # an unknown critical chunk (5.4)
            chunk = b""
        kept.append(chunk)
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each chunk, up to and including the picture's end."""
    at, name = _SIGNATURE, b""
    while name != b"IEND":
        size = int.from_bytes(data[at : at + 4], "big")
        end = at + _OVERHEAD + size
        if end > len(data) or at + _OVERHEAD > len(data):
            raise UnfitError("damaged")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise UnfitError("damaged")
        name = data[at + 4 : at + 8]
        yield name, at, end
        at = end


def _orientation(chunk: bytes) -> bytes:
    content = chunk[8:-4]
    block = only_orientation(content)
    if block is None or block == content:
        return chunk if block else b""
    named = b"eXIf" + block
    return len(block).to_bytes(4, "big") + named + zlib.crc32(named).to_bytes(4, "big")
