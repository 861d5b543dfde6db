"""Whether a database is whole: SQLite's checks, the log's chain, every state and document.

Each state is rebuilt from its log; each document has to be in its place.

`python -m session_controller.verification FILE` does it in a process of its own, so that a box
that serves is not held up; it prints what is wrong, a line each, and exits with 1.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from schemas.flow import load_flow
from schemas.questionnaire import Flow
from session_controller.audit import Receipt, audit, read_receipt, told
from session_controller.engine.facts import CommandRefused, Event
from session_controller.engine.forms import BrokenLogError
from session_controller.engine.history import carry_on, replay
from session_controller.engine.state import SessionState
from session_controller.errors import KeyringError, StoreDamagedError, StoreError
from session_controller.keyring import keyring_of, read_keyring
from session_controller.opening import DATABASE
from session_controller.reading import Reader
from session_controller.records import StoredFlow
from session_controller.rows import session_columns
from session_controller.sealing import BoxKeyError, SealBrokenError, load_box_keys
from session_controller.vault import Vault, is_intact

_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in a database."""

    sessions: int
    events: int
    epoch: int
    faults: tuple[str, ...]
    """What is wrong, in words that name sessions and no values."""


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Read a data folder's database, or a backup with its keyring, that nobody writes through us.

    Raises `StoreError`, `sqlite3.Error`.
    """
    try:
        if path.name == DATABASE and not keyring_of(path).exists():
            box = load_box_keys(path.parent)
            if box is None and not path.exists():
                raise StoreError(f"{path.parent} is no box's data folder; name it with --data")
            if box is None:
                raise StoreError(
                    f"{path.parent} lacks the box's key; put back box.key, or set HANDRAIL_BOX_KEY"
                )
            with Reader.of(path, box, fetch_document=Vault(path.parent).sealed) as reader:
                yield reader
            return
        keyring = read_keyring(keyring_of(path))
        box = keyring.box_keys(path.parent.parent)
    except (KeyringError, BoxKeyError) as error:
        raise StoreError(str(error)) from None
    with Reader.of(path, box, keyring.keys) as reader:
        yield reader


def key_problem(data: Path) -> str | None:
    """Say why a data folder's keys do not open with the box's key; None where they do.

    A folder without a database has no problem yet. Changes nothing; raises nothing.
    """
    if not (data / DATABASE).exists():
        return None
    try:
        with reading(data / DATABASE) as reader:
            for name in reader.wrapped_keys():
                reader.open_key(name)
    except (StoreError, SealBrokenError, BoxKeyError) as error:
        return str(error)
    except sqlite3.Error as error:
        return f"the keys cannot be read ({error})"
    return None


@dataclass(frozen=True, slots=True)
class FolderAudit:
    """What a look through a data folder found."""

    entries: int
    signed: int
    """The newest entry that a signature covers."""
    sessions: int
    purged: int
    faults: tuple[str, ...]


def audit_folder(data: Path, receipt: str | None) -> FolderAudit:
    """Go through the log of a data folder, its states and its documents, whether a box runs or not.

    Raises `StoreError`, `ReceiptError`.
    """
    known = read_receipt(receipt) if receipt else None
    with _told(data), reading(data / DATABASE) as reader:
        found = verify_reader(reader, receipt=known)
        signed = max((c.head.entry for c in reader.checkpoints()), default=0)
        return FolderAudit(found.events, signed, found.sessions, len(reader.purged()), found.faults)


def told_entries(data: Path, after: int, session: str | None) -> Iterator[dict[str, JsonValue]]:
    """Tell the log of a data folder; nothing that was entered. Raises `StoreError`."""
    with _told(data), reading(data / DATABASE) as reader:
        yield from (told(entry) for entry in reader.entries(after, session))


@contextmanager
def _told(data: Path) -> Iterator[None]:
    """Turn what SQLite says into what a person reads."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreDamagedError(f"{data / DATABASE} cannot be read ({error})") from None


def verify(path: Path) -> Verified:
    """Check a database file. Changes nothing; raises nothing."""
    try:
        with reading(path) as reader:
            return verify_reader(reader)
    except StoreError as error:
        return Verified(0, 0, 0, (f"cannot be read: {error}",))
    except (sqlite3.Error, ValueError, SealBrokenError, BoxKeyError) as error:
        return Verified(0, 0, 0, (f"cannot be read: {type(error).__name__}",))


def verify_reader(reader: Reader, *, receipt: Receipt | None = None) -> Verified:
    """Check an open database; by a receipt too, that nothing was cut off its end since."""
    faults = list(reader.damage())
    if faults:
        return Verified(0, 0, 0, tuple(faults[:_MAX_FAULTS]))
    audited = audit(reader, receipt=receipt)
    faults += audited.faults
    faults += _key_faults(reader)
    forms = {stored.flow_ref: _form(stored) for stored in reader.flows()}
    faults += [f"the form {ref} was changed" for ref, form in forms.items() if form is None]
    flows = {ref: form for ref, form in forms.items() if form is not None}
    readable = [name for name in reader.session_names() if reader.has_key(name)]
    for name in readable:
        faults += _session_faults(reader, flows, name)
    return Verified(len(readable), audited.entries, reader.epoch, tuple(faults[:_MAX_FAULTS]))


def _form(stored: StoredFlow) -> Flow | None:
    """Read a form; None where it is not what its reference, a hash, says."""
    try:
        flow = load_flow(bytes(stored.canonical), fallback_id=stored.flow_id)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return flow if flow.flow_ref == stored.flow_ref else None


def _key_faults(reader: Reader) -> Iterator[str]:
    """Look for a signature of somebody else, and for keys that went without a purge."""
    keys = {checkpoint.public_key for checkpoint in reader.checkpoints()}
    try:
        strange = bool(keys - {reader.log_key})
    except BoxKeyError:
        yield "the box's key here is not the one that this was sealed with; put the right one back"
    except SealBrokenError:
        yield "the key that signs the log was changed"
    else:
        if strange:
            yield "the log is signed by another key than this box's"
    if reader.holds_keys:
        for name in reader.session_names():
            if not reader.has_key(name):
                yield f"{name}: its key is gone, although it was never purged"


def _session_faults(reader: Reader, flows: dict[str, Flow], name: str) -> Iterator[str]:
    try:
        snapshot, chained = reader.snapshot(name), list(reader.chained_events(name))
    except (SealBrokenError, BoxKeyError, ValueError):
        yield f"{name}: what it holds does not open with its key"
        return
    if snapshot is None:
        return
    stored, entry = snapshot
    if reader.described(name) != session_columns(stored):
        yield f"{name}: what stands beside its state was changed"
    flow = flows.get(stored.flow_ref)
    events = [event for event, _ in chained]
    after = sum(head.entry <= entry for _, head in chained)
    faults = list(log_faults(flow, stored, events, after))
    yield from faults
    if faults or flow is None:
        return
    try:
        state = carry_on(flow, stored, events[after:])
    except (BrokenLogError, KeyError, ValueError) as error:
        yield _unplayable(name, error)
        return
    for field_id, document in state.documents.items():
        if document.stored is None:
            continue
        sealed = reader.sealed_document(name, document.stored.file)
        if sealed is None:
            yield f"{name}: the document of {field_id} is missing"
        elif not is_intact(sealed, document.stored.file):
            yield f"{name}: the document of {field_id} was changed"


def log_faults(
    flow: Flow | None, state: SessionState, events: list[Event], after: int | None = None
) -> Iterator[str]:
    """Say where a session's log and its state after so many events disagree, or after all."""
    if flow is None:
        yield f"{state.session}: its flow is missing"
        return
    expected = 0
    for event in events:
        expected += not isinstance(event.fact, CommandRefused)
        if event.revision != expected:
            yield f"{state.session}: revision {event.revision} where {expected} is due"
            return
    try:
        rebuilt = replay(flow, events[:after]).state
    except (BrokenLogError, KeyError, ValueError) as error:
        yield _unplayable(state.session, error)
        return
    if rebuilt != state:
        yield f"{state.session}: the stored state is not what the log gives"


def _unplayable(session: str, error: Exception) -> str:
    return f"{session}: the log cannot be replayed ({type(error).__name__})"


def main() -> int:
    """Verify the file that the command line names."""
    verified = verify(Path(sys.argv[1]))
    for fault in verified.faults:
        sys.stdout.write(f"{fault}\n")
    return 1 if verified.faults else 0


if __name__ == "__main__":
    sys.exit(main())
