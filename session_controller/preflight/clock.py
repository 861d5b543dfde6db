"""Checks of the machine's clock: sessions expire, certificates end and purges begin by it."""

import ctypes
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from session_controller.errors import StoreError
from session_controller.preflight.finding import Finding, critical, note, ok, warning
from session_controller.preflight.subject import Subject
from session_controller.storage.reader import Reader

RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""No box has run before this."""
_AHEAD = timedelta(minutes=5)
_UNSYNCHRONIZED = 5
"""TIME_ERROR of adjtimex(2)."""
_MEND = "sudo timedatectl set-ntp true, or: sudo timedatectl set-time 'YYYY-MM-DD HH:MM'"


def is_synchronized() -> bool:
    """Return whether the kernel knows that the clock follows a time server (adjtimex(2))."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        return int(libc.adjtimex(ctypes.create_string_buffer(512))) != _UNSYNCHRONIZED
    return True


def clock_findings(
    subject: Subject, synchronized: Callable[[], bool] = is_synchronized
) -> Iterator[Finding]:
    """Yield whether the clock is plausible."""
    shown = f"{subject.at.astimezone():%Y-%m-%d %H:%M %z}"
    newest, doubted = _newest_entry(subject)
    if subject.at < RELEASED:
        text = f"the clock says {shown}, before this program was made"
        yield critical("clock", text, _MEND)
    elif newest is not None and newest > subject.at + _AHEAD:
        text = (
            f"the newest entry of the log is of {newest.astimezone():%Y-%m-%d %H:%M %z}, and the "
            f"clock says {shown}: it is wrong now, or was wrong then"
        )
        yield warning("clock", text, f"compare it with another clock; {_MEND}")
    elif doubted:
        text = "the clock jumped by days, so nothing is purged by itself for some hours"
        yield warning("clock", text, f"compare it with another clock: it says {shown}; {_MEND}")
    elif not synchronized():
        yield note("clock", f"no time server keeps it: it says {shown}", _MEND)
    else:
        yield ok("clock", f"it says {shown}")


def _newest_entry(subject: Subject) -> tuple[datetime | None, bool]:
    """Return when the newest entry of the log was made, and whether the clock is in doubt."""
    with suppress(sqlite3.Error, StoreError), Reader.without_keys(subject.database) as reader:
        return reader.last_entry_at(), bool(reader.meta("clock_doubted"))
    return None, False
