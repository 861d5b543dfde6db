"""A signature as an SVG picture, including the time of each point."""

import json

from schemas.wire.commands import Strokes

WIDTH, HEIGHT = 600, 200
"""Size of the picture; strokes are in fractions of the pad."""

MEDIA_TYPE = "image/svg+xml"


def as_svg(strokes: Strokes) -> bytes:
    """Draw strokes; `metadata` contains their points and times exactly as sent."""
    lines = "".join(f'<polyline points="{_points(stroke)}"/>' for stroke in strokes)
    exact = json.dumps([[list(point) for point in stroke] for stroke in strokes])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"<metadata>{exact}</metadata>"
        '<g fill="none" stroke="#000" stroke-width="2" stroke-linecap="round" '
        f'stroke-linejoin="round">{lines}</g></svg>'
    ).encode()


def _points(stroke: tuple[tuple[float, float, float], ...]) -> str:
    points = [f"{x * WIDTH:.1f},{y * HEIGHT:.1f}" for x, y, _ in stroke]
    # A dot needs a second point, or nothing would be drawn.
    return " ".join(points if len(points) > 1 else points * 2)
