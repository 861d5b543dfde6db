"""Checks of the destinations, and of what has not arrived there."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from session_controller.delivery.configuration import load_destinations
from session_controller.errors import DestinationsError, StoreError
from session_controller.integrity.configuration import (
    missing_files,
    told_unknown,
    unknown_destinations,
)
from session_controller.preflight.finding import Finding, Level, critical, ok, warning
from session_controller.preflight.stuck import stuck_level
from session_controller.preflight.subject import Subject
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.entities import DeliveryBacklog
from session_controller.storage.reader import Reader


def delivery_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what keeps completed sessions from arriving."""
    try:
        destinations = load_destinations(subject.data).destinations
    except DestinationsError as error:
        yield critical("destinations", str(error), f"correct it: {subject.data}/delivery.json")
        return
    for each in missing_files(subject.data, destinations):
        yield warning("destinations", each.text, each.mend)
    counts, backlog = _stored(subject)
    for each in told_unknown(unknown_destinations(counts, destinations)):
        yield critical("destinations", each.text, each.mend)
    late = list(_backlog(backlog, subject.at))
    yield from late
    if destinations and not late:
        yield ok("deliveries", "nothing waits for long, and nothing is held or refused")


def _stored(subject: Subject) -> tuple[Mapping[tuple[str, str], int], Sequence[DeliveryBacklog]]:
    with suppress(sqlite3.Error, StoreError), Reader.without_keys(subject.database) as reader:
        return reader.count_deliveries(), reader.delivery_backlog()
    return {}, ()


def _backlog(backlog: Sequence[DeliveryBacklog], at: datetime) -> Iterator[Finding]:
    for each in backlog:
        count = f"{each.deliveries:,} {'session' if each.deliveries == 1 else 'sessions'}"
        see = f"handrail deliver status --only {each.status}"
        age = at - each.oldest if each.oldest is not None else timedelta()
        level = stuck_level(each.status, age)
        if level is Level.OK:
            continue
        mend = f"{see} says why"
        if each.status == DeliveryStatus.REFUSED:
            text = f"{each.destination} refused {count}"
            mend = f"{mend}; then handrail deliver retry"
        elif each.status == DeliveryStatus.HELD:
            text = f"{count} held for {each.destination}"
        else:
            hours = age / timedelta(hours=1)
            text = f"{count} waiting for {each.destination}, the oldest for {hours:,.0f} h"
        yield Finding("deliveries", level, text, mend)
