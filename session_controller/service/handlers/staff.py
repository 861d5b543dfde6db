"""Facility IT's requests about persons, and the review of emergency access."""

import re
import secrets
from dataclasses import replace
from typing import Literal

from schemas.base import Role
from schemas.topics import InboxTopic
from schemas.wire import requests as r
from schemas.wire import staff as s
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import EmergencyAccessReviewed, PersonChanged
from session_controller.engine.refusal import Refusal
from session_controller.openid.account import account_of
from session_controller.security.pins import pin_problem
from session_controller.service.desks import EMERGENCY, NewPin
from session_controller.service.handlers.desks import sign_out_everywhere
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import (
    SHOWN_FOR,
    Device,
    EmergencyAccess,
    Person,
    StoredAnswer,
)
from session_controller.storage.store import Store

MAX_PERSONS = 500
"""A desk's screen shows all names to choose from."""

_UNKNOWN = Refusal(RejectionCode.UNAVAILABLE, "There is no such person; see the list of staff.")
_RETIRED = Refusal(RejectionCode.UNAVAILABLE, "This person is retired; add them again.")
_TOO_MANY = Refusal(
    RejectionCode.TOO_MANY, "Too many persons are on this box.", {"limit": MAX_PERSONS}
)
_MEANWHILE = Refusal(
    RejectionCode.UNAVAILABLE, "A person with a similar name was added meanwhile; try again."
)
_SAME_NAME = Refusal(
    RejectionCode.MALFORMED, "Another person has this name; tell them apart by a second name."
)
_NO_PROVIDER = Refusal(
    RejectionCode.UNAVAILABLE,
    "The box that runs has no OpenID Connect provider; configure [oidc] and start it first.",
)
_TAKEN = Refusal(
    RejectionCode.UNAVAILABLE, "Another person is linked to this account; unlink them first."
)
_RESERVED = re.compile(rf"{EMERGENCY}(-.*)?")


def add_person(
    work: UnitOfWork, _: Store, device: Device, request: s.AddPerson
) -> Refusal | r.Answer | None:
    """Order that a person is added; the answer comes once the PIN is hashed."""
    if problem := pin_problem(request.pin):
        return _bad_pin(problem)
    if refusal := _no_room(work, request.name):
        return refusal
    if any(one.request_id == request.request_id for one in work.pins):
        return None  # it arrived twice
    roles = _in_order(request.roles)
    person, who = _free_id(work, request.name), work.who(device.device)
    work.pins.append(
        NewPin(device.device, request.request_id, who, person, request.pin, request.name, roles)
    )
    return None


def _no_room(work: UnitOfWork, name: str) -> Refusal | None:
    active = [p for p in work.persons.values() if p.retired_at is None]
    if len(active) >= MAX_PERSONS:
        return _TOO_MANY
    taken = any(p.name.casefold() == name.casefold() for p in active)
    return _SAME_NAME if taken else None


def change_person(
    work: UnitOfWork, _: Store, device: Device, request: s.ChangePerson
) -> r.Answer | Refusal | None:
    """Change a person's roles, or order that a PIN is hashed; the person is signed out."""
    person = _active(work, request.person)
    if isinstance(person, Refusal):
        return person
    if request.roles is not None:
        changed = replace(person, roles=_in_order(request.roles))
        _keep(work, changed, "roles", device.device)
        return _changed(work, request.request_id, changed)
    pin, who = request.pin or "", work.who(device.device)
    if problem := pin_problem(pin):
        return _bad_pin(problem)
    work.pins.append(NewPin(device.device, request.request_id, who, person.person, pin))
    return None


def _bad_pin(problem: str) -> Refusal:
    return Refusal(RejectionCode.MALFORMED, f"The PIN {problem}.")


