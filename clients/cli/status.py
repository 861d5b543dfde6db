"""`handrail status`: how a running box is doing, and how near it is to its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from clients.cli.context import DATA, AsJson, Data, program
from clients.cli.output import moment, out, plain, print_facts, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from schemas.wire.status import LimitStatus, StatusShown

NEAR = 80
"""Percent of a limit from which a line says what to do."""
_MARKS = {"warning": "[yellow]![/]", "critical": "[bold red]✗[/]"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024

_CLOSE = "find the program that opens so many: the box's log"
_READ = "a screen does not read what it is sent: check its network"
_FORGET = "wait: what ended sessions show is cleared after an hour; then end open ones"
_PURGE = "purge old sessions (`handrail session purge`), or use a larger disk"
TO_DO = {
    "max_open_sessions": "end some: `handrail session list`, `handrail session cancel`",
    "max_devices": "revoke some: `handrail device list`, `handrail device revoke`",
    "disk_bytes": f"{_PURGE}; at 100 % documents and backups are refused",
    "log_bytes": "wait; if it stays, end what reads the database",
    "exports_bytes": "nothing: the oldest exports are dropped, and made again on request",
    "wrong_codes": "codes are checked slowly now; `handrail audit list` says who guesses",
    "waiting_messages": "the box is overloaded, or its disk is slow: the box's log",
    "broker.connections": _CLOSE,
    "broker.connections_per_address": _CLOSE,
    "broker.sessions": f"{_CLOSE}; screens need one each",
    "broker.queue_messages": _READ,
    "broker.queue_bytes": _READ,
    "broker.subscriptions": "a program subscribes to too much: use fewer, wider filters",
    "broker.retained_messages": _FORGET,
    "broker.retained_bytes": _FORGET,
}
"""By limit, what to do when the box is near it; docs/reference/limits.md has the rest."""

app = typer.Typer()


@app.command(epilog="Example: handrail status --data /var/lib/handrail --json")
def status(context: typer.Context, *, data: Data = DATA, as_json: AsJson = False) -> None:
    """Show how a running box is doing, and how near it is to its limits.

    Only a running box can tell: without one, the command exits with 3. `handrail doctor` checks a
    data folder whether or not a box is running.
    """
    from clients.sdk.admin import AdminClient

    with program(context).running(data) as place, AdminClient(place.url, place.credential) as admin:
        shown = admin.show_status()
    if as_json:
        print_json(plain(shown))
    else:
        _print(shown)


def _print(shown: StatusShown) -> None:
    from rich.markup import escape
    from rich.table import Table

    print_facts(
        {
            "box": f"running, Handrail {shown.version}, site {shown.site}",
            "since": f"{moment(shown.started_at)} ({_age(shown, shown.started_at)})",
            "addresses": " ".join(shown.addresses),
            "screens": _screens(shown),
            "sessions": _sessions(shown),
            "deliveries": _deliveries(shown),
            "backups": _backups(shown),
            "disk": _disk(shown),
        }
    )
    table = Table("", "limit", box=None, pad_edge=False, header_style="bold")
    for name in ("now", "at most", "%", "refused"):
        table.add_column(name, justify="right")
    for limit in shown.limits:
        if limit.level is not None or limit.refused:
            table.add_row(*map(escape, _row(limit)))
    out().print()
    out().print(table)
    out().print()
    to_do = Table.grid(padding=(0, 1))
    for level, line in _to_do(shown):
        to_do.add_row(_MARKS[level], escape(line))
    if not to_do.row_count:
        to_do.add_row("[green]✓[/]", "nothing to do")
    out().print(to_do)


def _screens(shown: StatusShown) -> str:
    screens = shown.screens
    guests = f"; {screens.guests} guests" if screens.guests else ""
    return f"{screens.online} online of {screens.enrolled} enrolled{guests}"


def _sessions(shown: StatusShown) -> str:
    found = shown.sessions
    counts = f"{found.waiting} waiting, {found.active} active, {found.paused} paused"
    return f"{found.open} open ({counts}); {found.completed_today} completed today"


def _deliveries(shown: StatusShown) -> str:
    found = shown.deliveries
    oldest = f", the oldest for {_age(shown, found.oldest_waiting)}" if found.oldest_waiting else ""
    return f"{found.waiting} waiting{oldest}; {found.held} held, {found.refused} refused"


def _backups(shown: StatusShown) -> str:
    found = shown.backups
    newest = f", the newest {_age(shown, found.newest)} old" if found.newest else ""
    damaged = f"; {found.damaged} damaged" if found.damaged else ""
    return f"{found.count}{newest}{damaged}"


def _disk(shown: StatusShown) -> str:
    disk = shown.disk
    days = disk.full_in_days
    full = f"; full in some {days:,.0f} days" if days is not None else ""
    return f"{_bytes(disk.free)} free of {_bytes(disk.total)}{full}"


def _row(limit: LimitStatus) -> tuple[str, ...]:
    show = _bytes if limit.limit.endswith("_bytes") else "{:,}".format
    level, part = "", ""
    if limit.level is not None:
        level, part = show(limit.level), f"{_percent(limit):.0f}"
    mark = "!" if _is_near(limit) else ""
    return mark, limit.limit, level, show(limit.most), part, f"{limit.refused:,}"


def _percent(limit: LimitStatus) -> float:
    return 100 * (limit.level or 0) / limit.most if limit.most else 100.0


def _is_near(limit: LimitStatus) -> bool:
    return limit.level is not None and _percent(limit) > NEAR


def _to_do(shown: StatusShown) -> Iterator[tuple[str, str]]:
    """Yield what needs somebody, and what to do: the level's mark, and a sentence."""
    if shown.disk_error:
        yield "critical", f"the database does not store ({shown.disk_error}): make room"
    for finding in shown.findings:
        if finding.level in _MARKS:
            yield finding.level, f"{finding.text}: {finding.mend or 'handrail doctor'}"
    for limit in filter(_is_near, shown.limits):
        yield "warning", f"{limit.limit}: {TO_DO.get(limit.limit, 'docs/reference/limits.md')}"


def _age(shown: StatusShown, since: datetime) -> str:
    """Return how long ago a moment was, by the clock of the box."""
    seconds = _seconds(shown, since)
    for unit, size in (("days", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def _seconds(shown: StatusShown, since: datetime) -> float:
    return max(0.0, (shown.at - since).total_seconds())


def _bytes(count: float) -> str:
    for unit in _UNITS:
        if count < _STEP or unit == _UNITS[-1]:
            break
        count /= _STEP
    return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
