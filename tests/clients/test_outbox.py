"""The outbox: every command decided once, in order, whatever the connection does."""

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.sdk.outbox import RESEND_AFTER, WINDOW, Outbox
from schemas.wire.commands import AskForHelp, Command
from schemas.wire.rejections import Rejection, RejectionCode


def command(number: int) -> Command:
    """Make a command that can be told apart."""
    return AskForHelp(command_id=f"00000000-0000-4000-8000-{number:012x}", seq=1)


def rejection(held, code, **details):
    """Refuse a command as it was sent."""
    return Rejection(
        command_id=held.command.command_id,
        seq=held.seq,
        code=code,
        message="No.",
        details=details,
    )


def filled(count, acknowledged=0, **options):
    """Make an outbox that knows the count and holds commands."""
    outbox = Outbox(**options)
    outbox.covered(1, acknowledged)
    return outbox, [outbox.put(command(n)) for n in range(count)]


def numbers(taken):
    """Return the numbers of the commands taken."""
    return [held.seq for held in taken]


def test_a_command_waits_for_the_first_view():
    """Without a view the count is not known, so nothing new is sent."""
    outbox = Outbox()
    outbox.put(command(0))
    assert outbox.take(0.0) == []
    outbox.covered(1, 4)
    assert numbers(outbox.take(0.0)) == [5]


def test_commands_are_numbered_in_order_and_sent_once():
    """Numbers count on from the view; what was sent is not sent again."""
    outbox, _ = filled(3, acknowledged=7)
    assert numbers(outbox.take(0.0)) == [8, 9, 10]
    assert outbox.take(1.0) == []
    assert outbox.take(0.0) == []


def test_at_most_a_window_is_in_flight():
    """The eleventh command waits until one is decided."""
    outbox, _ = filled(WINDOW + 2)
    assert len(outbox.take(0.0)) == WINDOW
    outbox.covered(1, 1)
    assert numbers(outbox.take(0.0)) == [WINDOW + 1]


def test_a_view_settles_what_it_covers():
    """A command is kept until `acknowledged_seq` covers it."""
    outbox, held = filled(3)
    outbox.take(0.0)
    assert outbox.covered(1, 2) == held[:2]
    assert outbox.held == (held[2],)


def test_everything_unsettled_is_sent_again_after_a_reconnect():
    """In order, with the same numbers and ids."""
    outbox, held = filled(3)
    outbox.take(0.0)
    outbox.covered(1, 1)
    outbox.lost()
    again = outbox.take(1.0)
    assert [(h.seq, h.command.command_id) for h in again] == [
        (2, held[1].command.command_id),
        (3, held[2].command.command_id),
    ]


def test_a_refusal_settles_with_its_reason():
    """The command that was refused is not sent again, and the next number follows it."""
    outbox, held = filled(1)
    outbox.take(0.0)
    settled = outbox.refused(rejection(held[0], RejectionCode.STEP_INCOMPLETE))
    assert settled is held[0]
    assert settled.refusal.code is RejectionCode.STEP_INCOMPLETE
    outbox.put(command(9))
    assert numbers(outbox.take(0.0)) == [2]


def test_the_view_tells_of_a_refusal_that_was_lost_or_comes_later():
    """A view orders itself and nothing else: what it says of a command is all that counts."""
    outbox, held = filled(2)
    outbox.take(0.0)
    outbox.lost()
    refused = rejection(held[0], RejectionCode.NOT_THE_HOST)
    assert outbox.covered(1, 2, [refused]) == held
    assert [h.refusal for h in held] == [refused, None]
    assert outbox.refused(refused) is None
    assert outbox.take(1.0) == []


def test_a_gap_sends_again_from_where_the_controller_waits():
    """Once for each gap, however many refusals it gives."""
    outbox, held = filled(4)
    outbox.take(0.0)
    outbox.refused(rejection(held[2], RejectionCode.SEQUENCE_GAP, expected_seq=2))
    assert numbers(outbox.take(0.0)) == [2, 3, 4]
    outbox.refused(rejection(held[3], RejectionCode.SEQUENCE_GAP, expected_seq=2))
    assert outbox.take(0.0) == []


