"""`handrail doctor`: checks of a data folder and of the box that runs on it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, AsJson, Config, Data, Failure, Program, bare, named, program
from clients.cli.output import out, print_json, printable_lines
from session_controller.data_folder import BOX_FILE
from session_controller.preflight.finding import Finding, Level, critical, ok, warning

if TYPE_CHECKING:
    from schemas.wire.status import StatusShown
    from session_controller.preflight.subject import Subject

app = typer.Typer()
_MARKS = {
    Level.OK: "[green]✓[/]",
    Level.NOTE: "[cyan]i[/]",
    Level.WARNING: "[yellow]![/]",
    Level.CRITICAL: "[bold red]✗[/]",
}
_WITHIN_S = 2.0


@app.command(epilog="Example: handrail doctor --data /var/lib/handrail --fix")
def doctor(
    context: typer.Context,
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what cannot lose anything, then check again.")
    ] = False,
    config: Config = None,  # noqa: ARG001 - read by `named`, which knows where it is from
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Check a data folder and the box on it: what is wrong, and the command that mends it.

    Works whether or not the box is running; without --fix it is read-only. Of a running box it
    asks for an answer, and tries whether its broker refuses what it must. Exits as Nagios expects:
    0 all well, 1 warnings, 2 critical.
    """
    findings = list(_examine(context, data))
    mended = []
    if fix:
        mended = list(_mend(findings))
        findings = list(_examine(context, data))
    if as_json:
        print_json(_described(findings, mended))
    else:
        _print(data, findings, mended)
    raise typer.Exit(max((each.level.exit_code for each in findings), default=0))


def _examine(context: typer.Context, data: Path) -> Iterator[Finding]:
    from session_controller.preflight.checks import ALL, run, subject_of

    subject = subject_of(data, datetime.now(UTC), configuration=named(context))
    yield from run(ALL, subject)
    yield from _together(subject)
    if subject.running:
        yield from _running(program(context), subject)
    elif data.is_dir():
        yield Finding("box", Level.NOTE, "no box is running on this folder")


def _together(subject: Subject) -> Iterator[Finding]:
    """Yield what keys of the configuration mean together, and files that they name: as `serve`."""
    from clients.cli.configured import check_files, configured
    from session_controller.configuration.reading import configuration_file

    if not subject.data.is_dir():
        return
    try:
        file = configuration_file(subject.data, subject.configuration)
        found = configured(subject.data, subject.configuration)
    except (Failure, OSError):  # the check of the configuration says so
        return
    try:
        check_files(found, subject.data)
    except (Failure, OSError) as error:
        mend = "correct it, then: handrail config check"
        yield critical("configuration", f"{file}: {error}" if file else str(error), mend)


def _running(handrail: Program, subject: Subject) -> Iterator[Finding]:
    """Yield whether the box that has locked a folder can be reached, answers and refuses."""
    from clients.cli.intrusion import broker_findings

    unreachable = _unreachable(subject.data)
    if unreachable is not None:
        yield unreachable
        return
    with suppress(Failure), handrail.running(subject.data) as place:
        yield from box_findings(lambda: _status(place.url, place.credential))
        yield from broker_findings(place.url, place.credential)


def _unreachable(data: Path) -> Finding | None:
    """Return why the box of a folder cannot be reached where it says, or None if it can."""
    from clients.sdk.address import Address

    try:
        where = json.loads((data / BOX_FILE).read_text())
        address = Address.parse(bare(where["mqtt"]))
        socket.create_connection((address.host, address.port), timeout=_WITHIN_S).close()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"a box has locked this folder but cannot be reached: {error}"
        return critical("box", text, "systemctl restart handrail; journalctl -u handrail")
    return None


def _status(url: str, credential: object) -> StatusShown:
    from clients.sdk.admin import AdminClient

    with AdminClient(url, credential) as admin:  # type: ignore[arg-type]
        return admin.show_status()


def box_findings(ask: Callable[[], StatusShown]) -> Iterator[Finding]:
    """Yield whether the controller of a running box answers and stores, and is of this version."""
    from importlib.metadata import version

    from clients.sdk.errors import HandrailError

    try:
        shown = ask()
    except (HandrailError, OSError) as error:
        text = f"the controller does not answer ({error})"
        yield critical("controller", text, "systemctl restart handrail; journalctl -u handrail")
        return
    if shown.disk_error is not None:
        text = f"the database does not store ({shown.disk_error})"
        yield critical("controller", text, "make room on the disk, or replace it")
    elif shown.version != version("handrail"):
        text = f"the box runs version {shown.version}, and {version('handrail')} is installed"
        yield warning("controller", text, "systemctl restart handrail")
    else:
        yield ok("controller", f"it answers at {' '.join(shown.addresses)}")


def _mend(findings: Sequence[Finding]) -> Iterator[str]:
    """Mend what can be; yield what was done, or why it could not be."""
    for finding in findings:
        if finding.fix is None:
            continue
        try:
            finding.fix()
        except OSError as error:
            where = f"{error.filename}: {error.strerror}"
            yield f"not mended: {finding.text}: {where}; as root, type: {finding.mend}"
        else:
            yield f"mended: {finding.text}"


def _described(findings: Sequence[Finding], mended: Sequence[str]) -> dict[str, object]:
    worst = max(findings, key=lambda each: list(Level).index(each.level)).level
    return {
        "well": worst in (Level.OK, Level.NOTE),
        "level": worst,
        "mended": list(mended),
        "findings": [
            {"check": each.check, "level": each.level, "text": each.text, "mend": each.mend}
            for each in findings
        ],
    }


def _print(data: Path, findings: Sequence[Finding], mended: Sequence[str]) -> None:
    """Print a line for a monitor first, then what was found, the worst first."""
    from rich.markup import escape
    from rich.table import Table

    for line in (_summary(data, findings), *mended):
        _print_line(line)
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for level in reversed(Level):
        for each in (each for each in findings if each.level is level):
            text, mend = (escape(printable_lines(line or "")) for line in (each.text, each.mend))
            mend = f"\n[cyan]→[/] {mend}" if mend else ""
            table.add_row(_MARKS[level], each.check, text + mend)
    out().print(table)
    if data != Path(os.environ.get("HANDRAIL_DATA", DATA)) and any(map(_needs_data, findings)):
        _print_line(
            f"Type each `handrail` command above that names no data folder with --data {data}"
        )


def _print_line(text: str) -> None:
    out().print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)


def _needs_data(finding: Finding) -> bool:
    return "handrail " in (finding.mend or "") and "--data" not in (finding.mend or "")


def _summary(data: Path, findings: Sequence[Finding]) -> str:
    count = {level: sum(each.level is level for each in findings) for level in Level}
    critical_, warnings = count[Level.CRITICAL], count[Level.WARNING]
    word = "CRITICAL" if critical_ else "WARNING" if warnings else "OK"
    return f"HANDRAIL {word} - {data}: {critical_} critical, {warnings} warnings"
