"""The picture at the top of the README, of two that `./run screens` takes.

python -m tests.web.two_screens docs/screens
"""

import sys
from pathlib import Path

from PIL import Image

_HEIGHT, _GAP, _BACKGROUND = 820, 24, (222, 226, 230)


def join(folder: Path) -> None:
    """Put the front desk and the patient screen side by side."""
    names = ("desk-session-desktop.png", "patient-highlight-tablet.png")
    screens = [_of_one_height(Image.open(folder / name).convert("RGB")) for name in names]
    width = sum(screen.width + _GAP for screen in screens) + _GAP
    joined = Image.new("RGB", (width, _HEIGHT + 2 * _GAP), _BACKGROUND)
    left = _GAP
    for screen in screens:
        joined.paste(screen, (left, _GAP))
        left += screen.width + _GAP
    small = joined.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(folder / "two-screens.png", optimize=True)


def _of_one_height(screen: Image.Image) -> Image.Image:
    width = round(screen.width * _HEIGHT / screen.height)
    return screen.resize((width, _HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    join(Path(sys.argv[1]))
