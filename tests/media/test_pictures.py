"""Pictures of every common make are taken, and those that could break a box are not."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from session_controller.media import picture
from tests.media.samples import TYPES, chunk, frames, huge_png, kept, noise, refused, written

NOTHING_TO_DROP = {
    "JPEG": written(noise(), "JPEG"),
    "progressive JPEG": written(noise(), "JPEG", progressive=True, optimize=True),
    "JPEG with restarts": written(noise(), "JPEG", restart_marker_blocks=1),
    "grey JPEG": written(noise("L"), "JPEG"),
    "CMYK JPEG": written(noise("CMYK"), "JPEG"),
    "PNG": written(noise(), "PNG"),
    "PNG of 16 bits": written(Image.new("I;16", (9, 7), 40_000), "PNG"),
    "palette PNG": written(noise("P"), "PNG", transparency=3),
    "grey PNG with alpha": written(noise("LA"), "PNG"),
    "one-bit PNG": written(noise("1"), "PNG"),
    "APNG": written(noise(), "PNG", save_all=True, append_images=[noise(seed=2)], duration=90),
    "GIF": written(noise("P"), "GIF"),
    "animated GIF": written(
        noise("P"), "GIF", save_all=True, append_images=[noise("P", seed=2)], loop=0, duration=90
    ),
    "lossy WebP": written(noise(), "WEBP"),
    "lossless WebP with alpha": written(noise("RGBA"), "WEBP", lossless=True),
    "animated WebP": written(
        noise(), "WEBP", save_all=True, append_images=[noise(seed=2)], duration=90
    ),
}


def media_type(name: str) -> str:
    """Return the kind of a sample by its name."""
    return next(TYPES[kind] for kind in TYPES if kind in name.upper())


@pytest.mark.parametrize("name", NOTHING_TO_DROP)
def test_a_picture_with_nothing_to_drop_is_stored_as_it_came(name: str) -> None:
    """Every kind of picture is taken, and comes out byte for byte as it went in."""
    data = NOTHING_TO_DROP[name]
    found = kept(data, media_type(name), "image/*")
    assert found.data == data
    with Image.open(BytesIO(data)) as image:
        assert (found.media_type, (found.width, found.height)) == (media_type(name), image.size)


@pytest.mark.parametrize("name", [n for n in NOTHING_TO_DROP if n.lower().startswith(("a", "l"))])
def test_the_frames_of_an_animation_survive(name: str) -> None:
    """An animation has as many frames afterwards as before."""
    data = NOTHING_TO_DROP[name]
    assert frames(kept(data, media_type(name)).data) == frames(data)


@pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (1, 50_000_001)])
def test_a_png_of_few_bytes_and_many_pixels_is_too_large(size: tuple[int, int]) -> None:
    """A decompression bomb is refused by its announced size, without being decoded."""
    bomb = huge_png(*size)
    assert len(bomb) < 2_000
    assert refused(bomb, "image/png") == "too_large"


def test_a_picture_at_the_limit_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is allowed, one row more is not."""
    monkeypatch.setattr(picture, "MOST_PIXELS", 40 * 24)
    assert kept(written(noise(), "PNG"), "image/png")
    assert refused(written(noise(size=(40, 25)), "PNG"), "image/png") == "too_large"


def test_a_gif_of_many_frames_is_too_large() -> None:
    """An animation of more frames than anybody needs for an insurance card is refused."""
    still = written(noise("P", (4, 4)), "GIF")
    one = Image.open(BytesIO(still))
    others = [noise("P", (4, 4), seed) for seed in range(2, picture.MOST_FRAMES + 2)]
    bomb = written(one, "GIF", save_all=True, append_images=others, duration=50)
    assert refused(bomb, "image/gif") == "too_large"


def test_an_animation_of_large_frames_is_too_large() -> None:
    """Frames that are small files but large pictures are counted together."""
    head = b"GIF89a" + struct.pack("<HHBBB", 7_000, 7_000, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    assert refused(head + frame * 3 + b"\x3b", "image/gif") == "too_large"


def test_a_jpeg_of_many_pixels_is_too_large() -> None:
    """A JPEG that announces 65 500 pixels each way is refused."""
    data = bytearray(written(noise(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    assert refused(bytes(data), "image/jpeg") == "too_large"


def test_a_webp_of_many_pixels_is_too_large() -> None:
    """A WebP of the largest size that there is is refused."""
    data = written(Image.new("RGB", (16_383, 4_000)), "WEBP", lossless=True, method=0)
    assert refused(data, "image/webp") == "too_large"


def test_a_png_with_fewer_frames_than_it_says_is_damaged() -> None:
    """An animation that ends early is refused."""
    data = NOTHING_TO_DROP["APNG"]
    last = data.rindex(b"fcTL") - 4
    assert refused(data[:last] + chunk(b"IEND", b""), "image/png") == "damaged"


def test_a_png_whose_pixels_end_early_is_damaged() -> None:
    """Chunks that are all in order do not make a picture: it is decoded in full."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 24, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(500)))
    data = b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")
    assert refused(data, "image/png") == "damaged"


def test_a_png_with_an_unknown_critical_chunk_is_damaged() -> None:
    """What a picture cannot be shown without, but nobody knows, is refused (PNG, 5.4)."""
    data = written(noise(), "PNG")
    at = data.index(b"IDAT") - 4
    assert refused(data[:at] + chunk(b"ABCD", b"") + data[at:], "image/png") == "damaged"


def test_a_jpeg_of_many_scans_is_too_large() -> None:
    """Each scan is a pass over all pixels: their number is bounded."""
    data = written(noise(), "JPEG", progressive=True)
    scan, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    assert refused(data[:end] + data[scan:end] * 50 + data[end:], "image/jpeg") == "too_large"
