"""Who may join, lead, speak and leave: the whole small space of screens, one by one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import pytest

from schemas.base import Role
from schemas.wire.rejections import RejectionCode as Code
from schemas.wire.views import SessionStatus
from session_controller.engine import events as f
from session_controller.engine import membership
from session_controller.engine.refusal import NOT_A_PARTICIPANT, SESSION_ENDED, UNKNOWN_SESSION

from .play import HOST, PATIENT, Play, command, flow_of, item

AT = datetime(2026, 11, 22, tzinfo=UTC)


def play() -> Play:
    """Return a session of one question, with its host, another staff screen and its patient."""
    return Play(flow_of(item("name", "string")))


@dataclass(frozen=True)
class Screen:
    """A device, as the rules see one."""

    device: str
    role: Role
    revoked_at: datetime | None = None
    guest_of: str | None = None


SCREENS = [
    Screen("it", role, revoked_at, guest_of)
    for role, revoked_at, guest_of in product(Role, (None, AT), (None, "s-1"))
]


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_only_an_enrolled_patient_screen_takes_the_patients_side(screen: Screen) -> None:
    """Staff, guests and revoked devices never do; nor one that is in a session already."""
    kiosk = screen.role is Role.PATIENT and not screen.revoked_at and not screen.guest_of
    refusal = membership.may_take_patients_side(screen, busy=False)
    assert (refusal is None) is kiosk
    busy = membership.may_take_patients_side(screen, busy=True)
    assert busy is not None
    assert busy.code is (Code.UNAVAILABLE if kiosk else Code.NOT_ALLOWED_FOR_ROLE)


@pytest.mark.parametrize("screen", SCREENS, ids=str)
@pytest.mark.parametrize("sender_role", list(Role))
def test_only_it_names_another_host(screen: Screen, sender_role: Role) -> None:
    """And only a staff screen that is enrolled; each leads what it opens itself."""
    sender = Screen("sender", sender_role)
    refusal = membership.may_lead(screen, sender)
    allowed = sender_role is Role.ADMIN and screen.role.leads and not screen.revoked_at
    assert (refusal is None) is allowed
    assert membership.may_lead(sender, sender) is None
    assert membership.may_lead(None, sender) is not None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("by", ["code", "session"])
def test_staff_join_by_session_and_patients_by_code(role: Role, by: str) -> None:
    """Neither the other way round: a code lets in one patient, and nobody else."""
    refusal = membership.may_join_by(Screen("x", role), by)
    assert (refusal is None) is (role.leads is (by == "session"))


def test_sessions_are_limited() -> None:
    """The limit itself is not passed."""
    assert membership.may_open(1, 2) is None
    refusal = membership.may_open(2, 2)
    assert refusal is not None
    assert (refusal.code, refusal.details) == (Code.TOO_MANY, {"limit": 2})


def test_a_session_that_has_its_patient_or_is_over_lets_nobody_in() -> None:
    """One patient per session."""
    state = play().session.state
    assert not membership.awaits_patient(state)
    alone = state.but(participants={})
    assert membership.awaits_patient(alone)
    assert not membership.awaits_patient(alone.but(status=SessionStatus.CANCELLED))


def test_observing_needs_a_session_that_goes_on() -> None:
    """An unknown one and one that has ended are told apart."""
    session = play().session
    assert membership.may_observe(None) is UNKNOWN_SESSION
    assert membership.may_observe(session) is None
    ended = session._replace(state=session.state.but(status=SessionStatus.EXPIRED))
    assert membership.may_observe(ended) is SESSION_ENDED


def test_only_participants_speak_and_staff_may_take_over() -> None:
    """A patient's screen that is not in the session may not even take over."""
    state = play().session.state
    over, call = command("TAKE_OVER"), command("ASK_FOR_HELP")
    for device in state.participants:
        assert membership.may_speak(state, Screen(device, Role.PATIENT), call) is None
    staff, patient = Screen("third", Role.FACILITY), Screen("third", Role.PATIENT)
    assert membership.may_speak(state, staff, over) is None
    assert membership.may_speak(state, staff, call) is NOT_A_PARTICIPANT
    assert membership.may_speak(state, staff, None) is NOT_A_PARTICIPANT
    assert membership.may_speak(state, patient, over) is NOT_A_PARTICIPANT


def test_leaving_changes_what_goes_on_alone() -> None:
    """Who is not in it, or leaves what has ended, changes nothing."""
    state = play().session.state
    device = next(iter(state.participants))
    assert membership.leaves(state, device)
    assert not membership.leaves(state, "nobody")
    assert not membership.leaves(state.but(status=SessionStatus.COMPLETED), device)


@pytest.mark.parametrize(
    "end",
    [
        f.Cancelled(reason="called away"),
        f.Completed(),
        f.Expired(),
        f.DeviceLeft(device=PATIENT),
        f.PatientDeviceReplaced(device="tablet", online=True),
    ],
    ids=lambda fact: fact.type,
)
def test_staff_see_that_the_patient_screen_was_away_when_it_was_let_go(end: f.Fact) -> None:
    """What was typed on it meanwhile may never arrive; who was there, or a desk, hides nothing."""
    there, away = play(), play()
    there.happen(f.PresenceChanged(device=PATIENT, online=False))
    there.happen(f.PresenceChanged(device=PATIENT, online=True))
    there.happen(end)
    assert there.staff_view.patient_away_since is None
    away.happen(f.PresenceChanged(device=PATIENT, online=False))
    since = away.events[-1].at
    assert away.staff_view.patient_away_since is None, "it may come back"
    away.happen(end)
    assert away.staff_view.patient_away_since == since
    away.happen(f.PresenceChanged(device=HOST, online=False))
    assert away.staff_view.patient_away_since == since
