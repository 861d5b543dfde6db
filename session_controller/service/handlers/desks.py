"""Signing in and out at front-desk screens, the automatic log-off, and emergency access."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from schemas.base import Role
from schemas.topics import InboxTopic
from schemas.wire import requests as r
from schemas.wire import staff as s
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import (
    EmergencyAccessBegun,
    PersonSignedIn,
    PersonSignedOut,
    PinRefused,
)
from session_controller.engine.refusal import SIGN_IN_REQUIRED, Refusal
from session_controller.security.codes import new_id
from session_controller.security.pins import LOCKED_AFTER, lock_seconds
from session_controller.service.desks import (
    EMERGENCY,
    NOT_AT_PROVIDER,
    Desk,
    PinCheck,
    SignedIn,
    desk_state,
)
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device, EmergencyAccess, Person
from session_controller.storage.store import Store

EMERGENCY_FOR = timedelta(minutes=30)

Means = Literal["pin", "provider"]
Why = Literal["asked", "no_act", "time", "replaced", "person_changed", "device_changed"]

_NO_PERSON = Refusal(RejectionCode.UNAVAILABLE, "There is no such person; sign in as another one.")
_CHECKING = Refusal(RejectionCode.TOO_MANY, "A PIN of this screen is being checked already.")
_CHANGED = Refusal(RejectionCode.UNAVAILABLE, "This person was changed meanwhile; try again.")
NOBODY_NEEDED = Refusal(RejectionCode.UNAVAILABLE, "At this site, nobody has to sign in.")
_SIGNED_IN = Refusal(RejectionCode.UNAVAILABLE, "Somebody is signed in here; sign out first.")


def show_desk(work: UnitOfWork, _: Store, device: Device, request: s.ShowDesk) -> r.Answer:
    """Show who is signed in, and the names to choose from."""
    signed_in = work.desk(device.device).signed_in
    active = [p for p in work.persons.values() if p.retired_at is None]
    names = [s.PersonName(person=p.person, name=p.name) for p in sorted(active, key=_by_name)]
    openid = work.registry.openid
    return s.DeskShown(
        request_id=request.request_id,
        desk=desk_state(signed_in, work.registry.settings) if work.has_persons else None,
        persons=tuple(names),
        seconds_left=_seconds_left(work, signed_in),
        provider=s.SignInProvider(name=openid.settings.name) if openid else None,
    )


def _by_name(person: Person) -> tuple[str, str]:
    return person.name.casefold(), person.person


def sign_in(
    work: UnitOfWork, _: Store, device: Device, request: s.SignIn
) -> r.Answer | Refusal | None:
    """Order that a PIN is checked; the answer comes then. A request that arrives twice counts once.

    The PIN is not looked at while the person or the screen is locked.
    """
    desk, person = work.desk(device.device), work.person(request.person)
    if desk.answered and desk.answered[0] == request.request_id:
        return desk.answered[1]
    if desk.trying is not None:
        return None if desk.trying == request.request_id else _CHECKING
    if person is None or person.retired_at is not None:
        return _NO_PERSON
    if refusal := locked(work, desk, person):
        return refusal
    work.desks[device.device] = replace(desk, trying=request.request_id)
    work.pins.append(
        PinCheck(device.device, request.request_id, person.person, person.pin_hash, request.pin)
    )
    return None


def conclude_sign_in(work: UnitOfWork, check: PinCheck, *, right: bool | None) -> None:
    """Sign a person in, or count a wrong PIN; None if it could not be checked.

    What changed while the PIN was being checked counts: a person who was locked meanwhile stays
    out.
    """
    outcome = _outcome(work, check, right=right)
    desk = work.desk(check.device)
    answered = check.request_id, outcome
    work.desks[check.device] = replace(desk, trying=None, answered=answered)
    if not isinstance(outcome, Refusal):
        work.say(InboxTopic(check.device), outcome)
        return
    rejection = Rejection(
        request_id=check.request_id,
        code=outcome.code,
        message=outcome.message,
        details=dict(outcome.details),
    )
    work.say(InboxTopic(check.device), rejection)


def _outcome(work: UnitOfWork, check: PinCheck, *, right: bool | None) -> r.Answer | Refusal:
    device, person = work.device(check.device), work.person(check.person)
    if right is None:
        return Refusal(RejectionCode.UNAVAILABLE, "The PIN could not be checked; try again.")
    if device is None or device.revoked_at is not None or person is None:
        return _NO_PERSON
    if person.retired_at is not None or person.pin_hash != check.pin_hash:
        return _CHANGED
    if refusal := locked(work, work.desk(check.device), person):
        return refusal
    if not right:
        return _count(work, check, person)
    return let_in(work, check.device, check.request_id, person, "pin")


def let_in(work: UnitOfWork, device: str, request_id: str, person: Person, by: Means) -> s.SignedIn:
    """Sign a person in at a screen that is not locked, in the place of whoever is signed in."""
    sign_out(work, device, "replaced")
    if person.wrong_pins:
        work.put_person(replace(person, wrong_pins=0, locked_until=None))
    signed_in = SignedIn(person.person, person.name, person.roles, work.steady_s)
    work.desks[device] = replace(  # only who is signed in unlocks a screen
        work.desk(device), wrong_pins=0, locked_until_s=0.0, at_provider=NOT_AT_PROVIDER
    )
    _begin(work, device, signed_in)
    work.note(PersonSignedIn(subject=person.person, by=by), device=device)
    return _answer(work, request_id, signed_in)


def _begin(work: UnitOfWork, device: str, signed_in: SignedIn) -> None:
    work.desks[device] = replace(work.desk(device), signed_in=signed_in)
    work.show_desk_again(device)


def _count(work: UnitOfWork, check: PinCheck, person: Person) -> Refusal:
    """Count a wrong PIN for the person, on disk, and for the screen."""
    desk = work.desk(check.device)
    wrong, here = person.wrong_pins + 1, desk.wrong_pins + 1
    lock_s = lock_seconds(wrong)
    until = work.at + timedelta(seconds=lock_s) if lock_s else None
    work.put_person(replace(person, wrong_pins=wrong, locked_until=until))
    work.desks[check.device] = replace(
        desk, wrong_pins=here, locked_until_s=work.steady_s + lock_seconds(here)
    )
    work.note(PinRefused(subject=person.person, wrong=wrong), device=check.device)
    return _wrong(wrong, here)


def _wrong(wrong: int, here: int) -> Refusal:
    left, wait_s = max(LOCKED_AFTER - max(wrong, here), 0), max(map(lock_seconds, (wrong, here)))
    details = {"tries_left": left, **({"wait_s": math.ceil(wait_s)} if wait_s else {})}
    if left:
        tries = "1 try is" if left == 1 else f"{left} tries are"
        return Refusal(RejectionCode.PIN_REFUSED, f"The PIN is wrong; {tries} left.", details)
    message = f"The PIN is wrong. Try again in {_in_words(wait_s)}."
    return Refusal(RejectionCode.PIN_REFUSED, message, details)


def locked(work: UnitOfWork, desk: Desk, person: Person | None = None) -> Refusal | None:
    """Return that a person or a screen is locked, and for how long, or None."""
    here_s = desk.locked_until_s - work.steady_s
    until = person.locked_until if person else None
    person_s = (until - work.at).total_seconds() if until else 0.0
    wait_s = max(here_s, person_s)
    if wait_s <= 0:
        return None
    which = "This screen" if here_s >= person_s else "This person"
    return Refusal(
        RejectionCode.PIN_REFUSED,
        f"{which} is locked after wrong PINs. Try again in {_in_words(wait_s)}, or ask facility "
        "IT.",
        {"tries_left": 0, "wait_s": math.ceil(wait_s)},
    )


def _in_words(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def stay_signed_in(
    work: UnitOfWork, _: Store, device: Device, request: s.StaySignedIn
) -> r.Answer | Refusal:
    """Return how long the person stays signed in from now on."""
    signed_in = work.desk(device.device).signed_in
    return _answer(work, request.request_id, signed_in) if signed_in else SIGN_IN_REQUIRED


def _answer(work: UnitOfWork, request_id: str, signed_in: SignedIn) -> s.SignedIn:
    return s.SignedIn(
        request_id=request_id,
        signed_in=signed_in.shown,
        seconds_left=_seconds_left(work, signed_in),
    )


def _seconds_left(work: UnitOfWork, signed_in: SignedIn | None) -> int | None:
    log_off_s = work.registry.settings.staff_log_off.total_seconds()
    left = signed_in.seconds_left(work.steady_s, log_off_s) if signed_in else None
    return None if left is None else int(left)


def sign_out_asked(work: UnitOfWork, _: Store, device: Device, request: s.SignOut) -> r.Answer:
    """Sign out whoever is signed in."""
    sign_out(work, device.device, "asked")
    return s.SignedOut(request_id=request.request_id)


def sign_out_unstored(work: UnitOfWork, name: str, request: s.SignOut) -> None:
    """Sign out whoever is signed in, and answer, without anything of the database."""
    device = work.device(name)
    if device is not None and device.role is Role.FACILITY and device.revoked_at is None:
        sign_out(work, name, "asked")
        work.say(InboxTopic(name), s.SignedOut(request_id=request.request_id))


def sign_out(work: UnitOfWork, device: str, why: Why) -> None:
    """Sign out whoever is signed in at a screen: it shows nothing of patients from this commit."""
    desk = work.desk(device)
    if desk.signed_in is None:
        return
    work.note(PersonSignedOut(subject=desk.signed_in.who, reason=why), device=device)
    work.desks[device] = replace(desk, signed_in=None)
    work.show_desk_again(device)


def sign_out_everywhere(work: UnitOfWork, is_meant: Callable[[SignedIn], bool]) -> None:
    """Sign out at all screens where such a person is signed in."""
    for device, desk in {**work.registry.desks, **work.desks}.items():
        if desk.signed_in is not None and is_meant(desk.signed_in):
            sign_out(work, device, "person_changed")


def log_off(work: UnitOfWork) -> None:
    """Sign out where nobody did anything for too long, or emergency access is over."""
    log_off_s = work.registry.settings.staff_log_off.total_seconds()
    for device, desk in {**work.registry.desks, **work.desks}.items():
        signed_in = desk.signed_in
        if signed_in is None or signed_in.seconds_left(work.steady_s, log_off_s) != 0:
            continue
        over = signed_in.ends_s is not None and signed_in.ends_s <= work.steady_s
        sign_out(work, device, "time" if over else "no_act")


def begin_emergency_access(
    work: UnitOfWork, _: Store, device: Device, request: s.BeginEmergencyAccess
) -> r.Answer | Refusal:
    """Allow whoever is at a signed-out screen what the front desk may do, for a while.

    A request that arrives twice begins it once.
    """
    desk = work.desk(device.device)
    if desk.answered and desk.answered[0] == request.request_id:
        return desk.answered[1]
    if not work.has_persons:
        return NOBODY_NEEDED
    if desk.signed_in is not None:
        return _SIGNED_IN
    ends_at, ends_s = work.at + EMERGENCY_FOR, work.steady_s + EMERGENCY_FOR.total_seconds()
    access, roles = new_id(EMERGENCY), (s.StaffRole.FRONT_DESK,)
    signed_in = SignedIn(access, request.name, roles, work.steady_s, ends_s, ends_at)
    work.transaction.emergencies[access] = EmergencyAccess(
        access, device.device, request.name, request.reason, work.at, ends_at
    )
    _begin(work, device.device, signed_in)
    act = EmergencyAccessBegun(subject=access, name=request.name, until=ends_at)
    work.note(act, device=device.device)
    answer = _answer(work, request.request_id, signed_in)
    begun = replace(work.desk(device.device), answered=(request.request_id, answer))
    work.desks[device.device] = begun
    return answer
