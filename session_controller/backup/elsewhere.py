"""A copy of one backup in a folder elsewhere, complete in itself; its keys are beside it.

`FOLDER` has the same parts as `backups/`. A later copy into it writes only what it lacks.
"""

from pathlib import Path

from session_controller.backup.keeping import remove_unnamed
from session_controller.backup.manifest import FOLDER, listed, read_header
from session_controller.backup.packs import FOLDER as PACKS
from session_controller.backup.packs import pack_path
from session_controller.backup.shelf import DOCUMENTS, LOG, discard_unused, names_of
from session_controller.errors import StoreError
from session_controller.security.files import sync_folder, sync_private_copy
from session_controller.security.keyring import KEYRING, keyring_beside


def copy_backup(data: Path, name: str, to: Path) -> tuple[Path, Path]:
    """Copy a backup of a data folder to a folder; return the copy's list and its keys.

    The folder then holds this backup alone. Raises `OSError`, `StoreError`.
    """
    source = data / FOLDER
    header = read_header(source / name)
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = keyring_beside(to.absolute())
    _copy(source / KEYRING, keys)
    (to / PACKS).mkdir(mode=0o700, exist_ok=True)
    for pack in header.packs:
        _copy_missing(pack_path(source, pack), pack_path(to, pack))
    for document in sorted(names_of(source, header.documents)):
        path = (source / DOCUMENTS).joinpath(*document)
        if path.exists():  # else its session was purged
            _copy_missing(path, (to / DOCUMENTS).joinpath(*document))
    _copy(source / LOG, to / LOG)
    _copy(source / name, to / name)
    for path in listed(to):
        if path.name != name:
            path.unlink()
    remove_unnamed(to)
    discard_unused(to, [header.documents.lines])
    sync_folder(to)
    return to / name, keys


def _copy_missing(source: Path, target: Path) -> None:
    """Copy a file whose name says what is in it, unless it is there in full."""
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy atomically, readable by the owner only."""
    draft = target.with_name(f"{target.name}.new")
    try:
        with source.open("rb") as content:
            sync_private_copy(content, draft)
        draft.replace(target)
        sync_folder(target.absolute().parent)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def newest_in(path: Path) -> Path:
    """Return a backup as it is named on the command line: a list, or a folder with one.

    Raises `StoreError` if a folder has none.
    """
    if not path.is_dir():
        return path
    found = listed(path)
    if not found:
        raise StoreError(f"{path} contains no backup")
    return found[0]
