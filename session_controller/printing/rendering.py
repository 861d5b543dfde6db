"""From a record to its PDF: written up as a sheet, made legible, set."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files as resources
from typing import Any, Literal

from session_controller.printing.documents import Files
from session_controller.printing.legible import legible
from session_controller.printing.typesetting import (
    MAX_PAGES,
    PICTURES,
    MissingGlyphsError,
    typeset,
    unshowable,
    viewed,
)
from session_controller.printing.writing import write
from session_controller.record import Record

Paper = Literal["us-letter", "a4"]

_TEMPLATE = ("record.typ", "pieces.typ")


def render(record: Record, *, paper: Paper = "us-letter") -> bytes:
    """Print a record: PDF/UA-1, tagged, dated with its `exported_at`.

    The same record gives the same bytes, on machines with the same fonts. It takes some tenths of
    a second, and more with long documents: not for an event loop. A thread will do, since the
    typesetter runs without the GIL; `render_apart` also survives what a document may do to it.
    Raises `TypesettingError`.
    """
    sheet, files = write(record, paper)
    return print_sheet(asdict(sheet), files)


def print_sheet(sheet: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Set a `Sheet` as JSON, with the files that it names."""
    seen = dict(files)
    documents = [_with_pictures(one, sheet["words"], seen) for one in sheet["documents"]]
    shown, named = legible({**sheet, "documents": documents}, unshowable)
    seen["sheet.json"] = json.dumps(shown | {"named": named}).encode()
    seen |= _template()
    try:
        return typeset(seen, sheet["at"])
    except MissingGlyphsError:
        # A mark that its letter's font lacks, say. Then rather an empty box than no record.
        return typeset(seen, sheet["at"], accessible=False)


def _with_pictures(
    document: Mapping[str, Any], words: Mapping[str, str], files: Files
) -> dict[str, Any]:
    """Replace a document's file by pictures, as far as it can be shown."""
    stem, _, ending = document["file"].rpartition(".")
    data = files.pop(document["file"])
    if ending in PICTURES:
        # The decoders take 7 MB, of boxes that print.
        from session_controller.printing.photographs import for_paper  # noqa: PLC0415

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
    folder = resources("session_controller.printing") / "template"
    files = {name: (folder / name).read_bytes() for name in _TEMPLATE}
    return files | {"main.typ": b'#include "record.typ"'}
