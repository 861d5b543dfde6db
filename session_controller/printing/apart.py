"""Printing in a process of its own: what a document does to the typesetter stays there.

The process gets the written-up record on standard input as a ZIP of `sheet.json` and the files
that it names, and gives the PDF on standard output. Nothing of it is written to a disk.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from session_controller.printing.rendering import Paper, print_sheet
from session_controller.printing.typesetting import TypesettingError
from session_controller.printing.writing import write
from session_controller.record import Record

SECONDS = 120.0
"""The reference form takes half a second; photographs and drawn pages some tenths each."""

_BYTES = 4 * 2**30
"""Of address space, of which threads alone take a part; a page is drawn in some MB."""


def render_apart(record: Record, *, paper: Paper = "us-letter", seconds: float = SECONDS) -> bytes:
    """Print a record as `render` does, in a process that ends with it or after `seconds`.

    Blocks meanwhile. Raises `TypesettingError`, also if the process died.
    """
    sheet, files = write(record, paper)
    order = [sys.executable, "-P", "-m", "session_controller.printing"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            order,
            input=_packed(asdict(sheet), files),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TypesettingError("the typesetter took too long") from None
    if done.returncode != 0:
        raise TypesettingError(f"the typesetter ended with {done.returncode}")
    return done.stdout


def _packed(sheet: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("sheet.json", json.dumps(sheet))
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def main() -> int:
    """Set what comes in; say nothing of what is in it."""
    _limit_memory()
    try:
        with zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        made = print_sheet(json.loads(files.pop("sheet.json")), files)
    except (TypesettingError, zipfile.BadZipFile, MemoryError, OSError):
        return 1
    sys.stdout.buffer.write(made)
    return 0


def _limit_memory() -> None:
    if os.name == "posix":
        import resource  # noqa: PLC0415 - not everywhere

        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
