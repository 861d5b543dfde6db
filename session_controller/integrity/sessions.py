"""Verify that the box's keys and forms are unchanged, and its sessions' states and documents.

A state is encrypted with its session's key, and bound to the session and to an entry of the log:
one that opens was written by a box with that key. Rebuilding it from the log besides takes most of
the time of a verification.
"""

from collections.abc import Iterator

from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import Flow
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.events import CommandRefused, Event
from session_controller.engine.history import carry_on, replay
from session_controller.engine.state import SessionState
from session_controller.integrity.audit_log import LogCheck
from session_controller.security.encryption import BoxKeyError, DecryptionError
from session_controller.security.keys import KeyGoneError
from session_controller.storage.documents import is_intact
from session_controller.storage.entities import SealedState, StoredFlow
from session_controller.storage.reader import Reader
from session_controller.storage.rows import session_columns


class SessionCheck:
    """Verifies what stands beside the log, for sessions whose entries a `LogCheck` has read."""

    def __init__(self, reader: Reader, *, deep: bool) -> None:
        self._reader = reader
        self._deep = deep
        self._flows: dict[str, Flow] = {}
        self.count = 0
        """How many sessions were verified."""

    def box_faults(self) -> Iterator[str]:
        """Yield changed forms, and signatures of another key; to be called first."""
        try:
            strange = bool(self._reader.signing_keys() - {self._reader.log_key})
        except BoxKeyError:
            yield "the data was encrypted with another box key; put the right one back"
        except DecryptionError:
            yield "the key that signs the log has been changed"
        else:
            if strange:
                yield "the log is signed by another key than this box's"
        for stored in self._reader.flows():
            form = _form(stored)
            if form is None:
                yield f"the form {stored.flow_ref} was changed"
            else:
                self._flows[stored.flow_ref] = form

    def all(self, log: LogCheck) -> Iterator[str]:
        """Yield what is wrong with any session, after the whole log was read."""
        missing = log.revisions.keys() - log.purged
        for sealed in self._reader.sealed_states():
            if sealed.session not in log.revisions:
                yield f"{sealed.session}: the session has no entries in the log"
            missing.discard(sealed.session)
            yield from self._faults(sealed, log.revisions.get(sealed.session))
        yield from _missing(missing)

    def some(self, log: LogCheck) -> Iterator[str]:
        """Yield what is wrong with the sessions that have entries among those that were read."""
        missing = log.revisions.keys() - log.purged
        for name in sorted(missing, key=str):
            sealed = self._reader.sealed_state(name)
            if sealed is not None:
                missing.discard(name)
                yield from self._faults(sealed, log.revisions[name])
        yield from _missing(missing)

    def _faults(self, sealed: SealedState, revision: int | None) -> Iterator[str]:
        try:
            state = self._reader.open_state(sealed)
        except KeyGoneError:
            if self._reader.holds_keys:
                yield f"{sealed.session}: its key is missing, although it was never purged"
            return
        except (DecryptionError, BoxKeyError, ValueError):
            yield f"{sealed.session}: its data cannot be decrypted with its key"
            return
        self.count += 1
        if session_columns(state) != sealed.columns:
            yield f"{state.session}: its status columns do not match its state"
        flow = self._flows.get(state.flow_ref)
        if flow is None:
            yield f"{state.session}: its form is missing"
        elif self._deep or not state.status.ended:
            yield from self._replayed(flow, state, sealed.entry)
        else:
            if state.revision != revision:
                yield f"{state.session}: the stored state differs from the log"
            yield from self._document_faults(state)

    def _replayed(self, flow: Flow, stored: SessionState, entry: int) -> Iterator[str]:
        """Rebuild a state from its log; then look at the documents of the newest state."""
        name = stored.session
        try:
            chained = list(self._reader.chained_events(name))
        except (DecryptionError, BoxKeyError, ValueError):
            yield f"{name}: its data cannot be decrypted with its key"
            return
        finally:
            self._reader.forget_key(name)
        events = [event for event, _ in chained]
        after = sum(head.entry <= entry for _, head in chained)
        faults = list(log_faults(flow, stored, events, after))
        yield from faults
        if faults:
            return
        try:
            newest = carry_on(flow, stored, events[after:]) if events[after:] else stored
        except (BrokenLogError, KeyError, ValueError) as error:
            yield _unplayable(name, error)
            return
        yield from self._document_faults(newest)

    def _document_faults(self, state: SessionState) -> Iterator[str]:
        for field_id, document in state.documents.items():
            if document.stored is None:
                continue
            about = f"{state.session}: the document of {field_id}"
            try:
                sealed = self._reader.sealed_document(state.session, document.stored.file)
            except OSError as error:
                yield f"{about} cannot be read ({error.strerror})"
                continue
            if sealed is None:
                yield f"{about} is missing"
            elif not is_intact(sealed, document.stored.file):
                yield f"{about} was changed"


def _missing(sessions: set[str]) -> Iterator[str]:
    for name in sorted(sessions, key=str):
        yield f"{name}: the session is missing, although it was never purged"


def _form(stored: StoredFlow) -> Flow | None:
    """Return a stored form, or None if it does not match its reference, which is a hash."""
    try:
        flow = load_flow(bytes(stored.canonical), fallback_id=stored.flow_id, accepted=True)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return flow if flow.flow_ref == stored.flow_ref else None


def log_faults(
    flow: Flow, state: SessionState, events: list[Event], after: int | None = None
) -> Iterator[str]:
    """Report differences between a session's log and its state after the first `after` events."""
    expected = 0
    for event in events:
        expected += not isinstance(event.fact, CommandRefused)
        if event.revision != expected:
            yield f"{state.session}: revision {event.revision} instead of {expected}"
            return
    try:
        rebuilt = replay(flow, events[:after]).state
    except (BrokenLogError, KeyError, ValueError) as error:
        yield _unplayable(state.session, error)
        return
    if rebuilt != state:
        yield f"{state.session}: the stored state differs from the log"


def _unplayable(session: str, error: Exception) -> str:
    return f"{session}: the log cannot be replayed ({type(error).__name__})"
