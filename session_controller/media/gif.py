"""Strip a GIF of everything but the picture (GIF89a), which is copied byte for byte."""

from collections.abc import Iterator

from session_controller.media.outcome import UnfitError

_HEAD = 13
_TABLE, _TABLE_SIZE = 0x80, 0x07
_EXTENSION = 0x21
_CONTROL, _APPLICATION, _PLAIN_TEXT = 0xF9, 0xFF, 0x01
_LOOPS = (b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0", b"\x0bICCRGBG1012")


def strip(data: bytes) -> bytes:
    """Remove comments, texts, other extensions and anything after the trailer."""
    start = _HEAD + _table(data[10:11])
    kept = [data[:start]]
    for at, end in _blocks(data, start):
        block = data[at:end]
        if block[0] != _EXTENSION or _needed(block):
            kept.append(block)
        elif block[1] == _PLAIN_TEXT and kept[-1][:2] == bytes((_EXTENSION, _CONTROL)):
            kept.pop()  # it applied to this text, not to the next image (23)
    return b"".join(kept)


def _needed(block: bytes) -> bool:
    return block[1] == _CONTROL or (block[1] == _APPLICATION and block[2:].startswith(_LOOPS))


def _blocks(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each block, including the trailer."""
    while True:
        match data[at : at + 1]:
            case b"\x3b":
                yield at, at + 1
                return
            case b"\x2c":
                end = _past_subblocks(data, at + 11 + _table(data[at + 9 : at + 10]))
            case b"\x21":
                end = _past_subblocks(data, at + 2)
            case _:
                raise UnfitError("damaged")
        yield at, end
        at = end


def _table(flags: bytes) -> int:
    """Return the size of the colour table announced by flags (18, 20)."""
    if not flags:
        raise UnfitError("damaged")
    return 3 << ((flags[0] & _TABLE_SIZE) + 1) if flags[0] & _TABLE else 0


def _past_subblocks(data: bytes, at: int) -> int:
    """Return the end of a run of sub-blocks: after one of size 0 (15, 16)."""
    while at < len(data):
        size = data[at]
        at += 1 + size
        if size == 0:
            return at
    raise UnfitError("damaged")
