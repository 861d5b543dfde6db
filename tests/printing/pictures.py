"""Documents for records that look like some: cards and a letter, set by the typesetter."""

import typst
from PIL import ImageFont

_CARD = """
#set page(width: 85.6mm, height: 54mm, margin: 6mm, fill: {fill})
#set text(size: 9pt, fill: white)
#text(size: 14pt, weight: "bold", "{title}")
#v(1fr)
#upper("{name}") \\
Member ID W2210 557 301 #h(1fr) Group 88214
"""

_LETTER = """
#set page(width: 148mm, height: 210mm, margin: 18mm)
#set text(size: 11pt)
= Referral
#v(4mm)
To whom it may concern,

#lorem(60)

#pagebreak()
#lorem(40)

Dr. Amara Okafor
"""


def card(title: str, fill: str = 'rgb("#0b5563")', *, name: str = "Maria Delgado") -> bytes:
    """Make a picture of an insurance card (PNG)."""
    return _made(_CARD.format(title=title, name=name, fill=fill), "png")


def letter() -> bytes:
    """Make a PDF of two pages."""
    return _made(_LETTER, "pdf")


def font() -> bytes:
    """Return a small font (TrueType), of a family that the typesetter does not bring along."""
    return ImageFont.load_default(10).path.getvalue()  # type: ignore[union-attr]


_FONTS = typst.Fonts(include_system_fonts=False)


def _made(source: str, kind: str) -> bytes:
    made = typst.compile(  # type: ignore[call-overload]
        source.encode(), format=kind, ppi=200, timestamp=0, font_paths=_FONTS
    )
    assert isinstance(made, bytes)
    return made
