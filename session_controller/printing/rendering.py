"""From a record to its PDF: written up as a sheet, made legible, set."""

import json
from dataclasses import asdict
from importlib.resources import files as resources
from typing import Literal

from session_controller.printing.documents import Files
from session_controller.printing.legible import legible
from session_controller.printing.typesetting import (
    MissingGlyphsError,
    typeset,
    unshowable,
    viewed,
)
from session_controller.printing.writing import write
from session_controller.record import Record

Paper = Literal["us-letter", "a4"]

_PARTS = ("record.typ", "pieces.typ")


def render(record: Record, *, paper: Paper = "us-letter") -> bytes:
    """Print a record: PDF/UA-1, tagged, dated with its `exported_at`.

    Takes some tenths of a second, and more with long documents: not for an event loop. The
    typesetter runs without the GIL, so a thread will do. Raises `TypesettingError` if it fails.
    """
    sheet, files = write(record, viewed, paper)
    shown, named = legible(asdict(sheet), unshowable)
    # What is split off its own marks may lack a glyph all the same: then rather a box than nothing.
    files = _template() | files | {"sheet.json": json.dumps(shown | {"named": named}).encode()}
    try:
        return typeset(files, record.exported_at)
    except MissingGlyphsError:
        return typeset(files, record.exported_at, accessible=False)


def _template() -> Files:
    folder = resources("session_controller.printing") / "template"
    files = {name: (folder / name).read_bytes() for name in _PARTS}
    return files | {"main.typ": b'#include "record.typ"'}
