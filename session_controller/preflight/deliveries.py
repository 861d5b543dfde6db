"""Checks of the destinations, and of what has not arrived there."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from session_controller.delivery.configuration import ConfigurationError, load_destinations
from session_controller.errors import StoreError
from session_controller.integrity.configuration import (
    missing_files,
    told_unknown,
    unknown_destinations,
)
from session_controller.preflight.finding import Finding, critical, ok, warning
from session_controller.preflight.subject import Subject
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.entities import DeliveryBacklog
from session_controller.storage.reader import Reader

_LATE, _VERY_LATE = timedelta(hours=1), timedelta(days=1)


def delivery_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what keeps completed sessions from arriving."""
    try:
        destinations = load_destinations(subject.data).destinations
    except ConfigurationError as error:
        yield critical("destinations", str(error), f"correct it: {subject.data}/delivery.json")
        return
    for problem in missing_files(subject.data, destinations):
        text, _, mend = problem.partition("; ")
        yield warning("destinations", text, mend)
    counts, backlog = _stored(subject)
    for problem in told_unknown(unknown_destinations(counts, destinations)):
        text, _, mend = problem.partition("; ")
        yield warning("destinations", text, mend)
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
        see = f"handrail deliver list --destination {each.destination} --status {each.status}"
        if each.status == DeliveryStatus.REFUSED:
            text = f"{each.destination} refused {count}"
            yield warning("deliveries", text, f"{see} says why; then handrail deliver retry")
        elif each.status == DeliveryStatus.HELD:
            yield warning("deliveries", f"{count} held for {each.destination}", f"{see} says why")
        elif each.status == DeliveryStatus.WAITING and each.oldest is not None:
            age = at - each.oldest
            if age > _LATE:
                hours = age / timedelta(hours=1)
                text = f"{count} waiting for {each.destination}, the oldest for {hours:,.0f} h"
                make = critical if age > _VERY_LATE else warning
                yield make("deliveries", text, f"{see} says why")
