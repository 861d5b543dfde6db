"""Strip a picture's byte stream, then decode it completely."""

import warnings
from io import BytesIO
from typing import Final

from PIL import (
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from session_controller.media import gif, jpeg, kinds, png, webp
from session_controller.media.outcome import Inspected, UnfitError

MOST_PIXELS: Final = 50_000_000
"""Of one frame: phone and tablet cameras do not exceed it by default; 200 MB when decoded."""
MOST_FRAMES: Final = 200
MOST_PIXELS_IN_ALL: Final = 100_000_000
"""Of all frames: what a small box decodes within seconds."""

_STRIP = {
    kinds.JPEG: jpeg.strip,
    kinds.PNG: png.strip,
    kinds.WEBP: webp.strip,
    kinds.GIF: gif.strip,
}
_PLUGINS = {
    kinds.JPEG: JpegImagePlugin.JpegImageFile.format,
    kinds.PNG: PngImagePlugin.PngImageFile.format,
    kinds.WEBP: WebPImagePlugin.WebPImageFile.format,
    kinds.GIF: GifImagePlugin.GifImageFile.format,
}
# Import plugins now: on first use, Pillow could no longer open files.
Image.preinit()
_EXIF_READER = TiffImagePlugin.ImageFileDirectory_v2
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)


def inspect_picture(data: bytes, media_type: str) -> Inspected:
    """Strip and decode a picture. Raises `UnfitError`.

    It decodes the bytes that will be stored, so stripping cannot have broken them.
    """
    stripped = _STRIP[media_type](data)
    try:
        with warnings.catch_warnings(action="error"):
            width, height = _decode(stripped, media_type)
    except _BOMBS as error:
        raise UnfitError("too_large") from error
    except UnfitError:
        raise
    except Exception as error:  # any error of a decoder: the file is at fault
        raise UnfitError("damaged") from error
    return Inspected(media_type, stripped, width=width, height=height)


def _decode(data: bytes, media_type: str) -> tuple[int, int]:
    with Image.open(BytesIO(data), formats=[_PLUGINS[media_type]]) as image:
        size = image.size
        for number in range(_frames(image)):
            image.seek(number)
            _check_size(image)
            image.load()
    return size


def _frames(image: Image.Image) -> int:
    """Count the frames, after checking the size: counting decodes a GIF."""
    _check_size(image)
    frames = int(getattr(image, "n_frames", 1))
    if frames > MOST_FRAMES or frames * image.width * image.height > MOST_PIXELS_IN_ALL:
        raise UnfitError("too_large")
    return frames


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise UnfitError("too_large")
