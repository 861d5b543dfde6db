"""The typesetter: Typst, with its files in memory and an otherwise empty root folder.

Typst looks for other files in its root folder, by default the working directory, so it gets a
folder of our own (`memory_folder`). It releases the GIL.
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

from session_controller.export.printing.memory_folder import folder_of

if TYPE_CHECKING:
    import typst

_MAIN = "main.typ"
_TEXTS = (".typ", ".json", ".svg")
"""Text files, which can be passed directly: Typst's Python package accepts text only."""

_PIXELS_PER_INCH = 140

MAX_PAGES = 25
"""Of one PDF: the record is meant to be read, and the document itself is stored separately."""

PICTURES = ("png", "jpg", "gif", "webp")
_PICTURE = b"""#set document(title: "picture")
#image("%s", alt: "picture", width: 5cm)"""

_PAGE = b"""#let wide = 170mm
#let high = 220mm
#set page(width: auto, height: auto, margin: 0pt)
#context {
  let size = measure(image("it.pdf", page: %d))
  let scale = calc.min(wide / size.width, high / size.height, 1)
  image("it.pdf", page: %d, width: size.width * scale, height: size.height * scale)
}"""


class TypesettingError(Exception):
    """Typesetting failed; without the typesetter's own message, which may quote the record."""


class MissingGlyphsError(TypesettingError):
    """Our fonts cannot show some of the text; `lines` are those of the main file."""

    def __init__(self, lines: frozenset[int]) -> None:
        super().__init__("no font has a glyph for some of the text")
        self.lines = lines


def typeset(files: Mapping[str, bytes], at: int, *, accessible: bool = True) -> bytes:
    """Typeset `main.typ` as a tagged PDF, by default PDF/UA-1 (ISO 14289-1), dated `at` (Unix).

    Raises `MissingGlyphsError`, only for PDF/UA, and `TypesettingError` for everything else.
    """
    return _compiled(
        files,
        format="pdf",
        timestamp=at,
        pdf_standards=["ua-1"] if accessible else [],
    )


def viewed(data: bytes, ending: str) -> tuple[bytes, ...]:
    """Return a file as pictures for the typesetter: itself, or the pages of a PDF.

    Pages become pictures, since PDF/UA cannot embed pages of another PDF; so no active content
    is carried over. Empty if the file cannot be shown.
    """
    if ending == "pdf":
        return tuple(_pages(data))
    if ending not in PICTURES:
        return ()
    name = f"it.{ending}"
    try:
        _compiled({_MAIN: _PICTURE % name.encode(), name: data}, format="pdf")
    except TypesettingError:
        return ()
    return (data,)


def _pages(data: bytes) -> Iterable[bytes]:
    for number in count(1):
        if number > MAX_PAGES:
            return
        files = {_MAIN: _PAGE % (number, number), "it.pdf": data}
        try:
            yield _compiled(files, format="png", ppi=_PIXELS_PER_INCH)
        except TypesettingError:
            return


def unshowable(characters: Iterable[str]) -> frozenset[str]:
    """Return the characters without a glyph in our fonts, and those that PDF/UA does not allow."""
    asked = sorted(set(characters))
    lines = ['#set document(title: "glyphs")', *(f'#"\\u{{{ord(c):x}}}" \\' for c in asked)]
    try:
        _compiled({_MAIN: "\n".join(lines).encode()}, format="pdf", pdf_standards=["ua-1"])
    except MissingGlyphsError as error:
        return frozenset(asked[line - 2] for line in error.lines)
    return frozenset()


@cache
def _fonts() -> "typst.Fonts":
    """Return the fonts of the typesetter and of the folder `HANDRAIL_FONTS`, if it is set.

    Never the machine's: what a record looks like must not depend on what is installed beside.
    """
    import typst  # noqa: PLC0415 - takes 8 MB, of boxes that print

    added = os.environ.get("HANDRAIL_FONTS")
    return typst.Fonts(include_system_fonts=False, font_paths=[added] if added else [])


_NOT_SHOWN = r"(?:could not be displayed|contains the disallowed codepoint)"
"""No glyph, or one that PDF/UA does not allow: fonts may have a glyph for U+0000 or U+FEFF."""

_NOT_SHOWN_IN = re.compile(_NOT_SHOWN + r".*\n\s*┌─ .*main\.typ:(\d+):")


def _compiled(files: Mapping[str, bytes], **how: object) -> bytes:
    import typst  # noqa: PLC0415

    texts = {name: data for name, data in files.items() if name.endswith(_TEXTS)}
    others = {name: data for name, data in files.items() if name not in texts}
    with folder_of(others) as folder:
        try:
            made = typst.compile(  # type: ignore[call-overload]
                texts,
                root=folder,
                package_path=folder,
                package_cache_path=folder,
                font_paths=_fonts(),
                **how,
            )
        except typst.TypstError as error:
            raise _error(error) from None
        except RuntimeError:
            raise TypesettingError("the typesetter cannot read its input") from None
        except BaseException as error:
            # A panic of the typesetter derives from BaseException, and has no public name.
            if type(error).__name__ != "PanicException":
                raise
            raise TypesettingError("the typesetter crashed") from None
    if not isinstance(made, bytes):
        raise TypesettingError("the typesetter returned several files")
    return made


def _error(error: "typst.TypstError") -> TypesettingError:
    lines = frozenset(int(line) for line in _NOT_SHOWN_IN.findall(error.diagnostic))
    if lines or re.search(_NOT_SHOWN, error.message):
        return MissingGlyphsError(lines)
    return TypesettingError("the typesetter rejected its input")
