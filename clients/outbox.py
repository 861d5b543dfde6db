"""One device's commands in one session, from the tap until the controller has decided them.

Pure: no clock, no socket, no lock. `put` queues a command, `take` says what to publish now, and
the controller's words come in by `covered` (a view), `refused` (a rejection) and `confirmed`.

**Numbers.** A command gets its `seq` when it is first sent, not when it is queued, because the
count goes on from the view's `acknowledged_seq`, which a device without memory does not know
before its first view. A numbered command keeps its number through every reconnect; so the
controller applies it once, however often it arrives. It is numbered anew only when the
controller said that it never counted it: after `sequence_reused`, and after a `sequence_gap` that
nothing held can fill, as when a backup was restored.

**Answers.** The controller sends a rejection before the view that covers it. So a view that
covers a command means that it was accepted - unless the connection was lost in between, and the
rejection with it. Such a command is in doubt: it is sent once more, although it may be covered,
since the contract answers it as it was the first time; and a `SYNC` behind it marks the point
by which that answer must have come.
"""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.commands import Command
from schemas.rejections import Rejection, RejectionCode

WINDOW = 10
"""Commands in flight: a slow subscriber's broker may drop what goes beyond 20."""
RESEND_AFTER = 10.0
"""Seconds after which an unanswered command is sent again; harmless, as it bears its seq."""

# The controller may not have been able to record these; the view will tell whether it has.
_PROVISIONAL = frozenset({RejectionCode.UNAVAILABLE, RejectionCode.TOO_MANY})
# Decided without being counted, as there is nothing to count in.
_UNCOUNTED = frozenset({RejectionCode.UNKNOWN_SESSION, RejectionCode.NOT_A_PARTICIPANT})


@dataclass(slots=True, eq=False)
class Held:
    """A command that is not decided yet. `seq` is None until it is first sent."""

    command: Command
    seq: int | None = None
    sent_at: float | None = None
    """On this connection; None: it has to be sent."""
    in_doubt: bool = False
    refusal: Rejection | None = None
    """A refusal that counts only if the view covers the command."""

    @property
    def numbered(self) -> Command:
        """The command as it is published."""
        return self.command.model_copy(update={"seq": self.seq})


