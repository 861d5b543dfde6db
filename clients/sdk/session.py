"""A client's state of one session: the newest view, the outbox, and pending answers."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from clients.sdk.errors import Refused
from clients.sdk.journal import Journal
from clients.sdk.outbox import Held, Outbox
from clients.sdk.pending import Pending
from clients.sdk.requests import new_id
from schemas.wire.commands import (
    BeginUpload,
    ClearField,
    Command,
    DeclineSignature,
    EnterField,
    FinishUpload,
    ReportReading,
    SubmitSignature,
)
from schemas.wire.rejections import Rejection, RejectionCode
from schemas.wire.views import FacilityView, PatientView, SessionStatus, SignatureStatus

V = TypeVar("V", PatientView, FacilityView)

Settled = list[tuple[Pending[V], V | Refused]]
"""Answers to deliver once the lock is released, since they run callbacks."""


def is_newer(view: PatientView | FacilityView, than: PatientView | FacilityView | None) -> bool:
    """Return whether a view replaces another: by epoch, then revision.

    Among equals the later arrival wins, unless it acknowledges less: an upload's progress and a
    refused command change a view without a new revision.
    """
    if than is None:
        return True
    return _age(view) >= _age(than)


def _age(view: PatientView | FacilityView) -> tuple[int, int, int]:
    return view.epoch, view.revision, view.acknowledged_seq


_HEALED_BY_TIME = frozenset({RejectionCode.LOCKED_FOR_SIGNATURE, RejectionCode.SESSION_PAUSED})


def entry_of(command: Command) -> tuple[str, str] | None:
    """Return what a patient's command enters: two of the same replace each other. None: nothing."""
    match command:
        case EnterField() | ClearField() | BeginUpload():
            return "field", command.field_id
        case FinishUpload():
            return "upload", command.upload
        case ReportReading():
            return "reading", command.field_id
        case SubmitSignature() | DeclineSignature():
            return "signature", ""
    return None


def _is_blocked(view: PatientView | FacilityView, command: Command) -> bool:
    """Return whether a pause or a requested signature keeps a command from being taken."""
    if view.status is SessionStatus.PAUSED:
        return True
    signing = view.signature and view.signature.status is SignatureStatus.REQUESTED
    return bool(signing) and not isinstance(command, SubmitSignature | DeclineSignature)


class SessionState(Generic[V]):
    """One device's state of a session. Its owner holds a lock around every call."""

    def __init__(self, session: str, journal: Journal | None = None) -> None:
        self.session = session
        self.view: V | None = None
        self.over = False
        """The session has ended, or this device has left it."""
        self.outbox = Outbox()
        self._journal = journal
        self._waiting: dict[str, Pending[V]] = {}
        self._healing: list[Held] = []
        """Entries that were refused because the session was paused or being signed."""
        for command, seq in journal.load() if journal else ():
            self.outbox.restore(command, seq)

    @property
    def undecided(self) -> int:
        """The number of commands that nothing has decided for good."""
        return len(self.outbox) + len(self._healing)

    def put(self, command: Command, pending: Pending[V]) -> Settled[V]:
        """Queue a command; with a journal, it is written to disk first. Return what it replaces."""
        if self._journal is not None:
            self._journal.put(command)
        superseded = self._superseded_by(command)
        self.outbox.put(command)
        self._waiting[command.command_id] = pending
        return self._settle(superseded)

    def _superseded_by(self, command: Command) -> list[Held]:
        """Remove and return what waits to be sent again and is replaced by a new entry."""
        entry = entry_of(command)
        gone = [held for held in self._healing if entry and entry_of(held.command) == entry]
        self._healing = [held for held in self._healing if held not in gone]
        return gone

    def take(self, now: float) -> list[Command]:
        """Return the commands to publish now; their numbers are written to disk first."""
        chosen = self.outbox.take(now)
        if chosen and self._journal is not None:
            self._journal.numbered({h.command.command_id: h.seq for h in chosen if h.seq})
        return [held.numbered for held in chosen]

    def see(self, view: V) -> tuple[bool, Settled[V]]:
        """Handle a received view. Return whether it is newer, and the answers it implies."""
        if not is_newer(view, self.view):
            return False, []
        news = view != self.view
        self.view = view
        self.over = view.status.ended
        refused = [Rejection(**one.model_dump()) for one in view.refused]
        settled = self._settle(self.outbox.covered(view.epoch, view.acknowledged_seq, refused))
        if self.over:
            settled += self._give_up(
                self.outbox.abandon(beyond=view.acknowledged_seq),
                RejectionCode.SESSION_ENDED,
                "The session has ended.",
            )
        self._send_again()
        return news, settled

    def leave(self) -> Settled[V]:
        """Record that this device left the session: its state topic was cleared."""
        self.over = True
        return self._give_up(
            self.outbox.abandon(),
            RejectionCode.NOT_A_PARTICIPANT,
            "This device is no longer in the session.",
        )

    def hear(self, rejection: Rejection) -> Settled[V]:
        """Handle a rejection."""
        held = self.outbox.refused(rejection)
        settled = self._settle([held]) if held else []
        self._send_again()
        return settled

    def _settle(self, settled: Iterable[Held]) -> Settled[V]:
        answers: Settled[V] = []
        for held in settled:
            if self._heals(held):
                self._healing.append(held)
                continue
            pending = self._waiting.pop(held.command.command_id, None)
            if self._journal is not None:
                self._journal.settled([held.command.command_id])
            outcome = Refused(held.refusal) if held.refusal else self.view
            if pending is not None and outcome is not None:
                answers.append((pending, outcome))
        if self.over and not self.outbox and self._journal is not None:
            self._journal.remove()
        return answers

    def _heals(self, held: Held) -> bool:
        """Return whether a refusal passes with time, and nothing has replaced the entry since."""
        if self.over or held.refusal is None or held.refusal.code not in _HEALED_BY_TIME:
            return False
        entry = entry_of(held.command)
        later = (entry_of(other.command) for other in (*self._healing, *self.outbox.held))
        return entry is not None and entry not in later

    def _send_again(self) -> None:
        """Queue what was refused for a time, each as a new command: its number is used up.

        Once a view that covers the refusal says that the time is over.
        """
        if not self._healing or self.view is None:
            return
        covered, view = self.view.acknowledged_seq, self.view
        healed = [
            held
            for held in self._healing
            if (held.seq or 0) <= covered and not _is_blocked(view, held.command)
        ]
        self._healing = [held for held in self._healing if held not in healed]
        for held in healed:
            before = held.command.command_id
            command = held.command.model_copy(update={"command_id": new_id()})
            if self._journal is not None:
                self._journal.put(command)
                self._journal.settled([before])
            self.outbox.put(command)
            pending = self._waiting.pop(before, None)
            if pending is not None:
                self._waiting[command.command_id] = pending

    def _give_up(self, given_up: list[Held], code: RejectionCode, message: str) -> Settled[V]:
        healing: list[Held] = self._healing
        self._healing = []
        for held in (*healing, *given_up):
            held.refusal = Rejection(
                command_id=held.command.command_id, seq=held.seq, code=code, message=message
            )
        return self._settle([*healing, *given_up])

    def close(self) -> list[Pending[V]]:
        """Close the journal; return the results that are still pending."""
        if self._journal is not None:
            self._journal.close()
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting
