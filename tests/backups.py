"""Backups in tests: verified entry by entry, and copied."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from session_controller.backup.elsewhere import copy_backup
from session_controller.backup.restore import ANY_SIGNER, restore
from session_controller.integrity.data_folder import Verified, verify


def verified(backup: Path) -> Verified:
    """Restore a backup into a folder of its own, and verify all of it."""
    with TemporaryDirectory() as folder:
        restore(Path(folder), backup, datetime.now(UTC), signed_by=ANY_SIGNER)
        return verify(Path(folder) / "handrail.sqlite")


def copied(backup: Path, to: Path) -> Path:
    """Copy a backup with its keys to a folder, and return the copy."""
    return copy_backup(backup.parents[1], backup.name, to)[0]


def packs(data: Path) -> list[Path]:
    """Return the packs of a data folder's backups."""
    return sorted((data / "backups" / "packs").iterdir())


def copy_folder(backup: Path, to: Path) -> Path:
    """Copy a whole folder of backups, as an operator may, and return the copy of one of them."""
    shutil.copytree(backup.parent, to)
    return to / backup.name


def all_below(folder: Path) -> list[Path]:
    """Return every file and folder below a folder."""
    return sorted(folder.rglob("*"))
