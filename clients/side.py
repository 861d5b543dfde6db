"""What a client knows of one session: the newest view, its outbox, and who waits for answers."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from clients.errors import Refused
from clients.journal import Journal
from clients.outbox import Held, Outbox
from clients.pending import Pending
from schemas.commands import Command
from schemas.rejections import Rejection, RejectionCode
from schemas.views import FacilityView, PatientView

V = TypeVar("V", PatientView, FacilityView)

Settled = list[tuple[Pending[V], V | Refused]]
"""Answers to give once the lock is released, since callbacks run then."""


def is_newer(view: PatientView | FacilityView, than: PatientView | FacilityView | None) -> bool:
    """Tell whether a view replaces another: by epoch, then revision.

    Among equals the later one counts, unless it acknowledges less: an upload's progress and a
    refused command change a view without a new revision.
    """
    if than is None:
        return True
    return _age(view) >= _age(than)


def _age(view: PatientView | FacilityView) -> tuple[int, int, int]:
    return view.epoch, view.revision, view.acknowledged_seq


class SessionSide(Generic[V]):
    """One device's side of a session. Its owner holds a lock around every call."""

    def __init__(self, session: str, journal: Journal | None = None) -> None:
        self.session = session
        self.view: V | None = None
        self.over = False
        """The session has ended, or this device is out of it."""
        self.outbox = Outbox()
        self._journal = journal
        self._waiting: dict[str, Pending[V]] = {}
        for command, seq in journal.load() if journal else ():
            self.outbox.restore(command, seq)

    def put(self, command: Command, pending: Pending[V]) -> None:
        """Queue a command, on disk first where there is a journal."""
        if self._journal is not None:
            self._journal.put(command)
        self.outbox.put(command)
        self._waiting[command.command_id] = pending

    def take(self, now: float) -> list[Command]:
        """Choose the commands to publish now; their numbers are on disk first."""
        chosen = self.outbox.take(now)
        if chosen and self._journal is not None:
            self._journal.numbered({h.command.command_id: h.seq for h in chosen if h.seq})
        return [held.numbered for held in chosen]

    def see(self, view: V) -> tuple[bool, Settled[V]]:
        """Take a view that came in. Tells whether it is news, and what it answers."""
        if not is_newer(view, self.view):
            return False, []
        news = view != self.view
        self.view = view
        self.over = view.status.ended
        settled = self._settle(self.outbox.covered(view.epoch, view.acknowledged_seq))
        if self.over:
            settled += self._give_up(
                self.outbox.abandon(beyond=view.acknowledged_seq),
                RejectionCode.SESSION_ENDED,
                "The session has ended.",
            )
        return news, settled

    def leave(self) -> Settled[V]:
        """Take it that this device is out of the session: its state topic was cleared."""
        self.over = True
        return self._give_up(
            self.outbox.abandon(),
            RejectionCode.NOT_A_PARTICIPANT,
            "This device is not in the session any more.",
        )

    def hear(self, rejection: Rejection) -> Settled[V]:
        """Take a rejection."""
        held = self.outbox.refused(rejection)
        return self._settle([held]) if held else []

    def synced(self) -> Settled[V]:
        """Take the answer to the outbox's SYNC."""
        return self._settle(self.outbox.confirmed())

    def _settle(self, settled: Iterable[Held]) -> Settled[V]:
        answers: Settled[V] = []
        for held in settled:
            pending = self._waiting.pop(held.command.command_id, None)
            if self._journal is not None:
                self._journal.settled([held.command.command_id])
            outcome = Refused(held.refusal) if held.refusal else self.view
            if pending is not None and outcome is not None:
                answers.append((pending, outcome))
        if self.over and not self.outbox and self._journal is not None:
            self._journal.remove()
        return answers

    def _give_up(self, given_up: list[Held], code: RejectionCode, message: str) -> Settled[V]:
        for held in given_up:
            held.refusal = Rejection(
                command_id=held.command.command_id, seq=held.seq, code=code, message=message
            )
        return self._settle(given_up)

    def close(self) -> list[Pending[V]]:
        """Let go of the file; gives who still waits."""
        if self._journal is not None:
            self._journal.close()
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting
