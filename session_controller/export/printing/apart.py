"""Printing in a separate process, so that a document can crash only that process.

The process reads a ZIP of `sheet.json` and its files from standard input, and writes the PDF to
standard output. Nothing is written to disk, and no secret is in its environment.
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

from session_controller.export.printing.rendering import Paper, print_sheet
from session_controller.export.printing.typesetting import TypesettingError
from session_controller.export.printing.writing import write
from session_controller.export.record import Record
from session_controller.media.apart import environment

_COMMAND = (sys.executable, "-P", "-m", "session_controller.export.printing")

SECONDS = 120.0
"""The reference form takes half a second; photographs and drawn pages some tenths each."""

_BYTES = 4 * 2**30
"""Of address space, part of which is reserved by threads; a page takes some MB."""


def render_apart(record: Record, *, paper: Paper = "us-letter", seconds: float = SECONDS) -> bytes:
    """Print a record as `render` does, in a process that ends after `seconds` at the latest.

    Blocks meanwhile. Raises `TypesettingError`, also if the process died.
    """
    sheet, files = write(record, paper)
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            _COMMAND,
            input=_packed(asdict(sheet), files),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        raise TypesettingError("the typesetter took too long") from None
    if done.returncode != 0:
        raise TypesettingError(f"the typesetter exited with {done.returncode}")
    return done.stdout


def _packed(sheet: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("sheet.json", json.dumps(sheet))
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def main() -> int:
    """Typeset what comes in; print nothing about its content."""
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
        import resource  # noqa: PLC0415 - not on every platform

        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
