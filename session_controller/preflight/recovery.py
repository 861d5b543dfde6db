"""Whether backups can be opened when the box is gone: the recovery key."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from session_controller.backup.manifest import FOLDER, existing
from session_controller.errors import KeyringError
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.subject import Subject
from session_controller.security.keyring import KEYRING, openers_in_keyring
from session_controller.security.recovery import Recovery, read_recovery

CHECK = "recovery-key"
_AGAIN = timedelta(days=365)
"""Paper gets lost: how long a verification counts."""


def recovery_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is to be said of the recovery key of a data folder."""
    data = subject.data
    try:
        recovery = read_recovery(data)
        path = data / FOLDER / KEYRING
        openers = openers_in_keyring(path) if path.exists() else set[str]()
    except KeyringError as error:
        mend = f"handrail key recovery create --force --data {data}"
        yield Finding(CHECK, Level.CRITICAL, str(error), mend)
        return
    if recovery is None:
        yield Finding(
            CHECK,
            Level.WARNING if existing(data) else Level.NOTE,
            "there is no recovery key: whoever finds a copy of a backup with its FOLDER.keys can "
            "read it",
            f"handrail key recovery create --data {data}",
        )
    elif recovery.recipient not in openers and existing(data):
        if not path.exists():  # the check of the backups' keys says so
            return
        yield Finding(
            CHECK,
            Level.WARNING,
            "no backup was taken since the recovery key was made, so it opens none",
            f"handrail backup --data {data}",
        )
    else:
        yield _verified(recovery, data, subject.at)


def _verified(recovery: Recovery, data: Path, at: datetime) -> Finding:
    mend, last = f"handrail key recovery verify --data {data}", recovery.verified_at
    if last is None:
        text = "nobody has checked yet that the recovery key on paper opens the backups"
        return Finding(CHECK, Level.NOTE, text, mend)
    days = (at - last).days
    if at - last > _AGAIN:
        return Finding(
            CHECK, Level.NOTE, f"the recovery key was last checked {days} days ago", mend
        )
    return Finding(CHECK, Level.OK, f"the recovery key was checked on {last:%Y-%m-%d}")
