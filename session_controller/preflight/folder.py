"""Checks of the files in a data folder, and of the disk that they are on."""

import os
import pwd
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from session_controller.backup.outlook import mib
from session_controller.preflight.finding import Finding, Level, critical, ok, warning
from session_controller.preflight.kinds import FILES, FOLDERS, kind_findings
from session_controller.preflight.subject import Subject
from session_controller.storage.room import Room

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
MIN_FREE_BYTES = 100 << 20
"""Free space on the disk below which a box is not ready: its log alone can grow to 64 MiB."""
_MIN_FILES, _FEW_FILES = 100, 5_000
"""Files that can still be created: a document takes one or two."""
_NAMED = 3
"""How many files a finding names."""


def folder_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with owners and modes of files, and with the disk."""
    data = subject.data
    if not data.exists() and data.is_symlink():
        text = f"{data} is a link to {data.readlink()}, which does not exist"
        yield critical("folder", text, f"mount the disk that it is on; or: rm {data}")
        return
    if not data.exists():
        yield critical("folder", f"{data} does not exist", f"handrail serve --data {data}")
        return
    if not data.is_dir():
        yield critical("folder", f"{data} is not a folder", "name the data folder with --data")
        return
    yield from _access(data)
    yield from kind_findings(data)
    yield from _modes(data)
    yield from _owners(data)
    yield from disk_findings(subject)


def _access(data: Path) -> Iterator[Finding]:
    """Yield what this user may not read or write: then little else can be checked."""
    paths = [path for name in ("", *FOLDERS, *FILES) if (path := data / name).exists()]
    denied = [path for path in paths if not os.access(path, _wanted_access(path))]
    if not denied:
        return
    if os.statvfs(data).f_flag & os.ST_RDONLY:
        text = f"{data} is on a disk that is mounted read-only: after a fault, Linux does that"
        yield critical("file-access", text, "dmesg | tail; then check or replace the disk")
        return
    owner = _owner(data)
    if os.geteuid() != data.stat().st_uid:
        mend = f"sudo -u {owner} handrail doctor --data {data}"
        yield critical("file-access", f"this user cannot write {_named(denied)}", mend)
    else:
        mend = f"chmod u+rwX {' '.join(map(str, denied))}"
        text = f"{owner}, who owns the folder, cannot write {_named(denied)}"
        yield Finding("file-access", Level.CRITICAL, text, mend, partial(_give, denied))


def _wanted_access(path: Path) -> int:
    return os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)


def _give(paths: list[Path]) -> None:
    for path in paths:
        more = stat.S_IRUSR | stat.S_IWUSR | (stat.S_IXUSR if path.is_dir() else 0)
        path.chmod(path.stat().st_mode | more)


def _entries(data: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield all files and folders, without following links."""
    yield data, data.stat()
    for folder, folders, files in os.walk(data):
        for name in (*folders, *files):
            path = Path(folder, name)
            try:
                yield path, path.lstat()
            except FileNotFoundError:  # a running box removed it
                continue


def _modes(data: Path) -> Iterator[Finding]:
    # Below a folder that is closed to others, the modes of files do not matter until it is copied.
    found = [
        path
        for path, each in _entries(data)
        if each.st_mode & _OTHERS and not stat.S_ISLNK(each.st_mode) and each.st_size
    ]
    if not found:
        yield ok("file-modes", f"only its owner can read {data}")
        return
    text = f"other users of this machine can access {_named(found)}"
    mend = f"chmod -R go= {data}"
    yield Finding("file-modes", Level.CRITICAL, text, mend, partial(_close, found))


def _close(paths: list[Path]) -> None:
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)


def _owners(data: Path) -> Iterator[Finding]:
    """Yield what another user owns: the box cannot write or replace it."""
    owner = data.stat()
    found = [path for path, each in _entries(data) if each.st_uid != owner.st_uid]
    if found:
        text = f"{_named(found)} does not belong to {_owner(data)}, who owns the folder"
        yield critical("file-owners", text, f"sudo chown -R --reference={data} {data}")


def _owner(data: Path) -> str:
    number = data.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"


def _named(paths: list[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(map(str, paths[:_NAMED])) + more


def disk_findings(subject: Subject) -> Iterator[Finding]:
    """Yield whether the disk has room for documents, for the log, and for more files."""
    room = Room.on(subject.data, subject.usage)
    mend = "purge old sessions (`handrail session purge`), or use a larger disk"
    if (problem := low_space(room.left)) is not None:
        yield critical("disk", problem, mend)
    elif not room.free:
        text = (
            f"patients' documents and backups are refused: no more than the {mib(room.reserve)} "
            "that are kept free for check-ins are left"
        )
        yield warning("disk", text, mend)
    else:
        yield ok("disk", f"{mib(room.left)} free")
    yield from _inodes(subject.data, mend)


def low_space(free: int) -> str | None:
    """Return that the disk has too little space to store anything, or None."""
    if free >= MIN_FREE_BYTES:
        return None
    return f"the disk has {mib(free)} free; {mib(MIN_FREE_BYTES)} are needed"


def _inodes(data: Path, mend: str) -> Iterator[Finding]:
    found = os.statvfs(data)
    if not found.f_files or found.f_favail >= _FEW_FILES:  # 0: the file system has no limit
        return
    text = f"the disk has room for {found.f_favail:,} more files"
    make = critical if found.f_favail < _MIN_FILES else warning
    yield make("disk-files", text, mend)
