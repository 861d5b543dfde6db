"""What a picture tells of the person, the place and the device is gone; the picture is not."""

import struct
from io import BytesIO

import pytest
from PIL import Image, ImageCms

from tests.media.samples import (
    COMMENT,
    GPS,
    ORIENTATION,
    SECRETS,
    TYPES,
    chunk,
    exif,
    frames,
    kept,
    noise,
    telling,
    written,
)


@pytest.mark.parametrize("kind", TYPES)
def test_what_tells_is_gone_and_the_pixels_stay(kind: str) -> None:
    """Neither place, maker, comment nor XMP is in what is stored; each pixel is as before."""
    data = telling(kind)
    assert any(secret in data for secret in SECRETS)
    clean = kept(data, TYPES[kind]).data
    assert not [secret for secret in SECRETS if secret in clean]
    assert len(clean) < len(data)
    assert frames(clean) == frames(data)


@pytest.mark.parametrize("kind", TYPES)
def test_a_clean_picture_is_clean(kind: str) -> None:
    """Stripping a second time changes nothing."""
    once = kept(telling(kind), TYPES[kind]).data
    assert kept(once, TYPES[kind]).data == once


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(9))
def test_which_way_is_up_stays(kind: str, orientation: int) -> None:
    """Of EXIF the orientation stays, alone, and only where the picture is turned."""
    data = telling(kind, exif=exif(orientation or None))
    with Image.open(BytesIO(kept(data, TYPES[kind]).data)) as image:
        left = image.getexif()
        assert not left.get_ifd(GPS)
        expected = {ORIENTATION: orientation} if orientation > 1 else {}
        assert dict(left) == expected


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_alone_is_nothing_to_drop(kind: str, order: str) -> None:
    """A picture whose EXIF holds the orientation and no more comes out as it came."""
    mark = b"II" if order == "<" else b"MM"
    block = mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, ORIENTATION, 3, 1, 8, 0, 0)
    data = written(noise(), kind, exif=b"Exif\0\0" + block)
    assert kept(data, TYPES[kind]).data == data


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II",
        b"II*\0",
        b"XX*\0\0\0\0\x08",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
    ],
)
def test_a_broken_exif_block_goes(block: bytes) -> None:
    """EXIF that nobody can read takes no picture along."""
    data = telling("JPEG", exif=b"Exif\0\0" + block)
    assert b"Exif" not in kept(data, "image/jpeg").data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_colour_profile_stays(kind: str) -> None:
    """A picture with a profile and nothing else comes out as it came."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = written(noise(), kind, icc_profile=profile)
    assert kept(data, TYPES[kind]).data == data
    with Image.open(BytesIO(kept(telling(kind, icc_profile=profile), TYPES[kind]).data)) as image:
        assert image.info["icc_profile"] == profile


def test_the_colours_of_print_stay() -> None:
    """Adobe's segment tells how CMYK is meant: without it, colours turn over."""
    data = written(noise("CMYK"), "JPEG", comment=COMMENT)
    clean = kept(data, "image/jpeg").data
    assert COMMENT not in clean
    assert b"Adobe" in clean
    assert frames(clean) == frames(data)


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def test_thumbnails_go() -> None:
    """A thumbnail in JFIF, JFXX or EXIF may show what was cropped away."""
    plain = written(noise(), "JPEG")
    rest = plain[20:]
    jfif = b"JFIF\0\1\1\0\0\1\0\1\x04\x01" + b"thumbnail!xx"
    data = plain[:2] + _segment(0xE0, jfif) + _segment(0xE0, b"JFXX\0\x10thumbnail!") + rest
    clean = kept(data, "image/jpeg").data
    assert b"thumbnail!" not in clean
    assert clean == plain


def test_nothing_stands_behind_adobes_segment() -> None:
    """A segment that has to stay keeps its fixed part alone."""
    plain = written(noise("CMYK"), "JPEG")
    at = plain.index(b"Adobe") - 4
    longer = _segment(0xEE, plain[at + 4 : at + 16] + COMMENT)
    assert kept(plain[:at] + longer + plain[at + 16 :], "image/jpeg").data == plain


def test_further_pictures_behind_the_first_go() -> None:
    """A second picture (MPF), a film or anything else behind the end is not stored."""
    plain = written(noise(), "JPEG")
    several = written(noise(), "MPO", save_all=True, append_images=[noise(seed=2)])
    clean = kept(several, "image/jpeg").data
    assert b"MPF" not in clean
    assert frames(clean) == frames(plain)
    assert kept(plain + b"\0\0\0\x18ftypmp42" + COMMENT, "image/jpeg").data == plain


@pytest.mark.parametrize("kind", TYPES)
def test_an_archive_behind_a_picture_is_not_stored(kind: str) -> None:
    """A picture that is an archive as well (GIFAR) is stored as the picture alone."""
    plain = written(noise(), kind)
    archive = b"PK\x03\x04 a class of Java PK\x05\x06" + bytes(18)
    assert kept(plain + archive, TYPES[kind]).data == plain


def test_unknown_chunks_go() -> None:
    """Private chunks of a PNG and a WebP, and private extensions of a GIF, are not stored."""
    png = written(noise(), "PNG")
    at = png.index(b"IDAT") - 4
    assert kept(png[:at] + chunk(b"prVt", COMMENT) + png[at:], "image/png").data == png
    gif = written(noise("P"), "GIF")
    at = len(gif) - 1
    own = b"\x21\xff\x0bXMP DataXMP" + bytes((len(COMMENT),)) + COMMENT + b"\0"
    assert kept(gif[:at] + own + gif[at:], "image/gif").data == gif


def test_hidden_chunks_in_a_frame_go() -> None:
    """A chunk that nobody knows inside a frame of an animated WebP is not stored."""
    more = [noise(seed=2)]
    data = bytearray(written(noise(), "WEBP", save_all=True, append_images=more, duration=90))
    at = data.index(b"ANMF")
    size = struct.unpack_from("<I", data, at + 4)[0]
    end = at + 8 + size + size % 2
    hidden = b"hide" + struct.pack("<I", 34) + COMMENT.ljust(34, b".")
    data[end:end] = hidden
    struct.pack_into("<I", data, at + 4, end + len(hidden) - at - 8)
    struct.pack_into("<I", data, 4, len(data) - 8)
    clean = kept(bytes(data), "image/webp").data
    assert COMMENT not in clean
    assert frames(clean) == frames(bytes(data))
