"""Pictures of any size, which a box takes and stores byte for byte."""

import random
import struct
import zlib

_WIDTH = 256


def png(size: int, seed: int = 1) -> bytes:
    """Make a grey PNG of noise, some `size` bytes large: its pixels are stored, not packed."""
    height = max(1, size // (_WIDTH + 1))
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(_WIDTH) for _ in range(height))
    head = struct.pack(">IIBBBBB", _WIDTH, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)
