"""Folders of a command's own, for a box that is only tried; what a killed command left is removed.

The command locks a file in its folder. A folder whose file nobody locks belongs to nobody any more.
"""

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OWNER = "owner"
_ENDS_WITHIN_S = 10.0


@contextmanager
def scratch_folder(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """Yield a new folder in `place`, by default that for temporary files; remove it in the end.

    First removes folders with this prefix that killed commands left, and ends their boxes.
    """
    _clear(prefix, place or Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place) as name:
        folder = Path(name)
        handle = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield folder / "data"
        finally:
            os.close(handle)


def _clear(prefix: str, place: Path) -> None:
    for left in place.glob(f"{prefix}*"):
        if left.is_dir() and not left.is_symlink() and left.stat().st_uid == os.geteuid():
            _remove_if_left(left)


def _remove_if_left(folder: Path) -> None:
    try:
        handle = os.open(folder / _OWNER, os.O_RDWR)
    except OSError:
        return  # not one of ours, or being made
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        _end_boxes(folder)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def _end_boxes(folder: Path) -> None:
    """Kill the boxes that outlived the command that started them, and wait for their end."""
    running = [pid for pid in _processes() if _serves(pid, folder)]
    for pid in running:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while any(_serves(pid, folder) for pid in running) and time.monotonic() < deadline:
        time.sleep(0.01)


def _processes() -> list[int]:
    with suppress(OSError):
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return []


def _serves(pid: int, folder: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"serve" in words and os.fsencode(folder / "data") in words
