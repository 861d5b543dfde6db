"""What follows from a change of a session, for devices, codes, deliveries and bytes. Pure."""

from dataclasses import dataclass
from operator import attrgetter

from schemas.wire.views import SessionStatus
from session_controller.engine.state import SessionState

_relevant = attrgetter("participants", "status", "code", "documents")
"""What of a session matters to anyone beyond its own views."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What is to be done besides storing the state and publishing the views."""

    left: tuple[str, ...] = ()
    """Devices whose view is cleared: they take no part any more."""
    released: str | None = None
    """The patient's device that is free again; a guest's credential ends."""
    assigned: str | None = None
    """The patient's device that is in the session now."""
    closed_code: int | None = None
    """The serial of a code that works no more."""
    completed: bool = False
    """Whether the session is to be delivered."""
    dropped_uploads: tuple[str, ...] = ()
    """Uploads whose bytes are deleted."""
    dropped_files: tuple[str, ...] = ()
    """Files that are no document of the session any more."""


NO_EFFECTS = Effects()


def effects(before: SessionState, after: SessionState) -> Effects:
    """Return what follows from a change of a session."""
    if _relevant(before) == _relevant(after):
        return NO_EFFECTS
    patient, ended = after.patient, after.status.ended
    old, new = before.code, after.code
    changed = before.documents is not after.documents
    uploads = _unfinished(after) if ended and not before.status.ended else ()
    return Effects(
        left=tuple(d for d in before.participants if d not in after.participants),
        released=before.patient if ended or patient != before.patient else None,
        assigned=patient if patient != before.patient and not ended else None,
        closed_code=old.serial if old and (new is None or new.serial != old.serial) else None,
        completed=after.status is SessionStatus.COMPLETED is not before.status,
        dropped_uploads=uploads + (_dropped_uploads(before, after) if changed else ()),
        dropped_files=_dropped_files(before, after) if changed else (),
    )


def _unfinished(state: SessionState) -> tuple[str, ...]:
    """Return the uploads of documents that will never be whole."""
    return tuple(d.upload for d in state.documents.values() if d.stored is None)


def _dropped_uploads(before: SessionState, after: SessionState) -> tuple[str, ...]:
    """Return uploads that were taken back, replaced, begun anew, or are kept as a file now."""
    now = {document.upload: document for document in after.documents.values()}
    dropped = []
    for old in before.documents.values():
        new = now.get(old.upload)
        finished = new is not None and new.stored is not None and old.stored is None
        if new is None or new.received < old.received or finished:
            dropped.append(old.upload)
    return tuple(dropped)


def _dropped_files(before: SessionState, after: SessionState) -> tuple[str, ...]:
    """Return the files of documents that were taken back or replaced."""
    now = {document.upload: document for document in after.documents.values()}
    dropped = []
    for old in before.documents.values():
        new = now.get(old.upload)
        if old.stored and (new is None or new.stored is None):
            dropped.append(old.stored.file)
    return tuple(dropped)
