"""Detect the type of a file by its bytes alone (WHATWG MIME Sniffing, 6 and 7)."""

import re

JPEG, PNG, WEBP, GIF = "image/jpeg", "image/png", "image/webp", "image/gif"
PDF, TEXT, CSV = "application/pdf", "text/plain", "text/csv"
PICTURES = frozenset((JPEG, PNG, WEBP, GIF))
PLAIN = frozenset((TEXT, CSV))
KNOWN = PICTURES | PLAIN | {PDF}

ZIP, OLE, MARKUP, PROGRAM = "application/zip", "application/x-ole-storage", "markup", "program"
"""Types that are detected so that they cannot be mistaken for others."""

_ALIASES = {
    "image/jpg": JPEG,
    "image/pjpeg": JPEG,
    "image/x-png": PNG,
    "image/apng": PNG,
    "application/x-pdf": PDF,
    "application/x-zip-compressed": ZIP,
}

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"%PDF-", PDF),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cJXL ", "image/jxl"),
    (b"\0\0\0\x0cjP  ", "image/jp2"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x7fELF", PROGRAM),
    (b"#!", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),
    (b"\xfe\xed\xfa\xce", PROGRAM),
    (b"\xfe\xed\xfa\xcf", PROGRAM),
    (b"\xce\xfa\xed\xfe", PROGRAM),
    (b"\xcf\xfa\xed\xfe", PROGRAM),
    (b"\0asm", PROGRAM),
    (b"L\0\0\0\x01\x14\x02\0", PROGRAM),
    (b"%!PS", PROGRAM),
)

_MARKUP = re.compile(
    rb"<(?:!doctype|\?xml|\?php|html|head|body|script|svg|iframe|style|title|table|div|"
    rb"meta|link|object|embed|img|font|br|h1|a|b|p)[\s>/!?-]|<!--|<svg|<script|<html",
    re.IGNORECASE,
)
_HEIF = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
_BMP_HEADERS = frozenset((12, 40, 52, 56, 64, 108, 124))


def canonical(media_type: str) -> str:
    """Return a media type without parameters, in lower case, by its registered name."""
    bare = media_type.partition(";")[0].strip().lower()
    return _ALIASES.get(bare, bare)


def kind_of(data: bytes) -> str | None:
    """Return the type by the first bytes, or None if unknown, such as plain text."""
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF:
        return _HEIF[data[8:12]]
    if data[:2] == b"MZ" and b"\0" in data[:64]:
        return PROGRAM
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "image/bmp"
    return MARKUP if _is_markup(data) else None


def _is_markup(data: bytes) -> bool:
    """Detect HTML, SVG and XML as a sniffing browser would: after spaces and a byte order mark."""
    start = data[:1024].removeprefix(b"\xef\xbb\xbf")
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # UTF-16
        start = start[2:].replace(b"\0", b"")
    return _MARKUP.match(start.lstrip(b"\t\n\x0c\r \0")) is not None


_ZIP_END = b"PK\x05\x06"
_ZIP_END_SIZE = 22


def ends_as_zip(data: bytes) -> bool:
    """Return whether the file ends with the directory of an archive (APPNOTE, 4.3.16)."""
    at = data.rfind(_ZIP_END)
    if at < 0 or at + _ZIP_END_SIZE > len(data):
        return False
    comment = int.from_bytes(data[at + 20 : at + 22], "little")
    return at + _ZIP_END_SIZE + comment == len(data)
