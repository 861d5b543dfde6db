"""Strip a JPEG of everything but the picture (ITU-T T.81, annex B), copied byte for byte."""

import re
from collections.abc import Iterator
from typing import Final

from session_controller.media.exif import PREFIX, only_orientation
from session_controller.media.outcome import UnfitError

_SOI = b"\xff\xd8"
_EOI, _SOS, _COM = 0xD9, 0xDA, 0xFE
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_PICTURE = frozenset((*range(0xC0, 0xD0), *range(0xDA, 0xE0))) - {0xC8}
"""Frames, tables, scans and their parts; C8 is reserved (table B.1)."""
_SCAN_ENDS = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_JFIF_HEAD, _ADOBE_HEAD = 14, 12
MOST_SCANS: Final = 50
"""A progressive picture has about ten; each costs a pass over all its pixels."""


def strip(data: bytes) -> bytes:
    """Remove every segment that the picture does not need, and anything after its end.

    Kept are JFIF without its thumbnail, the colour profile, Adobe's segment, which defines the
    colour transform, and the orientation of EXIF.
    """
    kept, turned = [_SOI], False
    for marker, start, end, head in _segments(data):
        segment = data[start:end]
        if marker == _APP1:
            segment = b"" if turned else _orientation(segment, head)
            turned = turned or bool(segment)
        elif marker == _APP0:
            segment = _begins(segment, head, b"JFIF\0", _JFIF_HEAD)
        elif marker == _APP14:
            segment = _begins(segment, head, b"Adobe", _ADOBE_HEAD)
        elif not _needed(marker, segment[head:]):
            segment = b""
        kept.append(segment)
    return b"".join(kept)


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield marker, start, end and start of content, up to and including the picture's end."""
    at, scans = len(_SOI), 0
    while True:
        start, at = at, _past_fill(data, at)
        marker = data[at]
        if marker == _EOI:
            yield marker, start, at + 1, 0
            return
        size = int.from_bytes(data[at + 1 : at + 3], "big")
        end = at + 1 + size
        if size < 2 or end > len(data):  # noqa: PLR2004 -- the length counts itself
            raise UnfitError("damaged")
        if marker == _SOS:
            end, scans = _scan_end(data, end), scans + 1
        if scans > MOST_SCANS:
            raise UnfitError("too_large")
        yield marker, start, end, at + 3 - start
        at = end


def _past_fill(data: bytes, at: int) -> int:
    """Return the position of the marker code: any number of FF may precede it (B.1.1.2)."""
    if data[at : at + 1] != b"\xff":
        raise UnfitError("damaged")
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise UnfitError("damaged")
    return at


def _scan_end(data: bytes, at: int) -> int:
    """Return the first marker after a scan; restarts and stuffed zeros belong to it (B.1.1.5)."""
    found = _SCAN_ENDS.search(data, at)
    if found is None:
        raise UnfitError("damaged")
    return found.start()


def _needed(marker: int, content: bytes) -> bool:
    if marker == _APP2:
        return content.startswith(b"ICC_PROFILE\0")
    if _APP0 <= marker <= _APP15 or marker == _COM:
        return False
    if marker not in _PICTURE and marker != _EOI:
        raise UnfitError("damaged")
    return True


def _orientation(segment: bytes, head: int) -> bytes:
    content = segment[head:]
    if not content.startswith(PREFIX):
        return b""
    block = only_orientation(content.removeprefix(PREFIX))
    if block is None:
        return b""
    if content == PREFIX + block:
        return segment
    return _written(_APP1, PREFIX + block)


def _begins(segment: bytes, head: int, name: bytes, size: int) -> bytes:
    """Keep the fixed part of a segment: a thumbnail (JFIF 1.02) or other data may follow it."""
    content = segment[head:]
    if not content.startswith(name):
        return b""
    if len(content) <= size:
        return segment
    fixed = content[:size]
    return _written(segment[head - 3], fixed[:-2] + b"\0\0" if name == b"JFIF\0" else fixed)


def _written(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content
