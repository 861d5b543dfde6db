"""Real pictures and PDFs, with and without what should not be kept."""

import struct
import zlib
from io import BytesIO
from typing import Any

import pikepdf
from PIL import Image

from session_controller.media.inspection import inspect
from session_controller.media.outcome import Inspected, Unfit

MAKER = "Clearly Made Up Cameras"
COMMENT = b"a comment that nobody should read"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>somebody's name</x:xmpmeta>"
SECRETS = (MAKER.encode(), COMMENT, XMP, b"GPS!", b"thumbnail!")
ORIENTATION, GPS = 0x0112, 0x8825

TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


def noise(mode: str = "RGB", size: tuple[int, int] = (40, 24), seed: int = 1) -> Image.Image:
    """Make a picture that no two pixels of need be alike."""
    count = size[0] * size[1] * 4
    values, state = bytearray(), seed
    for _ in range(count):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        values.append(state >> 16 & 255)
    return Image.frombytes("RGBA", size, bytes(values)).convert(mode)


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Write a picture as a file."""
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int | None = 6) -> Image.Exif:
    """Make an EXIF block with a place, a maker and which way is up."""
    block = Image.Exif()
    if orientation is not None:
        block[ORIENTATION] = orientation
    block[0x010F] = MAKER
    place = block.get_ifd(GPS)
    place[1], place[2], place[29] = "N", (52.0, 31.0, 12.0), "GPS!"
    return block


def telling(kind: str, **options: Any) -> bytes:
    """Make a picture with everything in it that should go."""
    more: dict[str, Any] = {"exif": exif(), **options}
    if kind in {"JPEG", "GIF"}:
        more["comment"] = COMMENT
    if kind in {"JPEG", "WEBP"}:
        more["xmp"] = XMP
    if kind == "PNG":
        more["pnginfo"] = _texts()
    if kind == "GIF":
        del more["exif"]
    return written(noise(), kind, **more)


def _texts() -> Any:
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    texts = PngInfo()
    texts.add_text("Comment", COMMENT.decode())
    texts.add_text("Author", MAKER, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return texts


def frames(data: bytes) -> list[bytes]:
    """Decode every frame to pixels."""
    seen = []
    with Image.open(BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            seen.append(image.convert("RGBA").tobytes())
    return seen


def kept(data: bytes, media_type: str, *allowed: str) -> Inspected:
    """Look at a document that is to be kept."""
    answer = inspect(data, media_type, allowed)
    assert isinstance(answer, Inspected), answer
    return answer


def refused(data: bytes, media_type: str, *allowed: str) -> str:
    """Look at a document that is to be refused; give the reason."""
    answer = inspect(data, media_type, allowed)
    assert isinstance(answer, Unfit), answer.media_type
    assert answer.message.endswith(".")
    return answer.reason


def chunk(name: bytes, content: bytes) -> bytes:
    """Write a chunk of a PNG."""
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def huge_png(width: int, height: int) -> bytes:
    """Announce a picture of some size in some hundred bytes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")


def pdf(change: Any = None, **options: Any) -> bytes:
    """Make a PDF of one page; `change` is called with it before it is written."""
    with pikepdf.new() as document:
        document.add_blank_page(page_size=(300, 180))
        document.pages[0].Contents = document.make_stream(b"0 0 m 10 10 l S")
        if change is not None:
            change(document)
        out = BytesIO()
        document.save(out, **options)
        return out.getvalue()