def test_a_gap_that_nothing_fills_numbers_anew():
    """A restored box counted less than it once said: what it never counted follows its count."""
    outbox, held = filled(2, acknowledged=7)
    outbox.take(0.0)
    outbox.lost()
    assert numbers(outbox.take(1.0)) == [8, 9]
    outbox.refused(rejection(held[0], RejectionCode.SEQUENCE_GAP, expected_seq=6))
    assert numbers(outbox.take(1.0)) == [6, 7]
    stale = rejection(held[1], RejectionCode.SEQUENCE_GAP, expected_seq=6)
    outbox.refused(stale.model_copy(update={"seq": 9}))
    assert outbox.take(1.0) == []


def test_a_new_epoch_may_count_less():
    """After a restored backup the view's own count holds."""
    outbox, _ = filled(0, acknowledged=7)
    outbox.covered(2, 5)
    outbox.put(command(1))
    assert numbers(outbox.take(0.0)) == [6]


def test_within_an_epoch_the_count_never_falls():
    """An old view cannot make the outbox use a number twice."""
    outbox, _ = filled(0, acknowledged=7)
    outbox.covered(1, 5)
    outbox.put(command(1))
    assert numbers(outbox.take(0.0)) == [8]


def test_a_number_that_was_used_is_replaced_after_the_next_view():
    """`sequence_reused` was not applied: it is numbered anew, behind what the view counts."""
    outbox, held = filled(2)
    outbox.take(0.0)
    outbox.refused(rejection(held[0], RejectionCode.SEQUENCE_REUSED))
    assert outbox.wants_sync
    assert outbox.take(0.0) == []
    outbox.refused(rejection(held[1], RejectionCode.SEQUENCE_REUSED))
    outbox.covered(1, 5)
    assert [h.command.command_id for h in outbox.take(0.0)] == [h.command.command_id for h in held]
    assert numbers(held) == [6, 7]


def test_an_unavailable_box_is_asked_again():
    """`unavailable` decides nothing unless the view counts it."""
    outbox, held = filled(1)
    outbox.take(0.0)
    assert outbox.refused(rejection(held[0], RejectionCode.UNAVAILABLE)) is None
    assert numbers(outbox.take(RESEND_AFTER + 1)) == [1]
    assert outbox.covered(1, 1) == held
    assert held[0].refusal is None


def test_what_is_not_answered_is_sent_again():
    """In time, without a reconnect."""
    outbox, _ = filled(2)
    outbox.take(0.0)
    assert outbox.take(RESEND_AFTER - 1) == []
    assert numbers(outbox.take(RESEND_AFTER + 1)) == [1, 2]


def test_refusals_of_others_commands_change_nothing():
    """A rejection that is not ours, or not of this number, is ignored."""
    outbox, held = filled(1)
    outbox.take(0.0)
    code = RejectionCode.MALFORMED
    other = Rejection(command_id=command(77).command_id, seq=1, code=code, message="No.")
    assert outbox.refused(other) is None
    old = rejection(held[0], RejectionCode.SEQUENCE_REUSED).model_copy(update={"seq": 4})
    assert outbox.refused(old) is None
    assert len(outbox) == 1


@pytest.mark.parametrize(("beyond", "kept"), [(0, 0), (1, 1), (3, 2)])
def test_what_the_end_leaves_undecided_is_given_up(beyond, kept):
    """All beyond the last count; what may have been decided stays until that is known."""
    outbox, _ = filled(2)
    outbox.take(0.0)
    outbox.lost()
    outbox.abandon(beyond)
    assert len(outbox) == kept