class Outbox:
    """What one device has still to get decided in one session, in order."""

    def __init__(self, window: int = WINDOW, resend_after: float = RESEND_AFTER) -> None:
        self._window = window
        self._resend_after = resend_after
        self._held: list[Held] = []
        self._epoch = -1
        self._decided: int | None = None
        """The highest seq known to be decided; None: a view has to tell."""
        self._gone_back_to: int | None = None
        self._sync_sent = False
        self._sync_wanted = False

    def __len__(self) -> int:
        return len(self._held)

    @property
    def held(self) -> tuple[Held, ...]:
        """All that is not decided, in order."""
        return tuple(self._held)

    def put(self, command: Command) -> Held:
        """Queue a command behind the others; its `seq` is filled in later."""
        return self.restore(command, None)

    def restore(self, command: Command, seq: int | None) -> Held:
        """Queue a command of an earlier run of the program, with the number that it had."""
        held = Held(command, seq, in_doubt=seq is not None)
        self._held.append(held)
        return held

    def take(self, now: float) -> list[Held]:
        """Choose what to publish now, in order, number it and note it as sent at `now`."""
        if any(h.sent_at is not None and now - h.sent_at > self._resend_after for h in self._held):
            self._unsend(lambda _: True)
        in_flight = sum(h.sent_at is not None for h in self._held)
        chosen: list[Held] = []
        for held in self._held:
            if in_flight + len(chosen) >= self._window or not self._number(held):
                break
            if held.sent_at is None:
                held.sent_at = now
                held.refusal = None
                chosen.append(held)
        return chosen

    def _number(self, held: Held) -> bool:
        """Give it the next number, if that is known."""
        if held.seq is None and self._decided is not None:
            held.seq = max((self._decided, *(h.seq or 0 for h in self._held))) + 1
        return held.seq is not None

    def _unsend(self, which: Callable[[Held], bool]) -> None:
        for held in self._held:
            if which(held):
                held.sent_at = None

    def lost(self) -> None:
        """Note that the connection is gone: what was sent is in doubt and has to be sent again."""
        for held in self._held:
            held.in_doubt = held.in_doubt or held.seq is not None
        self._unsend(lambda _: True)
        self._gone_back_to = None
        self._sync_sent = False

    @property
    def wants_sync(self) -> bool:
        """Whether a SYNC has to be sent behind the commands sent so far; `sync_sent` notes it."""
        sent_in_doubt = any(h.in_doubt and h.sent_at is not None for h in self._held)
        return not self._sync_sent and (self._sync_wanted or sent_in_doubt)

    def sync_sent(self) -> None:
        """Note that a SYNC is under way on this connection."""
        self._sync_sent = True
        self._sync_wanted = False

    def confirmed(self) -> list[Held]:
        """Take the answer to that SYNC: no older answer can still come. Gives what is settled."""
        self._sync_sent = False
        for held in self._held:
            if held.sent_at is not None:
                held.in_doubt = False
        return self._settle()

    def covered(self, epoch: int, acknowledged: int) -> list[Held]:
        """Take a newest view's count. Gives what it settles: accepted, unless `refusal` is set."""
        # A restored box may have counted less than it once said.
        lower = 0 if epoch > self._epoch else self._decided or 0
        self._epoch = epoch
        self._decided = max(lower, acknowledged)
        return self._settle()

    def _settle(self) -> list[Held]:
        decided = self._decided or 0
        settled = [h for h in self._held if h.seq and h.seq <= decided and not h.in_doubt]
        self._held = [h for h in self._held if h not in settled]
        if settled:
            self._gone_back_to = None
        return settled

    def _renumber(self, held: Held) -> None:
        held.seq = held.sent_at = None
        held.in_doubt = False

    def refused(self, rejection: Rejection) -> Held | None:
        """Take a rejection. Gives the command if that settles it; None if it goes on."""
        held = next((h for h in self._held if h.command.command_id == rejection.command_id), None)
        if held is None or rejection.seq not in (None, held.seq):
            return None
        match rejection.code:
            case RejectionCode.SEQUENCE_GAP:
                self._go_back(rejection.details.get("expected_seq"))
                return None
            case RejectionCode.SEQUENCE_REUSED:
                self._renumber(held)
                self._ask_for_the_count()
                return None
            case code if code in _PROVISIONAL:
                held.refusal = rejection
                return None
        held.refusal = rejection
        self._held.remove(held)
        if self._decided is not None and held.seq and rejection.code not in _UNCOUNTED:
            self._decided = max(self._decided, held.seq)
        return held

    def _go_back(self, expected: object) -> None:
        """Send again from the command that the controller waits for, once for each gap."""
        if not isinstance(expected, int):
            self._ask_for_the_count()
        elif any(h.seq == expected for h in self._held):
            if expected != self._gone_back_to:
                self._gone_back_to = expected
                self._unsend(lambda h: h.seq is not None and h.seq >= expected)
        else:
            # Nothing is held that could fill the gap, and nobody else counts here: so what is
            # numbered beyond it was never counted. A view alone would not prove that, as the
            # broker may have kept an old one.
            self._decided = expected - 1
            for held in self._held:
                if held.seq is not None and held.seq > expected:
                    self._renumber(held)

    def _ask_for_the_count(self) -> None:
        self._decided = None
        self._sync_wanted = True

    def abandon(self, beyond: int = 0) -> list[Held]:
        """Give up what is numbered above `beyond` or not at all; gives what was given up."""
        given_up = [h for h in self._held if h.seq is None or h.seq > beyond]
        self._held = [h for h in self._held if h not in given_up]
        return given_up
