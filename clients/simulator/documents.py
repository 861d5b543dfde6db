"""Small valid documents for attachments: PNG, JPEG, PDF and text, generated without a library."""

import struct
import zlib
from collections.abc import Callable
from fnmatch import fnmatchcase
from random import Random

from schemas.questionnaire.model import Item

_WIDTH, _HEIGHT = 96, 64


def plausible_document(item: Item, rng: Random) -> tuple[bytes, str]:
    """Generate a document that the attachment accepts, as bytes and media type.

    If none of our types is accepted, the first accepted one is announced for arbitrary bytes: a box
    accepts those as audio or video, and rejects them as an image.
    """
    wanted = item.media_types or ("image/png",)
    for media_type, make in _MAKERS.items():
        if any(fnmatchcase(media_type, one.lower()) for one in wanted):
            return make(rng), media_type
    claimed = wanted[0].replace("*", "octet-stream")
    return rng.randbytes(256), claimed


def png(rng: Random) -> bytes:
    """Generate an RGB image with a gradient (PNG, W3C, 2003)."""
    red, green, blue = (rng.randint(40, 200) for _ in range(3))
    row = b"".join(bytes((red, (green + x) % 256, blue)) for x in range(_WIDTH))
    head = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + row) * _HEIGHT)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", pixels), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(rng: Random) -> bytes:
    """Generate a gray image of one shade (JPEG baseline, ITU T.81).

    One Huffman code each for "no difference", "a difference of 7 bits" and "end of block": the
    first block sets the shade, all others repeat it.
    """
    blocks = (_WIDTH // 8) * (_HEIGHT // 8)
    bits = "01" + format(rng.randint(64, 127), "07b") + "00" + "0000" * (blocks - 1)
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            _segment(0xDB, b"\0" + bytes([8] * 64)),
            _segment(0xC0, struct.pack(">BHHB", 8, _HEIGHT, _WIDTH, 1) + b"\1\x11\0"),
            _segment(0xC4, b"\x00" + bytes([0, 2, *[0] * 14]) + b"\x00\x07"),
            _segment(0xC4, b"\x10" + bytes([0, 1, *[0] * 14]) + b"\x00"),
            _segment(0xDA, b"\1\1\0\0\x3f\0"),
            scan.replace(b"\xff", b"\xff\0"),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def pdf(rng: Random) -> bytes:
    """Generate one page with a line of text (ISO 32000-1)."""
    line = f"BT /F1 18 Tf 40 90 Td (Sample document {rng.randint(1000, 9999)}) Tj ET".encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 180] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(line), line),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    count = len(objects) + 1
    return body + b"xref\n0 %d\n%s" % (count, table) + trailer % (count, len(body))


def text(rng: Random) -> bytes:
    """Generate a line of plain text."""
    return f"Sample document {rng.randint(1000, 9999)}\n".encode()


_MAKERS: dict[str, Callable[[Random], bytes]] = {
    "image/jpeg": jpeg,
    "image/png": png,
    "application/pdf": pdf,
    "text/plain": text,
    "text/csv": text,
}