class Controller:
    """Decides by the contract's rules, and remembers each answer."""

    def __init__(self):
        self.answers = {}
        self.refused = []
        self.decided = []
        self.applied = []

    def hear(self, sent, refuse):
        """Handle a command; return the rejection or None, and the count of the next view."""
        last = len(self.answers)
        if sent.seq > last + 1:
            return self._no(sent, RejectionCode.SEQUENCE_GAP, expected_seq=last + 1)
        if sent.seq <= last:
            first, answer = self.answers[sent.seq]
            if first != sent.command_id:
                return self._no(sent, RejectionCode.SEQUENCE_REUSED)
            return answer
        answer = self._no(sent, RejectionCode.NOT_THE_HOST) if refuse else None
        self.answers[sent.seq] = (sent.command_id, answer)
        self.refused = [*self.refused, answer][-10:] if refuse else self.refused
        self.decided.append(sent.command_id)
        if not refuse:
            self.applied.append(sent.command_id)
        return answer

    def _no(self, sent, code, **details):
        return Rejection(
            command_id=sent.command_id, seq=sent.seq, code=code, message="No.", details=details
        )


class World:
    """An outbox and a controller with a connection between them that may break at any point."""

    def __init__(self, refused):
        self.outbox = Outbox()
        self.controller = Controller()
        self.refused = refused
        self.to_controller = deque()
        self.views = deque([(0, [])])
        self.rejections = deque()
        self.settled = {}
        self.put = []

    def tap(self):
        """Perform a random action of a person."""
        new = command(len(self.put))
        self.put.append(new.command_id)
        self.outbox.put(new)

    def pump(self):
        """Send what is due."""
        self.to_controller.extend(held.numbered for held in self.outbox.take(0.0))
        if self.outbox.wants_sync:
            self.outbox.sync_sent()
            self.to_controller.append("sync")

    def arrive(self):
        """Deliver one message to the controller."""
        if not self.to_controller:
            return
        sent = self.to_controller.popleft()
        if sent == "sync":
            self.outbox.synced()
        else:
            answer = self.controller.hear(sent, sent.command_id in self.refused)
            if answer is not None:
                self.rejections.append(answer)
        self.views.append(self.view())

    def view(self):
        """Return what the controller's view says of this device's commands."""
        return len(self.controller.answers), list(self.controller.refused)

    def hear(self):
        """Deliver one view to the device: topics are in order, each in its own."""
        if self.views:
            self.settle(self.outbox.covered(1, *self.views.popleft()))

    def hear_refusal(self):
        """Deliver one rejection, before or after the view that tells the same."""
        if self.rejections:
            held = self.outbox.refused(self.rejections.popleft())
            self.settle([held] if held else [])

    def settle(self, settled):
        """Note what the sender learns."""
        for held in settled:
            assert held.command.command_id not in self.settled
            self.settled[held.command.command_id] = held.refusal is None

    def unplug(self):
        """Lose the connection with all that is under way; the retained view comes first then."""
        self.to_controller.clear()
        self.rejections.clear()
        self.views = deque([self.view()])
        self.outbox.lost()

    def die(self):
        """End the program; it runs again with what it had kept on disk."""
        kept = [(held.command, held.seq) for held in self.outbox.held]
        self.unplug()
        self.outbox = Outbox()
        for old, seq in kept:
            self.outbox.restore(old, seq)


STEPS = ("tap", "pump", "arrive", "hear", "arrive", "hear_refusal", "unplug", "die")


@settings(max_examples=300)
@given(st.lists(st.sampled_from(STEPS), max_size=60), st.integers(0, 2**32), st.integers(0, 3))
def test_any_history_decides_every_command_once_in_order(steps, seed, share):
    """Each command is decided exactly once, in order, and its sender learns the true answer."""
    chance = random.Random(seed)
    refused = {command(n).command_id for n in range(80) if chance.random() < share / 4}
    world = World(refused)
    for step in steps:
        getattr(world, step)()
    for _ in range(200):
        world.pump()
        world.arrive()
        world.hear()
        world.hear_refusal()
    assert world.controller.decided == world.put
    assert len(world.outbox) == 0
    for command_id, accepted in world.settled.items():
        assert accepted is (command_id in world.controller.applied)
    if "die" not in steps:
        assert set(world.settled) == set(world.put)
