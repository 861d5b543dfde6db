"""Copies of backups that the box makes by itself, to a folder on a share or another disk.

It copies only where there is a copy of a backup already, which a person made with `handrail backup
--to FOLDER`: where a share is away, there is an empty mount point, which must not be filled.
`python -m session_controller.backup.off_box ORDER` copies, in a separate process: a share may hang.
"""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from session_controller.backup.apart import Helper, InterruptedByPurgeError, lines
from session_controller.backup.elsewhere import copy_backup
from session_controller.backup.manifest import existing, listed
from session_controller.backup.outlook import wait_s
from session_controller.errors import KeyringError, StoreError
from session_controller.security.files import write_private

_log = logging.getLogger(__name__)

STATE_FILE = "copies.json"
_LOOK_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """Where a running box copies its backups to, and how often."""

    to: Path
    every: timedelta = timedelta(0)
    """At least so long between two copies; zero: each backup is copied."""


class Copied(BaseModel):
    """The last copy that was complete."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # a later program may add to it

    backup: str
    at: datetime


class NotCopied(BaseModel):
    """Failures since the last copy."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # a later program may add to it

    since: datetime
    at: datetime
    """Of the last one."""
    count: int
    text: str


class CopyState(BaseModel):
    """What a box remembers of its copies."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # a later program may add to it

    v: int = 1
    to: str
    every_s: float = 0
    copied: Copied | None = None
    failed: NotCopied | None = None

    def write(self, data: Path) -> None:
        """Write or replace it. Raises `OSError`."""
        write_private(data / STATE_FILE, self.model_dump_json(indent=1).encode() + b"\n")

    def after_failure(self, text: str, at: datetime) -> Self:
        """Return it after one more failure."""
        former = self.failed
        since, count = (former.since, former.count) if former else (at, 0)
        failed = NotCopied(since=since, at=at, count=count + 1, text=text)
        return self.model_copy(update={"failed": failed})


def forget_copies(data: Path) -> None:
    """Remember nothing of copies that are not made any more. Raises `OSError`."""
    (data / STATE_FILE).unlink(missing_ok=True)


def note_copied(data: Path, to: Path, backup: str, at: datetime) -> None:
    """Remember a copy that a person made, if it is where the box copies to. Raises `OSError`."""
    state = read_copies(data)
    if state is not None and state.to == str(to.absolute()):
        copied = Copied(backup=backup, at=at)
        state.model_copy(update={"copied": copied, "failed": None}).write(data)


def read_copies(data: Path) -> CopyState | None:
    """Return what a box remembers of its copies, or None if it makes none or it is damaged."""
    try:
        return CopyState.model_validate_json((data / STATE_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


class Copies:
    """The copies of one box, for use in the box's event loop."""

    def __init__(
        self,
        data: Path,
        plan: CopyPlan | None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._data, self._plan, self._clock = data, plan, clock
        self._helper = Helper()

    async def keep_copying(self) -> None:
        """Copy the newest backup whenever that is due, for as long as the box runs."""
        try:
            state = await asyncio.to_thread(self._begin)
        except OSError as error:
            _log.error("backups are not copied: %s: %s", error.filename, error.strerror)
            return
        while state is not None:
            await asyncio.sleep(_LOOK_EVERY_S)
            state = await asyncio.to_thread(self.look, state)

    def _begin(self) -> CopyState | None:
        """Return the state to continue with, or None if nothing is to be copied."""
        former, plan = read_copies(self._data), self._plan
        if plan is None:
            return None
        to, every_s = str(plan.to.absolute()), plan.every.total_seconds()
        if former is None or former.to != to:
            former = CopyState(to=to)
        state = former.model_copy(update={"every_s": every_s})
        state.write(self._data)
        return state

    def look(self, state: CopyState) -> CopyState:
        """Copy the newest backup if that is due; return the state after it. Never raises."""
        noted = read_copies(self._data)  # a person may have copied meanwhile
        if noted is not None and noted.to == state.to:
            state = noted
        if not self._is_due(state):
            return state
        order = {"data": str(self._data), "to": state.to}
        try:
            code, said = self._helper.call(__name__, json.dumps(order))
        except InterruptedByPurgeError:  # the box stops
            return state
        except OSError as error:
            code, said = 1, str(error)
        after = self._succeeded(state, said) if code == 0 else self._failed(state, lines(said))
        try:
            after.write(self._data)
        except OSError as error:
            _log.error("%s cannot be written: %s", self._data / STATE_FILE, error.strerror)
        return after

    def _is_due(self, state: CopyState) -> bool:
        newest, now = next(iter(existing(self._data)), None), self._clock()
        if newest is None:
            return False
        failed, copied = state.failed, state.copied
        if failed and 0 <= (now - failed.at).total_seconds() < wait_s(failed.count):
            return False
        if copied is None or failed:
            return True
        recent = 0 <= (now - copied.at).total_seconds() < state.every_s
        return copied.backup != newest.name and not recent

    def _succeeded(self, state: CopyState, name: str) -> CopyState:
        _log.info("copied the backup %s to %s", name, state.to)
        copied = Copied(backup=name, at=self._clock())
        return state.model_copy(update={"copied": copied, "failed": None})

    def _failed(self, state: CopyState, why: str) -> CopyState:
        after = state.after_failure(why, self._clock())
        count = after.failed.count if after.failed else 0
        again = timedelta(seconds=wait_s(count))
        _log.error("the backup was not copied to %s: %s (tried again in %s)", state.to, why, again)
        return after

    def stop(self) -> None:
        """End a copy that is under way; what was there before is still whole."""
        self._helper.interrupt()


def copy_newest(data: Path, to: Path) -> str:
    """Copy the newest backup to a folder with a copy of this box; return the backup's name.

    Raises `OSError`, `StoreError`, `KeyringError`.
    """
    _refuse_unprepared(to)
    handle = os.open(to, os.O_RDONLY)  # so that its file system is not unmounted meanwhile
    try:
        _refuse_unprepared(to)
        newest = existing(data)
        if not newest:
            raise StoreError("there is no backup to copy")
        return copy_backup(data, newest[0].name, to)[0].name
    finally:
        os.close(handle)


def _refuse_unprepared(to: Path) -> None:
    if not to.is_dir() or not listed(to):
        raise StoreError(
            f"{to} has no copy of a backup: the share is not mounted, or it is to be prepared with "
            f"`handrail backup --to {to}`"
        )
    if to.is_mount():
        raise StoreError(
            f"{to} is a mount point, so {to}.keys would stay on this machine; name a folder in it"
        )


def main() -> int:
    """Copy as the order on the command line says; print the backup's name, or why not."""
    order = json.loads(sys.argv[1])
    os.nice(10)
    try:
        said, code = copy_newest(Path(order["data"]), Path(order["to"])), 0
    except OSError as error:
        said, code = f"{error.filename or order['to']}: {error.strerror or error}", 1
    except (StoreError, KeyringError) as error:
        said, code = str(error), 1
    sys.stdout.write(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
