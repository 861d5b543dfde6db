"""How deliveries stand, for a monitor; and that the file of the destinations is right."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clients.cli.context import USAGE, Failure, Program
from clients.cli.output import echo, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.wire.deliveries import DestinationCounts, DestinationList
    from session_controller.preflight.finding import Finding


def refuse_faulty(data: Path) -> None:
    """Raise `Failure` if the file of the destinations is faulty; a box goes on without it."""
    from session_controller.delivery.configuration import load_destinations
    from session_controller.errors import DestinationsError

    try:
        load_destinations(data)
    except DestinationsError as error:
        hint = "until it is corrected, a box keeps the destinations that it had"
        raise Failure(f"{error}; {hint}", USAGE) from None


def check_deliveries(
    program: Program, data: Path, limits: tuple[timedelta, timedelta], *, as_json: bool
) -> None:
    """Print how deliveries stand as a plugin of Nagios does, and exit as one."""
    from session_controller.preflight.stuck import stuck_findings

    refuse_faulty(data)
    with program.reach(data) as admin:
        found = admin.destination_list()
    findings = list(stuck_findings(found, datetime.now(UTC), *limits))
    if code := _print(found, findings, as_json=as_json):
        raise typer.Exit(code)


def _print(found: "DestinationList", findings: "Sequence[Finding]", *, as_json: bool) -> int:
    """Print how deliveries stand as a plugin of Nagios does; return the exit code."""
    code = max((one.level.exit_code for one in findings), default=0)
    lines = (*found.destinations, *found.unknown)
    counts = {
        "waiting": sum(each.waiting for each in lines),
        "refused": sum(each.refused for each in lines),
        "held": sum(each.held for each in lines),
        "oldest_s": max((_age_s(each) for each in lines), default=0),
    }
    if as_json:
        told = [
            {"check": one.check, "level": one.level.value, "text": one.text, "mend": one.mend}
            for one in findings
        ]
        print_json({"exit_code": code, **counts, "findings": told})
        return code
    bad = [one for one in findings if one.level.exit_code]
    head = "; ".join(one.text for one in bad) or f"{counts['waiting']} waiting"
    numbers = " ".join(f"{name}={count}" for name, count in counts.items())
    echo(f"DELIVERIES {_LEVELS[code]}: {head} | {numbers}\n")
    for one in bad:
        echo(f"{one.check}: {one.mend}\n")
    return code


_LEVELS = ("OK", "WARNING", "CRITICAL")


def _age_s(line: "DestinationCounts") -> int:
    return int((datetime.now(UTC) - line.oldest).total_seconds()) if line.oldest else 0
