"""Whether backups are copied off the box, and whether one was ever restored to try it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from session_controller.backup.drill import read_drill
from session_controller.backup.off_box import CopyState, read_copies
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.subject import Subject

COPIES, DRILL = "backup-copies", "restore-drill"
_MEND = 'handrail backup --to FOLDER, then to = "FOLDER" in [backup] of the configuration'
_LATE = timedelta(days=2)
"""How old the last copy may be, besides the time between two."""
_TOO_LATE = timedelta(days=7)
_DRILL_EVERY = timedelta(days=90)


def copy_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is to be said of the copies that the box makes by itself."""
    data, at = subject.data, subject.at
    state = read_copies(data)
    if state is None:
        yield Finding(
            COPIES,
            Level.NOTE,
            "the box does not copy backups to another machine: if its disk breaks, they are gone, "
            "unless you copy them",
            _MEND,
        )
        return
    mend = f"handrail backup --to {state.to} --data {data}"
    if (problem := _problem(state, at)) is not None:
        level = Level.CRITICAL if _age(state, at) > _TOO_LATE else Level.WARNING
        yield Finding(COPIES, level, problem, mend)
    elif _same_disk(data, Path(state.to)):
        text = f"{state.to} is on the same disk as the data folder: if it breaks, both are gone"
        yield Finding(
            COPIES,
            Level.WARNING,
            text,
            _MEND,
        )
    elif state.copied is None:
        yield Finding(COPIES, Level.NOTE, f"the first copy to {state.to} is still to come")
    else:
        yield Finding(COPIES, Level.OK, f"copied to {state.to}, {_ago(state.copied.at, at)}")


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
