"""Writes a configuration file for the service that reads it."""

import os
from pathlib import Path

from clients.cli.context import USAGE, Failure

_READ_BY_GROUP = 0o640


def write_configuration(file: Path, data: Path, text: str) -> None:
    """Write or replace the configuration of a data folder's box, atomically.

    Written by root, the group of the folder's owner can read it: the service does not run as root.
    Raises `Failure`.
    """
    from session_controller.security.files import write_private

    if not file.parent.is_dir():
        raise Failure(f"cannot write {file}: {file.parent} is not a folder; create it first", USAGE)
    try:
        write_private(file, text.encode())
        if os.geteuid() == 0 and data.exists():
            _let_owner_read(file, data)
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}") from None


def _let_owner_read(file: Path, data: Path) -> None:
    owner, folder = data.stat(), file.parent
    if folder.resolve() == data.resolve():
        os.chown(file, owner.st_uid, owner.st_gid)
        return
    os.chown(file, 0, owner.st_gid)
    file.chmod(_READ_BY_GROUP)
