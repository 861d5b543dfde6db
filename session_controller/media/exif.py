"""Reduce an EXIF block to the only tag a picture needs: its orientation (CIPA DC-008, 4.6.5)."""

import struct

PREFIX = b"Exif\0\0"
_ORIENTATION, _SHORT = 0x0112, 3
_UPRIGHT, _LAST = 1, 8
_ORDERS = {b"II": "<", b"MM": ">"}
_MOST_ENTRIES = 1000


def only_orientation(block: bytes) -> bytes | None:
    """Return the smallest block with the same orientation.

    `block` begins with the byte order of its TIFF header. Returns None if the picture is upright
    anyway or the block is broken; viewers treat both alike.
    """
    order = _ORDERS.get(block[:2])
    if order is None:
        return None
    try:
        orientation = _orientation(block, order)
    except struct.error:
        return None
    if orientation is None or not _UPRIGHT < orientation <= _LAST:
        return None
    return _minimal(block[:2], order, orientation)


def _orientation(block: bytes, order: str) -> int | None:
    magic, directory = struct.unpack_from(order + "HI", block, 2)
    if magic != 42:  # noqa: PLR2004 -- TIFF 6.0, 2: 'an arbitrary but carefully chosen number'
        return None
    (count,) = struct.unpack_from(order + "H", block, directory)
    for n in range(min(count, _MOST_ENTRIES)):
        tag, kind, length, value = struct.unpack_from(order + "HHIH", block, directory + 2 + 12 * n)
        if tag == _ORIENTATION:
            return int(value) if (kind, length) == (_SHORT, 1) else None
    return None


def _minimal(mark: bytes, order: str, orientation: int) -> bytes:
    """Return a TIFF header with a directory of one entry."""
    entry = struct.pack(order + "HHIHH", _ORIENTATION, _SHORT, 1, orientation, 0)
    head = mark + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", 1) + entry + struct.pack(order + "I", 0)
