"""Checks of the backups in a data folder: how old they are, and whether one could be restored."""

from collections.abc import Iterator
from datetime import timedelta

from session_controller.backup.checking import refuse_unsigned
from session_controller.backup.manifest import FOLDER, existing, read_header, read_manifest
from session_controller.backup.outlook import (
    Outlook,
    forecast,
    mib,
    needed,
    refusal,
    replaced,
    size_of,
)
from session_controller.backup.packs import pack_path
from session_controller.errors import KeyringError, StoreError
from session_controller.preflight.database import can_decrypt
from session_controller.preflight.finding import (
    Finding,
    configure,
    critical,
    note,
    ok,
    warning,
)
from session_controller.preflight.subject import Subject
from session_controller.security.keyring import keyring_of, read_keyring

_SOON = 60
"""Days before the disk is full from which a finding is a warning."""
_OLD = timedelta(hours=48)


def backup_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the backups, and how long the disk will last."""
    outlook = Outlook.of(subject.data, subject.usage)
    yield from _newest(subject, outlook)
    yield from _restorable(subject)
    need = needed(subject.data, outlook.headers[0] if outlook.headers else None, 0)
    if need > outlook.room.free:
        mend = "handrail session purge; handrail restore --forget-replaced; or a larger disk"
        yield warning("backup-room", refusal(outlook.room, need), mend)
    days = outlook.days
    if days is not None and (text := forecast(days)) is not None:
        if days < _SOON:
            yield warning("disk-growth", text, "purge old sessions, or use a larger disk")
        else:
            yield ok("disk-growth", text)
    for path in replaced(subject.data):
        text = f"{path} holds what a restore replaced ({mib(size_of(path))})"
        mend = "once nothing in it is needed: handrail restore --forget-replaced"
        yield note("replaced-data", text, mend)


def _newest(subject: Subject, outlook: Outlook) -> Iterator[Finding]:
    if not subject.start.backs_up:
        yield warning(
            "backups",
            "the box makes none",
            configure("backup", "every", "6h", "--backup-every"),
        )
    if not outlook.count:
        if subject.start.backs_up:
            yield note("backups", "there is none yet", "handrail backup")
        return
    if damaged := outlook.count - len(outlook.headers):
        text = f"{damaged} of {outlook.count} backups are damaged"
        yield critical("backups", text, _damaged(subject))
        return
    age = subject.at - outlook.headers[0].taken
    text = f"{outlook.count}, the newest {_in_words(age)} old"
    if age > _OLD:
        yield warning("backups", text, "handrail backup; the box's log says why it made none")
    else:
        yield ok("backups", text)


def _in_words(age: timedelta) -> str:
    minutes = max(0, round(age / timedelta(minutes=1)))
    return f"{minutes} minutes" if minutes < 2 * 60 else f"{minutes // 60:,} hours"


def _damaged(subject: Subject) -> str:
    """Return the command that removes the lists that cannot be read."""
    lost = []
    for path in existing(subject.data):
        try:
            read_header(path)
        except (StoreError, OSError):
            lost.append(str(path))
    return f"rm {' '.join(lost)}; handrail backup"


def _restorable(subject: Subject) -> Iterator[Finding]:
    """Open the newest backup: its keys, its signature, and that each of its packs is there."""
    path = next(iter(existing(subject.data)), None)
    if path is None:
        return
    try:
        manifest, keyring = read_manifest(path), read_keyring(keyring_of(path))
        if can_decrypt(subject):
            refuse_unsigned(path, manifest, keyring, subject.data)
        packs = [pack_path(subject.data / FOLDER, pack) for pack in manifest.header.packs]
    except (StoreError, KeyringError, OSError) as error:
        text = f"the newest backup cannot be restored: {error}"
        yield critical("backup-keys", text, "handrail backup; the next one is complete again")
        return
    if lost := [pack for pack in packs if not pack.is_file()]:
        text = f"the newest backup cannot be restored: {lost[0]} is missing"
        yield critical("backup-keys", text, "handrail backup; the next one is complete again")
    else:
        yield ok("backup-keys", "the newest backup can be opened with its keys")
