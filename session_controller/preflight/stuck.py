"""Deliveries that are stuck: since when, why, and what to do."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas.wire.deliveries import DestinationLine, DestinationList, UnknownDestination
from session_controller.delivery.causes import cause_of
from session_controller.delivery.outcomes import Reason
from session_controller.preflight.finding import Finding, Level
from session_controller.storage.deliveries import DeliveryStatus

WARN_AFTER, CRITICAL_AFTER = timedelta(hours=1), timedelta(hours=24)
"""An outage of an hour is not noticed at the desk; after a day somebody misses the record."""


def stuck_level(
    status: str,
    age: timedelta,
    warn_after: timedelta = WARN_AFTER,
    critical_after: timedelta = CRITICAL_AFTER,
) -> Level:
    """Return how bad it is that deliveries have a status, and wait for so long.

    What is refused or held is critical at once: it does not arrive until somebody has acted.
    """
    if status in (DeliveryStatus.REFUSED, DeliveryStatus.HELD):
        return Level.CRITICAL
    if status != DeliveryStatus.WAITING or age < warn_after:
        return Level.OK
    return Level.CRITICAL if age >= critical_after else Level.WARNING


def stuck_findings(
    found: DestinationList,
    at: datetime,
    warn_after: timedelta = WARN_AFTER,
    critical_after: timedelta = CRITICAL_AFTER,
) -> Iterator[Finding]:
    """Yield a finding for each destination, in their order, then those not configured any more."""
    for line in found.destinations:
        yield _finding(line.destination.name, line, at, (warn_after, critical_after))
    for lost in found.unknown:
        if lost.waiting or lost.refused or lost.held:
            yield _lost(lost)


def _finding(
    name: str, line: DestinationLine, at: datetime, limits: tuple[timedelta, timedelta]
) -> Finding:
    age = at - line.oldest if line.waiting and line.oldest else timedelta()
    level = _level(line, age, limits)
    texts = [_waits(line, age)] if line.waiting else []
    texts += [f"{line.refused} refused"] if line.refused else []
    texts += [f"{line.held} held, since the patient is not identified"] if line.held else []
    text = f"{name}: {'; '.join(texts) or 'nothing waits'}"
    return Finding(f"delivery-{name}", level, text, None if level is Level.OK else _mend(line))


def _level(line: DestinationLine, age: timedelta, limits: tuple[timedelta, timedelta]) -> Level:
    counted = {
        DeliveryStatus.REFUSED: line.refused,
        DeliveryStatus.HELD: line.held,
        DeliveryStatus.WAITING: line.waiting,
    }
    levels = [stuck_level(status, age, *limits) for status, count in counted.items() if count]
    return max(levels, key=lambda level: level.exit_code, default=Level.OK)


def _waits(line: DestinationLine, age: timedelta) -> str:
    what = "1 session waits" if line.waiting == 1 else f"{line.waiting} sessions wait"
    why = f": {cause_of(line.reason, line.http_status).text}" if line.reason else ""
    return f"{what}, the oldest for {span_in_words(age)}{why}"


def _mend(line: DestinationLine) -> str:
    if line.refused:
        return cause_of("refused").mend
    if line.held:
        return cause_of(Reason.PATIENT_NOT_IDENTIFIED).mend
    if line.reason:
        return cause_of(line.reason, line.http_status).mend
    return f"`handrail deliver test {line.destination.name}`"


def _lost(lost: UnknownDestination) -> Finding:
    count = lost.waiting + lost.refused + lost.held
    cause = cause_of(Reason.UNKNOWN_DESTINATION)
    text = f"{lost.name}: {count} not delivered: {cause.text}"
    return Finding(f"delivery-{lost.name}", Level.CRITICAL, text, cause.mend)


def span_in_words(span: timedelta) -> str:
    """Return a span of time, rounded down: `40 min`, `26 h`, `3 days`."""
    minutes = max(int(span.total_seconds()) // 60, 0)
    hours, days = minutes // 60, minutes // (24 * 60)
    if days > 2:  # noqa: PLR2004 - 36 h say more than a day
        return f"{days} days"
    return f"{hours} h" if hours else f"{minutes} min"
