"""Checks of who may work at front-desk screens."""

import sqlite3
from collections.abc import Iterable, Iterator

from session_controller.errors import StoreError
from session_controller.preflight.finding import Finding, note, ok, warning
from session_controller.preflight.subject import Subject
from session_controller.security.pins import LOCKED_AFTER
from session_controller.storage.database import DATABASE
from session_controller.storage.entities import SHOWN_FOR, EmergencyAccess, Person
from session_controller.storage.reader import Reader

LOCKED_PIN = "locked-pin"


def staff_findings(subject: Subject) -> Iterator[Finding]:
    """Yield that nobody has to sign in at desks, and the emergency access of the last days.

    Reads the database without its keys; yields nothing if it cannot be read: another check does.
    """
    try:
        with Reader.without_keys(subject.data / DATABASE) as reader:
            active = [p for p in reader.persons() if p.retired_at is None]
            accesses = reader.emergencies(subject.at - SHOWN_FOR)
    except (sqlite3.Error, OSError, StoreError):
        return
    yield from pin_findings(active)
    if active:
        yield ok("staff", f"{len(active)} persons can sign in at front-desk screens")
    else:
        yield note(
            "staff",
            "nobody has to sign in at front-desk screens: the log names devices, not persons",
            "handrail staff add NAME --role front-desk",
        )
    yield from map(_emergency, accesses)


def pin_findings(persons: Iterable[Person]) -> Iterator[Finding]:
    """Yield that PINs are locked, until a right one or `staff unlock`; names nobody."""
    wrong = [p.wrong_pins for p in persons if p.retired_at is None and p.wrong_pins >= LOCKED_AFTER]
    if wrong:
        whose = "a person's PIN is" if len(wrong) == 1 else f"the PINs of {len(wrong)} persons are"
        text = f"{whose} locked, after {max(wrong)} wrong ones in a row: forgotten, or guessed"
        mend = "handrail staff list says whose; then handrail staff unlock PERSON"
        yield warning(LOCKED_PIN, text, mend)


def _emergency(access: EmergencyAccess) -> Finding:
    begun = f"{access.begun_at.astimezone():%Y-%m-%d %H:%M %z}"
    text = f"emergency access {access.access} at {access.device}, {begun}"
    if access.reviewed_at is not None:
        return note("emergency-access", f"{text}, was reviewed")
    mend = f"handrail staff list; then handrail staff review {access.access}"
    return warning("emergency-access", f"{text}, was not reviewed", mend)
