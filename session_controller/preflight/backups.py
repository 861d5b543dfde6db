"""Checks of the backups in a data folder: how old they are, and whether one could be restored."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from session_controller.backup.checking import document_fault, refuse_unsigned
from session_controller.backup.manifest import (
    FOLDER,
    existing,
    read_header,
    read_manifest,
    refuse_newer,
)
from session_controller.backup.outlook import (
    Outlook,
    forecast,
    mib,
    needed,
    refusal,
    replaced,
    size_of,
)
from session_controller.backup.packs import is_whole, pack_path
from session_controller.backup.shelf import DOCUMENTS, names_of
from session_controller.errors import BackupNewerError, KeyringError, StoreError
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
_READ_AT_ONCE = 256 << 20
"""Bytes of a backup that are read at once, in some seconds."""
_NAMED = 3
"""How many damaged files a finding names."""


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


def content_findings(subject: Subject) -> Iterator[Finding]:
    """Read what the newest backup consists of, up to a limit, and yield what is damaged."""
    path = next(iter(existing(subject.data)), None)
    try:
        if path is None:
            return
        manifest, keyring = read_manifest(path), read_keyring(keyring_of(path))
        packs = [pack_path(path.parent, pack) for pack in manifest.header.packs]
        names = sorted(names_of(path.parent, manifest.header.documents))
    except (StoreError, KeyringError, OSError):  # the check of its keys says so
        return
    documents = [(path.parent / DOCUMENTS).joinpath(*name) for name in names]
    chosen = _first([*packs, *documents])
    page = manifest.header.page_size
    damaged = [
        each for each in packs if each in chosen and not is_whole(path.parent, each.stem, page)
    ]
    damaged += [
        each
        for each, name in zip(documents, names, strict=True)
        if each in chosen and document_fault(path.parent, name, keyring)
    ]
    if damaged := [each for each in damaged if each.exists()]:
        aside = "; ".join(f"mv {each} {_aside(subject.data, each)}" for each in damaged[:_NAMED])
        text = f"the newest backup cannot be restored: {damaged[0]} is damaged"
        mend = f"{aside}; handrail backup: it writes again what it lacks"
        yield critical("backup-content", text, mend)
    elif len(chosen) < len(packs) + len(documents):
        text = f"of the newest backup, {mib(_READ_AT_ONCE)} were read, and they are intact"
        yield note("backup-content", text, "handrail backup verify reads all of it")
    else:
        yield ok("backup-content", "all of the newest backup was read, and is intact")


def _first(paths: Sequence[Path]) -> set[Path]:
    """Return as many of these files, in order, as may be read at once."""
    chosen, total = set[Path](), 0
    for path in paths:
        total += path.stat().st_size if path.exists() else 0
        if chosen and total > _READ_AT_ONCE:
            break
        chosen.add(path)
    return chosen


def _aside(data: Path, path: Path) -> Path:
    """Return a name beside the backups: what has it is not a part of any."""
    return data / f"damaged-{path.name}"


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
    try:
        refuse_newer(subject.data / FOLDER)
    except BackupNewerError as error:
        yield critical("backups", str(error), "install the newer version of Handrail again")
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
    except BackupNewerError:
        return  # said already
    except (StoreError, KeyringError, OSError) as error:
        text = f"the newest backup cannot be restored: {error}"
        yield critical("backup-keys", text, "handrail backup; the next one is complete again")
        return
    if lost := [pack for pack in packs if not pack.is_file()]:
        text = f"the newest backup cannot be restored: {lost[0]} is missing"
        yield critical("backup-keys", text, "handrail backup; the next one is complete again")
    else:
        yield ok("backup-keys", "the newest backup can be opened with its keys")
