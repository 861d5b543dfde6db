"""`handrail session`: open, show, watch, cancel, identify, export and purge sessions."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, USAGE, AsJson, Data, Failure, Limit, program
from clients.cli.output import first, moment, plain, print_facts, print_json, print_rows, say
from clients.cli.output import print_table as table
from clients.cli.record import PaperSize, RecordFormat, hand_out
from clients.cli.types import since, span
from clients.cli.watch import watch

if TYPE_CHECKING:
    from schemas.wire import requests as wire
    from schemas.wire.devices import LobbyLine


class Gender(StrEnum):
    """FHIR's administrative gender."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """The statuses of a session, as in its view."""

    WAITING = "waiting"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_GENDERS: "dict[Gender, wire.Gender]" = {
    Gender.MALE: "male",
    Gender.FEMALE: "female",
    Gender.OTHER: "other",
    Gender.UNKNOWN: "unknown",
}

app = typer.Typer(
    help="Open, show, watch, cancel, identify, export and purge sessions.",
    epilog="Example: handrail session list --all",
    no_args_is_help=True,
)
app.command(epilog="Example: handrail session watch s-3f9a…")(watch)
SessionId = Annotated[str, typer.Argument(help="A session id.", metavar="ID")]


@app.command("open", epilog="Example: handrail session open pre-registration --label 'Room 3'")
def open_session(
    context: typer.Context,
    flow: Annotated[
        str, typer.Argument(metavar="FLOW", help="A flow id from `handrail flow list`.")
    ],
    *,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Label for staff and on the record, at most 120 characters; not a patient's name.",
        ),
    ] = None,
    kiosk: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="The patient screen. Default: print a code instead."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="The front-desk screen that leads the session."),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="A rehearsal: marked everywhere, and never delivered.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Open a session. Prints its id and, without --kiosk, a code for the patient screen."""
    with program(context).reach(data, makes=True) as admin:
        opened = admin.open_session_for(
            host or admin.credential.device, flow, label=label, patient_device=kiosk, test=test
        )
        if host is None:  # this command exits in a moment and must not remain the host
            admin.leave_session(opened.session)
    if as_json:
        print_json(plain(opened))
        return
    facts = {"session": opened.session, "flow_ref": opened.flow_ref}
    if opened.code:
        facts |= {"code": opened.code, "until": moment(opened.code_expires_at)}
    print_facts(facts)
    if host is None:
        say("No host yet: take over from a front-desk screen, or pass --host when opening.")


@app.command("list", epilog="Example: handrail session list --all --json")
def list_sessions(
    context: typer.Context,
    *,
    ended: Annotated[bool, typer.Option("--all", help="Include ended sessions.")] = False,
    status: Annotated[
        Status | None, typer.Option(help="List only sessions with this status.")
    ] = None,
    opened_since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            parser=since,
            metavar="WHEN",
            help="List only sessions opened since then: 2026-11-30, or a span such as 7d.",
        ),
    ] = None,
    limit: Limit = 100,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List open sessions, the newest first."""
    from schemas.wire.views import SessionStatus

    only = SessionStatus(status) if status else None
    with program(context).reach(data) as admin:
        found = admin.list_sessions(ended=ended, status=only, opened_since=opened_since)
        sessions, more = first(found, limit)
    if as_json:
        print_json(plain(sessions))
    else:
        _print_sessions(sessions, _nothing(ended=ended, limited=bool(status or opened_since)))
    if more:
        say(f"There are more than {limit}; list them with a higher --limit, or with --since.")


def _nothing(*, ended: bool, limited: bool) -> str:
    if limited:
        return "There are no such sessions."
    return "There are no sessions." if ended else "There are no open sessions."


def _print_sessions(sessions: "Sequence[LobbyLine]", empty: str) -> None:
    rows = [
        (
            line.session,
            " ".join(filter(None, ("(test)" * bool(line.test), line.label))),
            line.status,
            f"{line.step_index + 1}/{line.steps_total} {line.step_id}",
            _patient(line),
            line.host or "",
            moment(line.updated_at),
        )
        for line in sessions
    ]
    columns = ("session", "label", "status", "step", "patient", "host", "last change")
    table(columns, rows, empty, prose=("label", "step"), spare=("host", "step"))


_OPEN = ("waiting", "active", "paused")


def _patient(line: "LobbyLine") -> str:
    """Return where the patient is; nobody is at the screen for a session that has ended."""
    if line.status not in _OPEN:
        return ""
    return ("online" if line.patient_online else "away") + (" HELP" * line.help_requested)


@app.command(epilog="Example: handrail session show s-3f9a…")
def show(
    context: typer.Context, session: SessionId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Show an open or ended session as staff see it. Sensitive values are masked."""
    with program(context).reach(data) as admin:
        shown = admin.session_with_deliveries(session)
        flow = None if as_json else admin.flow(shown.view.flow_ref)
    if flow is None:
        print_json(plain(shown.view) | {"deliveries": plain(shown.deliveries)})
    else:
        from clients.cli.session_page import print_session

        print_session(shown.view, flow, shown.deliveries)


