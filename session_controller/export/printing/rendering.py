"""Render a record as a PDF: write its sheet, make the text printable, typeset it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files as resources
from typing import Any, Literal

from session_controller.export.printing.documents import Files
from session_controller.export.printing.legible import legible
from session_controller.export.printing.typesetting import (
    MAX_PAGES,
    PICTURES,
    MissingGlyphsError,
    typeset,
    unshowable,
    viewed,
)
from session_controller.export.printing.writing import write
from session_controller.export.record import Record

Paper = Literal["us-letter", "a4"]

_TEMPLATE = ("record.typ", "pieces.typ")


def render(record: Record, *, paper: Paper = "us-letter") -> bytes:
    """Print a record: PDF/UA-1, tagged, dated with its `exported_at`.

    The same record gives the same bytes whatever fonts the machine has. Takes some tenths of a
    second, and more with long documents: do not call it on an event loop. A thread is enough,
    since the typesetter releases the GIL; `render_apart` also survives a crash of it. Raises
    `TypesettingError`.
    """
    sheet, files = write(record, paper)
    return print_sheet(asdict(sheet), files)


def print_sheet(sheet: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Typeset a `Sheet` in JSON, with its files."""
    seen = dict(files)
    documents = [_with_pictures(one, sheet["words"], seen) for one in sheet["documents"]]
    shown, named = legible({**sheet, "documents": documents}, unshowable)
    seen["sheet.json"] = json.dumps(shown | {"named": named}).encode()
    seen |= _template()
    try:
        return typeset(seen, sheet["at"])
    except MissingGlyphsError:
        # For example, a font lacks a combining mark. An empty box is better than no record.
        return typeset(seen, sheet["at"], accessible=False)


def _with_pictures(
    document: Mapping[str, Any], words: Mapping[str, str], files: Files
) -> dict[str, Any]:
    """Replace a document's file with pictures, if it can be shown."""
    stem, _, ending = document["file"].rpartition(".")
    data = files.pop(document["file"])
    if ending in PICTURES:
        # Imported on demand: the decoders take 7 MB.
        from session_controller.export.printing.photographs import for_paper  # noqa: PLC0415

        data, changed = for_paper(data)
        ending = changed or ending
    seen = viewed(data, ending)
    pictures = []
    for page, picture in enumerate(seen, start=1):
        name = f"{stem}-{page}.{'png' if ending == 'pdf' else ending}"
        files[name] = picture
        pictures.append({"file": name, "alt": document["alt"].replace("{n}", str(page))})
    note = None if seen else words["not_shown"]
    if len(seen) == MAX_PAGES:
        note = words["more_pages"].replace("{n}", str(MAX_PAGES))
    return {**document, "pictures": pictures, "note": note}


def _template() -> Files:
    folder = resources("session_controller.export.printing") / "template"
    files = {name: (folder / name).read_bytes() for name in _TEMPLATE}
    return files | {"main.typ": b'#include "record.typ"'}
