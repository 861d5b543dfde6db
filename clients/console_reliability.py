"""`handrail backup`: a verified copy of a box that serves."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from clients.console import DATA, AsJson, Data, Failure, print_json, program, say
from clients.files import PRIVATE, sync_folder

BACKUPS = "backups"

To = Annotated[
    Path | None,
    typer.Option("--to", help="Copy it here as well.", dir_okay=False, metavar="FILE"),
]


def backup(
    context: typer.Context, *, to: To = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Back a box up, while it serves or not, and verify the backup.

    The one file holds all that was entered and the box's secrets: keep it as safe as the box.
    """
    with program(context).reach(data) as admin:
        taken = admin.back_up()
        path = data / BACKUPS / taken.file
        if to is not None:
            path = _copied(path, to)
    if as_json:
        print_json({"file": str(path), "size": taken.size})
    else:
        say(f"backed up to {path} ({taken.size:,} bytes)")


def _copied(path: Path, to: Path) -> Path:
    """Copy whole or not at all, for its owner's eyes alone."""
    draft = to.with_name(f"{to.name}.new")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
        with os.fdopen(handle, "wb") as target, path.open("rb") as source:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(to)
        sync_folder(to.absolute().parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Failure(f"the backup is {path}, but not copied to {to}: {error.strerror}") from None
    return to
