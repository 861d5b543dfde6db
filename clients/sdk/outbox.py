"""One device's commands in one session, from user input until the controller decides them.

Pure: no clock, no socket, no lock. `put` queues a command, `take` returns what to publish now, and
the controller's messages are handled by `covered` (a view), `refused` (a rejection) and
`confirmed` (the answer to a SYNC).

**Numbers.** A command gets its `seq` when it is first sent, not when it is queued: the count
continues from the view's `acknowledged_seq`, which a device without stored state learns from its
first view. A numbered command keeps its number across reconnects, so the controller applies it
once, however often it arrives. It is renumbered only if the controller never counted it: after
`sequence_reused`, and after a `sequence_gap` that no undecided command can fill, such as after
restoring a backup.

**Answers.** A view tells what became of each command: decided up to `acknowledged_seq`, and refused
if it is among `refused`, else accepted. A rejection says the same, perhaps sooner: MQTT orders the
messages of one topic, and nothing across topics (3.1.1, 4.6). The view keeps a device's last ten
refusals, and at most ten commands are in flight, so none is missed while a connection is lost.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from schemas.wire.commands import Command
from schemas.wire.rejections import Rejection, RejectionCode

WINDOW = 10
"""Commands in flight: as many refusals as a view keeps."""
RESEND_AFTER = 10.0
"""Seconds before an unanswered command is resent; harmless, as it keeps its seq."""

# The controller may have failed to record these; the view will show whether it did.
_PROVISIONAL = frozenset({RejectionCode.UNAVAILABLE, RejectionCode.TOO_MANY})
# Decided without being counted: there is no session to count in.
_UNCOUNTED = frozenset({RejectionCode.UNKNOWN_SESSION, RejectionCode.NOT_A_PARTICIPANT})


@dataclass(slots=True, eq=False)
class Held:
    """An undecided command. `seq` is None until it is first sent."""

    command: Command
    seq: int | None = None
    sent_at: float | None = None
    """When it was sent on this connection, or None if it has to be sent."""
    refusal: Rejection | None = None
    """Why it was refused; None if it was accepted."""

    @property
    def numbered(self) -> Command:
        """The command as it is published."""
        return self.command.model_copy(update={"seq": self.seq})


class Outbox:
    """One device's undecided commands in one session, in order."""

    def __init__(self, window: int = WINDOW, resend_after: float = RESEND_AFTER) -> None:
        self._window = window
        self._resend_after = resend_after
        self._held: list[Held] = []
        self._epoch = -1
        self._decided: int | None = None
        """The highest seq known to be decided, or None before the first view."""
        self._gone_back_to: int | None = None
        self._sync_sent = False
        self._sync_wanted = False

    def __len__(self) -> int:
        return len(self._held)

    @property
    def held(self) -> tuple[Held, ...]:
        """All undecided commands, in order."""
        return tuple(self._held)

    def put(self, command: Command) -> Held:
        """Queue a command; its `seq` is assigned later."""
        return self.restore(command, None)

    def restore(self, command: Command, seq: int | None) -> Held:
        """Queue a command of an earlier run of the program, with its number."""
        held = Held(command, seq)
        self._held.append(held)
        return held

    def take(self, now: float) -> list[Held]:
        """Return the commands to publish now, in order, numbered and marked as sent at `now`."""
        if any(h.sent_at is not None and now - h.sent_at > self._resend_after for h in self._held):
            self._unsend(lambda _: True)
        in_flight = sum(h.sent_at is not None for h in self._held)
        chosen: list[Held] = []
        for held in self._held:
            if in_flight + len(chosen) >= self._window or not self._number(held):
                break
            if held.sent_at is None:
                held.sent_at = now
                chosen.append(held)
        return chosen

    def _number(self, held: Held) -> bool:
        """Assign the next number, if it is known."""
        if held.seq is None and self._decided is not None:
            held.seq = max((self._decided, *(h.seq or 0 for h in self._held))) + 1
        return held.seq is not None

    def _unsend(self, which: Callable[[Held], bool]) -> None:
        for held in self._held:
            if which(held):
                held.sent_at = None

    def lost(self) -> None:
        """Record a lost connection: what was in flight is sent again, unless a view covers it."""
        self._unsend(lambda _: True)
        self._gone_back_to = None
        self._sync_sent = False

    @property
    def wants_sync(self) -> bool:
        """Whether a SYNC is needed to learn the count; `sync_sent` records it."""
        return self._sync_wanted and not self._sync_sent

    def sync_sent(self) -> None:
        """Record that a SYNC was sent on this connection."""
        self._sync_sent = True

    def synced(self) -> None:
        """Record that the SYNC was answered."""
        self._sync_sent = False

    def covered(
        self, epoch: int, acknowledged: int, refused: Iterable[Rejection] = ()
    ) -> list[Held]:
        """Handle a view. Return the decided commands: accepted, unless `refusal` is set."""
        # A restored box may have counted less than it reported before.
        lower = 0 if epoch > self._epoch else self._decided or 0
        self._epoch = epoch
        self._decided = decided = max(lower, acknowledged)
        self._sync_wanted = False
        settled = [h for h in self._held if h.seq and h.seq <= decided]
        if not settled:
            return []
        self._gone_back_to = None
        self._held = [h for h in self._held if h not in settled]
        refusals = {one.command_id: one for one in refused}
        for held in settled:
            held.refusal = refusals.get(held.command.command_id)
        return settled

    def _renumber(self, held: Held) -> None:
        held.seq = held.sent_at = None

    def refused(self, rejection: Rejection) -> Held | None:
        """Handle a rejection. Return the command if this decides it, or None if not."""
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
                return None
        held.refusal = rejection
        self._held.remove(held)
        if self._decided is not None and held.seq and rejection.code not in _UNCOUNTED:
            self._decided = max(self._decided, held.seq)
        return held

    def _go_back(self, expected: object) -> None:
        """Resend from the command that the controller expects, once per gap."""
        if not isinstance(expected, int):
            self._ask_for_the_count()
        elif any(h.seq == expected for h in self._held):
            if expected != self._gone_back_to:
                self._gone_back_to = expected
                self._unsend(lambda h: h.seq is not None and h.seq >= expected)
        else:
            # No undecided command can fill the gap, and only this device counts here: so numbers
            # beyond it were never counted. A view alone would not prove that, as the broker may
            # have retained an old one.
            self._decided = expected - 1
            for held in self._held:
                if held.seq is not None and held.seq > expected:
                    self._renumber(held)

    def _ask_for_the_count(self) -> None:
        self._decided = None
        self._sync_wanted = True

    def abandon(self, beyond: int = 0) -> list[Held]:
        """Remove and return the commands numbered above `beyond` or not numbered."""
        given_up = [h for h in self._held if h.seq is None or h.seq > beyond]
        self._held = [h for h in self._held if h not in given_up]
        return given_up
