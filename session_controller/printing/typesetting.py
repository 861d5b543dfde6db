"""The typesetter: Typst, given its files in memory and a folder that holds nothing else.

What it is not given it looks for in its root folder, and without one in the working directory:
hence a folder of our own (`memory_folder`). It runs without Python's GIL.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

from session_controller.printing.memory_folder import folder_of

if TYPE_CHECKING:
    import typst

_MAIN = "main.typ"
_TEXTS = (".typ", ".json", ".svg")
"""What can be given as it is: Typst's Python package takes text only."""

_PIXELS_PER_INCH = 140

MAX_PAGES = 25
"""Of one PDF: a record is to be read, and the document itself is kept beside it."""

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
    """The typesetter gave up; its message may hold what is set, so it stays out of this one."""


class MissingGlyphsError(TypesettingError):
    """Some text cannot be shown with any font; `lines` of the main file have it."""

    def __init__(self, lines: frozenset[int]) -> None:
        super().__init__("no font has a glyph for some of the text")
        self.lines = lines


def typeset(files: Mapping[str, bytes], at: int, *, accessible: bool = True) -> bytes:
    """Set `main.typ` as a tagged PDF, by default PDF/UA-1 (ISO 14289-1), dated `at` (Unix).

    Raises `MissingGlyphsError`, which only PDF/UA minds, and `TypesettingError` for all else.
    """
    return _compiled(
        files,
        format="pdf",
        timestamp=at,
        pdf_standards=["ua-1"] if accessible else [],
    )


def viewed(data: bytes, ending: str) -> tuple[bytes, ...]:
    """Give a file as pictures that can be set: itself, or the pages of a PDF.

    Pages become pictures since PDF/UA takes no pages of another PDF, and so nothing active in
    them comes along. None where the file cannot be shown.
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
    """Find the characters that no font here has a glyph for."""
    asked = sorted(set(characters))
    lines = ['#set document(title: "glyphs")', *(f'#"\\u{{{ord(c):x}}}" \\' for c in asked)]
    try:
        _compiled({_MAIN: "\n".join(lines).encode()}, format="pdf", pdf_standards=["ua-1"])
    except MissingGlyphsError as error:
        return frozenset(asked[line - 2] for line in error.lines)
    return frozenset()


@cache
def _fonts() -> "typst.Fonts":
    import typst  # noqa: PLC0415 - takes 8 MB, of boxes that print

    return typst.Fonts()


_NO_GLYPH = re.compile(r"could not be displayed.*\n\s*┌─ .*main\.typ:(\d+):")


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
            raise TypesettingError("the typesetter cannot read what it was given") from None
        except BaseException as error:
            # A panic of the typesetter derives from BaseException, and has no public name.
            if type(error).__name__ != "PanicException":
                raise
            raise TypesettingError("the typesetter failed on what it was given") from None
    if not isinstance(made, bytes):
        raise TypesettingError("the typesetter gave several files")
    return made


def _error(error: "typst.TypstError") -> TypesettingError:
    lines = frozenset(int(line) for line in _NO_GLYPH.findall(error.diagnostic))
    if lines or "could not be displayed" in error.message:
        return MissingGlyphsError(lines)
    return TypesettingError("the typesetter refused what it was given")
