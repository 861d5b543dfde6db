"""Terminal view of destinations and deliveries."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clients.cli.destinations import place_of
from clients.cli.output import moment, out, plain, print_facts, print_json, print_table, say
from schemas.wire.deliveries import (
    DeliveryLine,
    DeliveryOutcome,
    DestinationCounts,
    DestinationLine,
    TrialStep,
    UnknownDestination,
)

if TYPE_CHECKING:
    from clients.sdk.admin import AdminClient

_UNKNOWN = "unknown_destination"
"""The reason of a delivery whose destination is not known any more."""
_SAID = ("patient_not_identified", _UNKNOWN)
"""Reasons of which is said below the table what to do."""


def print_destinations(
    lines: Sequence[DestinationLine], unknown: Sequence[UnknownDestination]
) -> None:
    """Print the destinations, and those that are not known any more."""
    rows = [
        (each.destination.name, each.destination.kind, place_of(each.destination), *_stands(each))
        for each in lines
    ]
    rows += [(each.name, "unknown", "", *_stands(each)) for each in unknown]
    columns = (
        *("name", "kind", "address", "waiting", "oldest", "delivered", "refused", "held"),
        *("next try", "why"),
    )
    empty = "There are no destinations; add one with `handrail deliver add`."
    spare = ("next try", "oldest", "address", "why")
    print_table(columns, rows, empty, prose=("address", "why"), spare=spare)
    _print_mends([(each.reason, each.http_status) for each in (*lines, *unknown)])
    print_unknown({each.name for each in unknown})


def _stands(line: DestinationCounts) -> tuple[str, ...]:
    waiting, counts = str(line.waiting), map(str, (line.delivered, line.refused, line.held))
    return waiting, _age(line), *counts, moment(line.next_at), _why(line.reason, line.http_status)


def _age(line: DestinationCounts) -> str:
    from session_controller.preflight.stuck import span_in_words

    return span_in_words(datetime.now(UTC) - line.oldest) if line.oldest else ""


def _why(reason: str | None, http_status: int | None) -> str:
    from session_controller.delivery.causes import in_words

    return in_words(reason, http_status)


def _print_mends(reasons: Iterable[tuple[str | None, int | None]]) -> None:
    """Print what to do about each reason, once."""
    from session_controller.delivery.causes import cause_of

    causes = dict.fromkeys(cause_of(reason, status) for reason, status in reasons if reason)
    for cause in causes:
        say(f"{cause.text}: {cause.mend}")


def print_trial(name: str, steps: Sequence[TrialStep]) -> None:
    """Print what was tried of a destination, and what to do."""
    print_steps(steps)
    if works(steps):
        say(f"{name} works, as far as it was tried")
    else:
        say(f"{name} does not work yet; sessions wait for it")


def print_steps(steps: Sequence[TrialStep]) -> None:
    """Print what was tried, and what to do."""
    from rich.markup import escape

    for step in steps:
        out().print(f"{_MARKS[step.result]} {escape(step.step)}: {escape(step.text)}")
        if step.mend:
            out().print(f"  → {escape(step.mend)}")


_MARKS = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "failed": "[bold red]✗[/]"}


def tried(admin: "AdminClient", name: str) -> Sequence[TrialStep]:
    """Try a destination that is just added; a box that cannot say it is one that does not work."""
    from clients.sdk.errors import HandrailError

    try:
        return admin.try_destination(name)
    except HandrailError as error:
        mend = f"handrail deliver test {name}"
        return [TrialStep(step="trial", result="failed", text=f"not tried: {error}", mend=mend)]


def works(steps: Sequence[TrialStep]) -> bool:
    """Return whether no step failed."""
    return all(step.result != "failed" for step in steps)


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
    _print_mends([(each.reason, each.http_status) for each in lines if each.reason not in _SAID])
    if any(each.status == "refused" or each.http_status for each in lines):
        say("`handrail deliver show SESSION` shows what the destination said last.")
    if any(each.status == "held" for each in lines):
        say("`handrail session identify SESSION` states who the patient is, and sends it.")
    print_unknown(unknown_in(lines))


def _row(line: DeliveryLine) -> tuple[str, ...]:
    return (
        line.session,
        line.destination,
        line.status,
        str(line.attempts),
        moment(line.updated_at),
        moment(line.next_at),
        _why(line.reason, line.http_status),
    )


def print_outcome(outcome: DeliveryOutcome) -> None:
    """Print what a destination said of a session, and the hash of what was sent."""
    facts = {
        "destination": outcome.destination,
        "status": outcome.status,
        "why": _why(outcome.reason, None),
        "sha256": outcome.sha256,
    }
    print_facts({name: value for name, value in facts.items() if value})
    if outcome.outcome is not None:
        print_json(outcome.outcome)