@app.command(
    epilog="Example: handrail session identify s-3f9a… --family Roe --given Ana "
    "--birth-date 1980-02-03"
)
def identify(
    context: typer.Context,
    session: SessionId,
    *,
    family: Annotated[str | None, typer.Option(metavar="NAME", help="Family name.")] = None,
    given: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Given name; repeat it for several.")
    ] = None,
    birth_date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Birth date.")
    ] = None,
    gender: Annotated[
        Gender | None, typer.Option(help="Sex, as FHIR's administrative gender.")
    ] = None,
    staff_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who states it; recorded beside this device."),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """State who the patient of a completed session is, where the answers do not say it.

    What is held for lack of it is then delivered. The record says that staff identified the
    patient. A later statement replaces an earlier one.
    """
    with program(context).reach(data) as admin:
        identified = admin.identify_patient(
            session,
            family=family,
            given=tuple(given or ()),
            birth_date=birth_date,
            gender=_GENDERS[gender] if gender else None,
            staff_name=staff_name,
        )
    if as_json:
        print_json(plain(identified))
        return
    print_facts({"identified": session, "due again": f"{identified.deliveries} deliveries"})


@app.command(epilog="Example: handrail session timeline s-3f9a… --json")
def timeline(
    context: typer.Context, session: SessionId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """List the events of a session, without entered values."""
    with program(context).reach(data) as admin:
        lines = admin.timeline(session)
    if as_json:
        print_json(plain(lines))
        return
    rows = (
        (moment(line.at), str(line.revision), line.device or "", line.event, line.summary)
        for line in lines
    )
    widths = {"at": 25, "revision": 8, "device": 20, "event": 20, "about": 16}
    print_rows(widths, rows, "There are no events.")


@app.command(epilog="Example: handrail session history s-3f9a… --field last-name")
def history(
    context: typer.Context,
    session: SessionId,
    *,
    field: Annotated[
        str | None, typer.Option("--field", metavar="ID", help="Only this field.")
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List what was changed in a session: earlier values, by whom and when.

    Sensitive values are masked. Viewing it is recorded in the audit log.
    """
    with program(context).reach(data) as admin:
        changes = admin.field_history(session, field)
    if as_json:
        print_json(plain(changes))
        return
    rows = (
        (
            moment(one.at),
            one.device or "",
            one.field_id + (" (removed)" if one.removed else ""),
            f"{_value(one.before)} → {_value(one.after)}",
        )
        for one in changes
    )
    widths = {"at": 25, "device": 20, "field": 24, "before → after": 30}
    print_rows(widths, rows, "Nothing was entered.")


def _value(value: object) -> str:
    """Return a value of a field as a cell of a table."""
    from schemas.wire.views import Masked

    if value is None:
        return "(empty)"
    if isinstance(value, Masked):
        return f"hidden, {value.length} characters"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@app.command(epilog="Example: handrail session cancel s-3f9a… --reason 'Patient left'")
def cancel(
    context: typer.Context,
    session: SessionId,
    reason: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="The reason, stored with the session; at most 500 characters."
        ),
    ],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """End a session without submitting it."""
    with program(context).reach(data) as admin:
        cancelled = admin.cancel_session(session, reason)
    if as_json:
        print_json(plain(cancelled))
    else:
        print_facts({"cancelled": cancelled.session})


@app.command(epilog="Example: handrail session export s-3f9a… --format pdf --output record.pdf")
def export(
    context: typer.Context,
    session: SessionId,
    *,
    form: Annotated[
        RecordFormat,
        typer.Option(
            "--format",
            help="pdf: a record to print. fhir: a transaction Bundle. questionnaire-response: "
            "only that resource of the Bundle; its references point into the Bundle. "
            "json, csv: the answers.",
        ),
    ] = RecordFormat.QUESTIONNAIRE_RESPONSE,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write to this file, readable by you only.", dir_okay=False
        ),
    ] = None,
    paper: Annotated[PaperSize, typer.Option(help="Paper size of a PDF.")] = PaperSize.US_LETTER,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Export a session's record with a signed seal; verify it with `handrail record verify`."""
    if output is None and form is RecordFormat.PDF and sys.stdout.isatty():
        raise Failure("a PDF is binary; write it to a file with --output FILE", USAGE)
    with program(context).reach(data) as admin:
        content, seal = admin.export_session(session, form.value, paper=paper.value)
    hand_out(content, seal, output, as_json=as_json)


@app.command(epilog="Example: handrail session purge --older-than 24h")
def purge(
    context: typer.Context,
    sessions: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Ids of ended sessions.")
    ] = None,
    older_than: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="Purge all sessions that ended longer ago than this, except those not delivered "
            "yet: 90s, 30m, 24h, 7d.",
        ),
    ] = None,
    *,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Delete nothing; say what would go. Alone: what the box will purge by itself "
            "within a day.",
        ),
    ] = False,
    undelivered: Annotated[
        bool,
        typer.Option("--undelivered", help="Purge the given IDs even if they are not delivered."),
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Permanently delete ended sessions with everything entered in them."""
    if dry_run:
        from clients.cli.purge_preview import preview

        if undelivered:
            raise Failure("pass --dry-run or --undelivered, not both", USAGE)
        preview(program(context), data, sessions or (), older_than, as_json=as_json)
        return
    if not sessions and older_than is None:
        raise Failure("pass the ids of the sessions to purge, or --older-than 24h", USAGE)
    if undelivered and not sessions:
        raise Failure("--undelivered requires the ids of the sessions to give up", USAGE)
    seconds = None if older_than is None else int(older_than.total_seconds())
    with program(context).reach(data) as admin:
        purged = admin.purge(
            *(sessions or ()),
            older_than_s=seconds,
            undelivered=undelivered,
            on_progress=lambda done, total: say(f"{done:,} of {total:,} sessions done …"),
        )
    if as_json:
        print_json(plain(purged))
    elif purged.purged or purged.kept:
        print_facts({"purged": f"{purged.purged:,}", "kept": f"{purged.kept_count:,}"})
    else:
        say("There was nothing to purge.")
    if purged.kept:
        more = purged.kept_count - len(purged.kept)
        kept = ", ".join(purged.kept) + (f" and {more:,} more" if more else "")
        say(
            f"kept, as not delivered yet: {kept}; see `handrail deliver status`, or give them up "
            "with `handrail session purge ID… --undelivered`"
        )
