"""Whether backups are copied off the box, and whether one was ever restored to try it."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from session_controller.backup.drill import read_drill
from session_controller.backup.manifest import listed
from session_controller.backup.off_box import CopyState, read_copies
from session_controller.preflight.finding import Finding, Level, configure, warning
from session_controller.preflight.subject import Subject

COPIES, DRILL = "backup-copies", "restore-drill"
_MEND = 'handrail backup --to FOLDER, then to = "FOLDER" in [backup] of the configuration'
_EXAMPLE = "/mnt/backup/handrail"
_LATE = timedelta(days=2)
"""How old the last copy may be, besides the time between two."""
_TOO_LATE = timedelta(days=7)
_DRILL_EVERY = timedelta(days=90)


def copy_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is to be said of the copies that the box makes by itself."""
    data, at = subject.data, subject.at
    state, to = read_copies(data), subject.start.copies_to
    to = to or (Path(state.to) if state else None)
    if to is None:
        yield Finding(
            COPIES,
            Level.NOTE,
            "the box does not copy backups to another machine: if its disk breaks, they are gone, "
            "unless you copy them",
            _MEND,
        )
        return
    state = state if state and state.to == str(to.absolute()) else CopyState(to=str(to))
    mend = f"handrail backup --to {to} --data {data}"
    if (unusable := _unusable(to, data)) is not None:
        yield warning(COPIES, *unusable)
    elif (problem := _problem(state, at)) is not None:
        level = Level.CRITICAL if _age(state, at) > _TOO_LATE else Level.WARNING
        yield Finding(COPIES, level, problem, mend)
    elif (missing := _missing(to)) is not None:
        yield warning(COPIES, missing, f"mount it; if it is new: {mend}")
    elif _same_disk(data, to):
        text = f"{to} is on the same disk as the data folder: if it breaks, both are gone"
        yield Finding(
            COPIES,
            Level.WARNING,
            text,
            _MEND,
        )
    elif state.copied is None:
        yield Finding(COPIES, Level.NOTE, f"the first copy to {to} is still to come")
    else:
        yield Finding(COPIES, Level.OK, f"copied to {to}, {_ago(state.copied.at, at)}")


def _unusable(to: Path, data: Path) -> tuple[str, str] | None:
    """Return why a folder cannot hold copies and what mends that, or None if it can."""
    elsewhere = configure("backup", "to", f"{_EXAMPLE}", "--backup-to")
    if to.resolve().is_relative_to(data.resolve()):
        return f"{to} is in the data folder, where a copy is refused", elsewhere
    if to.exists() and not to.is_dir():
        return f"{to} is not a folder", f"mv {to} {to}.aside; then: handrail backup --to {to}"
    if to.is_mount():
        text = f"{to} is a mount point, so {to}.keys would stay on this machine"
        return text, configure("backup", "to", f"{to / 'handrail'}", "--backup-to")
    if to.exists() and not os.access(to, os.R_OK | os.W_OK | os.X_OK):
        own = to.stat().st_uid == os.geteuid()
        mend = f"chmod u+rwx {to}" if own else f"sudo chown -R --reference={data} {to}"
        return f"the box's user cannot write {to}, so backups are not copied there", mend
    return None


def _missing(to: Path) -> str | None:
    """Return that a folder is away or was not prepared for copies, or None."""
    if not to.exists():
        return f"{to} does not exist, so backups are not copied there"
    if not listed(to):
        return f"{to} has no copy of a backup: a share is not mounted, or it was not prepared"
    return None


def _problem(state: CopyState, at: datetime) -> str | None:
    last = (
        f"the last copy was made {_ago(state.copied.at, at)}" if state.copied else "none was made"
    )
    if state.failed is not None:
        return f"backups are not copied to {state.to}: {state.failed.text}; {last}"
    if state.copied and at - state.copied.at > timedelta(seconds=state.every_s) + _LATE:
        return f"backups are not copied to {state.to}, or hang there; {last}"
    return None


def _age(state: CopyState, at: datetime) -> timedelta:
    """Return for how long there has been no new copy."""
    since = state.copied.at if state.copied else state.failed.since if state.failed else at
    return at - since - timedelta(seconds=state.every_s)


def _same_disk(data: Path, to: Path) -> bool:
    try:
        return to.stat().st_dev == data.stat().st_dev
    except OSError:
        return False


def drill_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is to be said of the last restore drill of a data folder."""
    data, at = subject.data, subject.at
    last, mend = read_drill(data), f"handrail backup drill --data {data}"
    if last is None:
        text = "nobody has tried yet whether a backup can be restored"
        yield Finding(DRILL, Level.NOTE, text, mend)
    elif last.faults:
        text = f"{last.backup} was restored to try it, and is damaged: {last.faults[0]}"
        yield Finding(DRILL, Level.CRITICAL, text, mend)
    elif at - last.at > _DRILL_EVERY:
        yield Finding(DRILL, Level.NOTE, f"the last restore drill was {_ago(last.at, at)}", mend)
    else:
        text = f"{last.backup} was restored in {last.seconds:.1f} s to try it, {_ago(last.at, at)}"
        yield Finding(DRILL, Level.OK, text)


def _ago(then: datetime, now: datetime) -> str:
    hours = max(0, int((now - then) / timedelta(hours=1)))
    return f"{hours} hours ago" if hours < 2 * 24 else f"{hours // 24} days ago"
