"""A signature's strokes as SVG, in the shape of the pad that they were drawn on."""

from collections.abc import Sequence
from itertools import pairwise

from schemas.wire.commands import Strokes

PAD = (600, 200)
"""Width and height. The page's pad is three times as wide as high on a tablet, and exactly so for
a typed name (`clients/web/src/patient/strokes.ts`); strokes are fractions of it.
"""

MAX_POINTS = 20_000
"""Longer signatures are thinned out: this is far more than a printed pen stroke needs."""

_INK = "#10242b"
_BASE_LINE = 0.76
"""Height of the pad's base line."""


def drawn(strokes: Strokes) -> bytes:
    """Draw a signature. The SVG contains numbers only."""
    width, height = PAD
    every = 1 + sum(map(len, strokes)) // MAX_POINTS
    paths = "".join(
        _path([(p[0] * width, p[1] * height) for p in _thin(s, every)]) for s in strokes
    )
    line = f"M{width * 0.05:.0f} {height * _BASE_LINE:.0f}H{width * 0.95:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" fill="none">'
        f'<path d="{line}" stroke="#c9d5d7" stroke-width="1"/>'
        f'<path d="{paths}" stroke="{_INK}" stroke-width="2.4" stroke-linecap="round" '
        f'stroke-linejoin="round"/></svg>'
    ).encode()


def _thin(
    stroke: Sequence[tuple[float, float, float]], every: int
) -> list[tuple[float, float, float]]:
    """Keep every n-th point of a stroke, and its ends."""
    kept = list(stroke[::every])
    return kept if kept[-1] == stroke[-1] else [*kept, stroke[-1]]


def _path(points: list[tuple[float, float]]) -> str:
    """Draw a smooth line through the midpoints; a dot is a line of zero length."""
    start = f"M{_at(points[0])}"
    if len(points) == 1:
        return f"{start}h0.01"
    if len(points) == 2:  # noqa: PLR2004 - a line
        return f"{start}L{_at(points[1])}"
    curves = "".join(
        f"Q{_at(one)} {_at(((one[0] + after[0]) / 2, (one[1] + after[1]) / 2))}"
        for one, after in pairwise(points[1:])
    )
    return f"{start}{curves}L{_at(points[-1])}"


def _at(point: tuple[float, float]) -> str:
    return f"{point[0]:.2f} {point[1]:.2f}"