def conclude_pin(work: UnitOfWork, order: NewPin, pin_hash: str | None) -> None:
    """Keep a person with a new PIN, and answer; None if it could not be hashed."""
    device = work.device(order.device)
    if device is None or device.revoked_at is not None:
        return  # it may order nothing any more, and is not connected
    kept = None if pin_hash is None else _with_pin(work, order, pin_hash)
    if isinstance(kept, Person):
        answer = _changed(work, order.request_id, kept)
        stored = StoredAnswer(order.device, order.request_id, work.at, answer.model_dump_json())
        work.transaction.answers.append(stored)  # a person must not be added twice
        work.say(InboxTopic(order.device), answer)
        return
    refusal = kept or Refusal(RejectionCode.UNAVAILABLE, "The PIN could not be stored; try again.")
    rejection = Rejection(request_id=order.request_id, code=refusal.code, message=refusal.message)
    work.say(InboxTopic(order.device), rejection)


def _with_pin(work: UnitOfWork, order: NewPin, pin_hash: str) -> Person | Refusal:
    if order.name is None:
        person = _active(work, order.person)
        if isinstance(person, Refusal):
            return person
        changed = replace(person, pin_hash=pin_hash, wrong_pins=0, locked_until=None)
        _keep(work, changed, "pin", order.device, order.asker)
        return changed
    if refusal := _no_room(work, order.name):
        return refusal
    if work.person(order.person) is not None:
        return _MEANWHILE
    is_first = not work.has_persons
    person = Person(order.person, order.name, order.roles, pin_hash, work.at)
    _keep(work, person, "added", order.device, order.asker)
    if is_first:
        _show_all_desks_again(work)
    return person


def _show_all_desks_again(work: UnitOfWork) -> None:
    """Publish what each front-desk screen shows: whether anybody has to sign in has changed."""
    for device in work.registry.devices.values():
        if device.role is Role.FACILITY and device.revoked_at is None:
            work.show_desk_again(device.device)


def link_person(
    work: UnitOfWork, _: Store, device: Device, request: s.LinkPerson
) -> r.Answer | Refusal:
    """Link a person to an account of the provider, or to none."""
    person, openid = _active(work, request.person), work.registry.openid
    if isinstance(person, Refusal):
        return person
    if request.account is None:
        changed = replace(person, account=None)
        _keep(work, changed, "unlinked", device.device)
        return _changed(work, request.request_id, changed)
    if openid is None:
        return _NO_PROVIDER
    account = account_of(openid.settings, request.account)
    active = (p for p in work.persons.values() if p.retired_at is None)
    if any(p.account == account and p.person != person.person for p in active):
        return _TAKEN
    changed = replace(person, account=account)
    _keep(work, changed, "linked", device.device)
    return _changed(work, request.request_id, changed)


def unlock_person(
    work: UnitOfWork, _: Store, device: Device, request: s.UnlockPerson
) -> r.Answer | Refusal:
    """Forget a person's wrong PINs."""
    person = _active(work, request.person)
    if isinstance(person, Refusal):
        return person
    unlocked = replace(person, wrong_pins=0, locked_until=None)
    work.put_person(unlocked)
    _note(work, unlocked, "unlocked", device.device)
    return _changed(work, request.request_id, unlocked)


def retire_person(
    work: UnitOfWork, _: Store, device: Device, request: s.RetirePerson
) -> r.Answer | Refusal:
    """End a person's access permanently; without any person, desks need nobody to sign in."""
    person = work.person(request.person)
    if person is None:
        return _UNKNOWN
    if person.retired_at is None:
        person = replace(person, retired_at=work.at)
        _keep(work, person, "retired", device.device)
        if not work.has_persons:
            _show_all_desks_again(work)
    return _changed(work, request.request_id, person)


def _active(work: UnitOfWork, name: str) -> Person | Refusal:
    person = work.person(name)
    if person is None:
        return _UNKNOWN
    return person if person.retired_at is None else _RETIRED


Change = Literal["added", "roles", "pin", "unlocked", "retired", "linked", "unlinked"]


