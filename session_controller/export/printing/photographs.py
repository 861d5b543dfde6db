"""Reduce photographs for printing: twelve megapixels are no clearer on paper, and far larger."""

import io

from PIL import Image, ImageOps

LONGEST = 1_800
"""In pixels; about 250 per inch at the largest printed size."""

_QUALITY = 85


def for_paper(data: bytes) -> tuple[bytes, str]:
    """Return a large picture reduced, as a JPEG, with its extension, or `data` and "".

    A small or unreadable picture is returned unchanged.
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
