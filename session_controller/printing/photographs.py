"""Photographs for paper: one of twelve megapixels is no clearer there, and far larger."""

import io

from PIL import Image, ImageOps

LONGEST = 1_800
"""In pixels; about 250 to the inch at the largest size that a picture is printed in."""

_QUALITY = 85


def for_paper(data: bytes) -> tuple[bytes, str]:
    """Make a large picture smaller, as a JPEG; gives it with its ending, or `data` and "".

    A small one, and what cannot be read, are given back as they are.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as picture:
            if max(picture.size) <= LONGEST:
                return data, ""
            return _smaller(picture), "jpg"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return data, ""


def _smaller(picture: Image.Image) -> bytes:
    picture.draft("RGB", (LONGEST, LONGEST))
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    upright.thumbnail((LONGEST, LONGEST))
    paper = Image.new("RGB", upright.size, "white")
    paper.paste(upright, mask=upright)
    made = io.BytesIO()
    paper.save(made, "JPEG", quality=_QUALITY)
    return made.getvalue()
