"""Checks that what should be a file of the data folder is one, and what should be a folder."""

import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from session_controller.backup.drill import DRILL_FILE
from session_controller.backup.manifest import FOLDER as BACKUPS
from session_controller.backup.off_box import STATE_FILE
from session_controller.backup.packs import FOLDER as PACKS
from session_controller.backup.shelf import DOCUMENTS as COPIED_DOCUMENTS
from session_controller.backup.shelf import LOG
from session_controller.data_folder import (
    ADMINS_FILE,
    BOX_FILE,
    DELIVERY_FILE,
    REHEARSAL_LOCK,
    SLOTS,
)
from session_controller.integrity.verified_point import POINT_FILE
from session_controller.preflight.finding import Finding, Level, critical
from session_controller.security.encryption import KEY_FILE
from session_controller.security.keyring import KEYRING
from session_controller.security.own_tls import FOLDER as TLS
from session_controller.security.own_tls import TLS_FILES
from session_controller.security.recovery import RECOVERY_FILE
from session_controller.storage.ballast import BALLAST
from session_controller.storage.database import DATABASE, LOCK, RESTORING
from session_controller.storage.documents import FOLDER as DOCUMENTS

CHECK = "file-kinds"
FILES = (
    *(DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK, RESTORING, BALLAST, KEY_FILE),
    *(ADMINS_FILE, BOX_FILE, DELIVERY_FILE, REHEARSAL_LOCK, STATE_FILE, DRILL_FILE),
    *(POINT_FILE, RECOVERY_FILE, *(f"{slot}.lock" for slot in SLOTS), *TLS_FILES),
    *(f"{BACKUPS}/{KEYRING}", f"{BACKUPS}/{LOG}"),
)
"""The files of a data folder that are opened by their name."""
FOLDERS = (DOCUMENTS, TLS, BACKUPS, f"{BACKUPS}/{PACKS}", f"{BACKUPS}/{COPIED_DOCUMENTS}")
"""Its folders, above those in them."""


def kind_findings(data: Path) -> Iterator[Finding]:
    """Yield what is a folder and should be a file, or the other way round, or a broken link."""
    for wanted, names, is_kind in (
        ("folder", FOLDERS, stat.S_ISDIR),
        ("file", FILES, stat.S_ISREG),
    ):
        for name in names:
            if _is_wrong(data / name, is_kind):
                yield _finding(data / name, wanted)


def _is_wrong(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Return whether something is there that is not of a kind."""
    try:
        return not is_kind(path.stat().st_mode)
    except OSError:  # not there, or below what is no folder
        return path.is_symlink()


def _finding(path: Path, wanted: str) -> Finding:
    if path.is_symlink() and not path.exists():
        text = f"{path} is a link to {path.readlink()}, which does not exist"
        mend = f"mount the disk that it is on; or: rm {path}"
        return critical(CHECK, text, mend if wanted == "folder" else f"rm {path}")
    aside = _aside(path)
    text = f"{path} is not a {wanted}, as it should be"
    return Finding(CHECK, Level.CRITICAL, text, f"mv {path} {aside}", partial(path.rename, aside))


def _aside(path: Path) -> Path:
    """Return a name that nothing has."""
    number = 0
    while (found := path.with_name(f"{path.name}.aside{number or ''}")).exists():
        number += 1
    return found
