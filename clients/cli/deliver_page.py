"""Terminal view of destinations and deliveries."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from clients.cli.destinations import place_of
from clients.cli.output import moment, out, plain, print_facts, print_table, say, why_in_words
from schemas.wire.deliveries import (
    DeliveryLine,
    DeliveryOutcome,
    DestinationLine,
    UnknownDestination,
)

_UNKNOWN = "unknown_destination"
"""The reason of a delivery whose destination is not known any more."""


def print_destinations(
    lines: Sequence[DestinationLine], unknown: Sequence[UnknownDestination]
) -> None:
    """Print the destinations, and those that are not known any more."""
    rows = [
        (each.destination.name, each.destination.kind, place_of(each.destination), *_counts(each))
        for each in lines
    ]
    rows += [(each.name, "unknown", "", *_counts(each)) for each in unknown]
    columns = ("name", "kind", "address", "waiting", "delivered", "refused", "held")
    empty = "There are no destinations; add one with `handrail deliver add`."
    print_table(columns, rows, empty, prose=("address",), spare=("address",))
    print_unknown({each.name for each in unknown})


def _counts(line: DestinationLine | UnknownDestination) -> tuple[str, ...]:
    return str(line.waiting), str(line.delivered), str(line.refused), str(line.held)


def as_line(unknown: UnknownDestination) -> dict[str, Any]:
    """Return an unknown destination as JSON, in the form of the others."""
    counts: dict[str, Any] = plain(unknown)
    return {"destination": {"name": counts.pop("name"), "kind": "unknown"}, **counts}


def print_unknown(names: Collection[str]) -> None:
    """Print what to do about destinations that are not known any more."""
    for name in sorted(names):
        say(
            f"{name} is not a destination of this box any more, and sessions wait for it; add it "
            f"again with `handrail deliver add {name} …`, or give them up with `handrail deliver "
            f"remove {name} --undelivered`"
        )


def unknown_in(lines: Iterable[DeliveryLine]) -> set[str]:
    """Return the destinations of deliveries that are not known any more."""
    return {each.destination for each in lines if each.reason == _UNKNOWN}


def print_deliveries(lines: Sequence[DeliveryLine]) -> None:
    """Print the status of deliveries, and where to read more about it."""
    columns = ("session", "destination", "status", "tries", "last change", "next try", "why")
    prose, spare = ("why",), ("next try", "tries")
    print_table(columns, map(_row, lines), "There are no deliveries.", prose=prose, spare=spare)
    if any(each.status == "refused" or each.http_status for each in lines):
        say("`handrail deliver show SESSION` shows what the destination said last.")
    if any(each.status == "held" for each in lines):
        say("`handrail session identify SESSION` states who the patient is, and sends it.")
    print_unknown(unknown_in(lines))


def _row(line: DeliveryLine) -> tuple[str, ...]:
    why = why_in_words(line.reason)
    if line.http_status:
        why = f"{why} ({line.http_status})"
    return (
        line.session,
        line.destination,
        line.status,
        str(line.attempts),
        moment(line.updated_at),
        moment(line.next_at),
        why,
    )


def print_outcome(outcome: DeliveryOutcome) -> None:
    """Print what a destination said of a session, and the hash of what was sent."""
    facts = {
        "destination": outcome.destination,
        "status": outcome.status,
        "why": outcome.reason,
        "sha256": outcome.sha256,
    }
    print_facts({name: value for name, value in facts.items() if value})
    if outcome.outcome is not None:
        out().print_json(json.dumps(outcome.outcome, ensure_ascii=False))
