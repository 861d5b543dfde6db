"""A copy of one backup in a folder elsewhere, complete in itself; its keys are beside it.

`FOLDER` has the same parts as `backups/`. A later copy into it writes only what it lacks.
"""

import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from session_controller.backup.checking import public_key
from session_controller.backup.keeping import remove_unnamed
from session_controller.backup.manifest import (
    FOLDER,
    Header,
    headers_in,
    is_signed,
    listed,
    read_header,
    refuse_newer,
)
from session_controller.backup.outlook import mib
from session_controller.backup.packs import FOLDER as PACKS
from session_controller.backup.packs import is_whole, pack_path
from session_controller.backup.shelf import (
    DOCUMENTS,
    Name,
    Shelf,
    discard_unused,
    names_of,
    write_log,
)
from session_controller.backup.turns import turn
from session_controller.errors import KeyringError, StoreError
from session_controller.security.files import make_private_folder, sync_folder, sync_private_copy
from session_controller.security.keyring import (
    KEYRING,
    keyring_beside,
    read_keyring,
    write_keyring,
)
from session_controller.security.keys import session_key
from session_controller.security.recovery import read_recovery
from session_controller.storage.database import DATABASE
from session_controller.storage.documents import is_intact
from session_controller.storage.room import Room

_DRAFT = "handrail-copy.new"


def copy_backup(data: Path, name: str, to: Path) -> tuple[Path, Path]:
    """Copy a backup of a data folder to a folder; return the copy's list and its keys.

    The folder then holds this backup alone, or a newer one if this one was removed meanwhile.
    Raises `OSError`, `StoreError`, `KeyringError`.
    """
    source = data / FOLDER
    _refuse(data, to)
    make_private_folder(to)
    with turn(source / PACKS):  # one copy at a time; a backup does not wait for it
        path = _copy_list(source / name, to)
        while True:
            try:
                header = read_header(to / _DRAFT)
                _refuse_without_room(data, header, to)
                _copy_packs(source, header, to)
                _copy_documents(source, header, to)
                break
            except StoreError:
                # Thinning moves pages to other packs, and changes the lists first.
                before = (to / _DRAFT).read_bytes()
                path = _copy_list(path, to)
                if (to / _DRAFT).read_bytes() == before:
                    raise
        return _replace(to, path.name, header), keyring_beside(to.absolute())


def _refuse(data: Path, to: Path) -> None:
    """Raise `StoreError` if something in a folder would be lost that is no copy of this box."""
    if to.resolve().is_relative_to(data.resolve()):
        raise StoreError(f"{to} is in the data folder; name a folder outside of it")
    if (to / DATABASE).exists() or (to / KEYRING).exists():
        raise StoreError(f"{to} has all backups of a box, or its data; name another folder")
    refuse_newer(to)
    try:
        public = public_key(read_keyring(data / FOLDER / KEYRING), data)
    except (StoreError, KeyringError):  # whose key is not given to this command
        return
    if not all(is_signed(header, public) for header in headers_in(to)):
        raise StoreError(f"{to} has the backup of another box; name another folder")


def _refuse_without_room(data: Path, header: Header, to: Path) -> None:
    """Raise `StoreError` if a copy does not fit; beside the box's own reserve on its own disk."""
    source, room = data / FOLDER, Room.on(to)
    names = [Path(DOCUMENTS, *name) for name in names_of(source, header.documents)]
    names += [pack_path(Path(), pack) for pack in header.packs]
    need = sum(_size(source / name) for name in names if not (to / name).exists())
    same = to.stat().st_dev == data.stat().st_dev
    if need > (free := room.free if same else room.left):
        kept = f" besides the {mib(room.reserve)} that are kept free for check-ins" if same else ""
        raise StoreError(
            f"the copy needs {mib(need)} in {to}, and the disk there has {mib(free)}{kept}; name a "
            "folder on another disk"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # removed meanwhile
        return 0


def _copy_list(path: Path, to: Path) -> Path:
    """Copy a backup's list, or the newest if there is none any more, to a draft; return which."""
    try:
        _copy(path, to / _DRAFT)
    except FileNotFoundError:
        path = newest_in(path.parent)
        _copy(path, to / _DRAFT)
    return path


def _copy_packs(source: Path, header: Header, to: Path) -> None:
    (to / PACKS).mkdir(mode=0o700, exist_ok=True)
    for pack in header.packs:
        if is_whole(to, pack, header.page_size):
            continue
        with suppress(FileNotFoundError):
            _copy(pack_path(source, pack), pack_path(to, pack))
        if not is_whole(to, pack, header.page_size):
            raise StoreError(f"{pack_path(source, pack)} is missing or damaged")


def _copy_documents(source: Path, header: Header, to: Path) -> None:
    """Copy the documents, and then the keys: a purge deletes a key first, then documents."""
    names = names_of(source, header.documents)
    lacking = {name for name in names if not _is_there(to, name)}
    lacking -= Shelf(to, sys.maxsize).copy(source / DOCUMENTS, lacking)
    keyring = read_keyring(source / KEYRING)
    if keyring.files and read_recovery(source.parent) is not None:
        raise StoreError(
            "no backup was taken since the recovery key was made, so the secrets are not encrypted "
            "for it yet; take a backup first: `handrail backup`"
        )
    for session, name in sorted(lacking):
        if session_key(session) in keyring.keys:
            raise StoreError(f"{source / DOCUMENTS / session / name} is missing")
        (to / DOCUMENTS / session / name).unlink(missing_ok=True)
    write_keyring(keyring_beside(to.absolute()), keyring)
    _write_log(to, header, names)


def _is_there(folder: Path, name: Name) -> bool:
    try:
        return is_intact((folder / DOCUMENTS).joinpath(*name).read_bytes(), name[1])
    except OSError:
        return False


def _write_log(to: Path, header: Header, names: Collection[Name]) -> None:
    """Write a log for the new backup, and for the former until it is replaced."""
    states = dict[int, Collection[Name]]()
    for former in headers_in(to):
        with suppress(StoreError):
            states[former.documents.lines] = names_of(to, former.documents)
    states[header.documents.lines] = names
    write_log(to, ((position, states[position]) for position in sorted(states)))


def _replace(to: Path, name: str, header: Header) -> Path:
    """List the new backup, and remove what only the former ones need."""
    (to / _DRAFT).replace(to / name)
    sync_folder(to)
    for path in listed(to):
        if path.name != name:
            path.unlink()
    for draft in to.glob("handrail-*.new*"):
        draft.unlink()
    remove_unnamed(to)
    discard_unused(to, [header.documents])
    sync_folder(to)
    return to / name


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