def _keep(
    work: UnitOfWork, person: Person, change: Change, device: str, asker: str | None = None
) -> None:
    """Keep a person who was changed, and sign them out everywhere."""
    work.put_person(person)
    _note(work, person, change, device, asker)
    sign_out_everywhere(work, lambda signed_in: signed_in.who == person.person)


def _note(
    work: UnitOfWork, person: Person, change: Change, device: str, asker: str | None = None
) -> None:
    roles = person.roles if change in {"added", "roles"} else None
    act = PersonChanged(subject=person.person, change=change, roles=roles)
    work.note(act, device=device, person=asker)


def _in_order(roles: tuple[s.StaffRole, ...]) -> tuple[s.StaffRole, ...]:
    return tuple(role for role in s.StaffRole if role in roles)


def _free_id(work: UnitOfWork, name: str) -> str:
    """Return an id that nobody ever had: the log names persons by it."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48] or "person"
    if _RESERVED.fullmatch(slug):
        slug = f"person-{slug}"
    free = slug
    while work.person(free) is not None:
        free = f"{slug}-{secrets.token_hex(2)}"
    return free


def list_staff(work: UnitOfWork, store: Store, _: Device, request: s.ListStaff) -> r.Answer:
    """List all persons, and emergency access."""
    persons = sorted(work.persons.values(), key=lambda p: (p.name.casefold(), p.person))
    return s.StaffList(
        request_id=request.request_id,
        persons=tuple(_line(work, person) for person in persons),
        accesses=_accesses(work, store),
    )


def _changed(work: UnitOfWork, request_id: str, person: Person) -> s.PersonChanged:
    return s.PersonChanged(request_id=request_id, **vars(_line(work, person)))


def _line(work: UnitOfWork, person: Person) -> s.PersonLine:
    until = person.locked_until
    desks = {**work.registry.desks, **work.desks}
    at = (d for d, desk in desks.items() if desk.signed_in and desk.signed_in.who == person.person)
    return s.PersonLine(
        person=person.person,
        name=person.name,
        roles=person.roles,
        added_at=person.added_at,
        wrong_pins=person.wrong_pins,
        locked_until=until if until and until > work.at else None,
        retired=person.retired_at is not None,
        signed_in_at=tuple(sorted(at)),
        account=person.account.value if person.account else None,
    )


def list_emergency_access(
    work: UnitOfWork, store: Store, _: Device, request: s.ListEmergencyAccess
) -> r.Answer:
    """List the emergency access of the last days, and what nobody has reviewed."""
    accesses = _accesses(work, store)
    return s.EmergencyAccessList(request_id=request.request_id, accesses=accesses)


def _accesses(work: UnitOfWork, store: Store) -> tuple[s.EmergencyAccessLine, ...]:
    return tuple(map(_access_line, store.emergencies(work.at - SHOWN_FOR)))


def _access_line(access: EmergencyAccess) -> s.EmergencyAccessLine:
    return s.EmergencyAccessLine(
        access=access.access,
        device=access.device,
        name=access.name,
        reason=access.reason,
        begun_at=access.begun_at,
        ends_at=access.ends_at,
        reviewed_at=access.reviewed_at,
        reviewed_by=access.reviewed_by,
    )


def review_emergency_access(
    work: UnitOfWork, store: Store, device: Device, request: s.ReviewEmergencyAccess
) -> r.Answer | Refusal:
    """Record who has reviewed an emergency access; a second time changes nothing."""
    found = store.emergencies(work.at - SHOWN_FOR)
    access = next((one for one in found if one.access == request.access), None)
    if access is None:
        return Refusal(
            RejectionCode.UNAVAILABLE, "There is no such emergency access to be reviewed."
        )
    if access.reviewed_at is None and access.access not in work.transaction.emergencies:
        by = work.who(device.device) or device.device
        reviewed = replace(access, reviewed_at=work.at, reviewed_by=by)
        work.transaction.emergencies[access.access] = reviewed
        work.note(EmergencyAccessReviewed(subject=access.access), device=device.device)
    return s.EmergencyAccessReviewed(request_id=request.request_id, access=access.access)
