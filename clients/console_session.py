"""`handrail session`: open, look at, end, export and delete sessions."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from clients.console import DATA, USAGE, AsJson, Data, Failure, program
from clients.console_printing import moment, plain, print_facts, print_json, say
from clients.console_printing import print_table as table
from clients.console_record import PaperSize, RecordFormat, hand_out
from clients.console_show import print_session
from clients.console_types import span
from clients.console_watch import watch

app = typer.Typer(help="Open, watch, end, export and delete sessions.", no_args_is_help=True)
app.command(epilog="Example: handrail session watch s-3f9a…")(watch)
SessionId = Annotated[str, typer.Argument(help="A session's id.", metavar="ID")]


@app.command("open", epilog="Example: handrail session open pre-registration --label 'Room 3'")
def open_session(
    context: typer.Context,
    flow: Annotated[
        str, typer.Argument(metavar="FLOW", help="A flow's id, as `flow list` shows it.")
    ],
    *,
    label: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What staff call it; not a patient's name.")
    ] = None,
    kiosk: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="The patient's screen; without it, a code is given."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="The staff's screen that leads; it can be taken over."),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Open a session; gives its id and, unless a kiosk is named, the code for the patient."""
    with program(context).reach(data) as admin:
        opened = admin.open_session_for(
            host or admin.credential.device, flow, label=label, patient_device=kiosk
        )
        if host is None:  # a command is gone in a moment, and should not be the one that leads
            admin.leave_session(opened.session)
    if as_json:
        print_json(plain(opened))
        return
    facts = {"session": opened.session, "flow_ref": opened.flow_ref}
    if opened.code:
        facts |= {"code": opened.code, "until": moment(opened.code_expires_at)}
    print_facts(facts)
    if host is None:
        say("Nobody leads it yet: a staff's screen takes it over, or name one with --host.")


@app.command("list", epilog="Example: handrail session list --all --json")
def list_sessions(
    context: typer.Context,
    ended: Annotated[bool, typer.Option("--all", help="The ended ones too.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List the open sessions."""
    with program(context).reach(data) as admin:
        sessions = admin.list_sessions(ended=ended).sessions
    if as_json:
        print_json(plain(sessions))
        return
    rows = [
        (
            line.session,
            line.label or "",
            line.status,
            f"{line.step_index + 1}/{line.steps_total} {line.step_id}",
            ("online" if line.patient_online else "away") + (" HELP" * line.help_requested),
            line.host or "",
            moment(line.updated_at),
        )
        for line in sessions
    ]
    columns = ("session", "label", "status", "step", "patient", "host", "last change")
    table(columns, rows, "No session is open." if not ended else "There is no session.")


@app.command(epilog="Example: handrail session show s-3f9a…")
def show(
    context: typer.Context, session: SessionId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Show a session as its staff sees it, whether open or ended; sensitive values are masked."""
    with program(context).reach(data) as admin:
        view = admin.show_session(session)
        flow = None if as_json else admin.flow(view.flow_ref)
    if flow is None:
        print_json(plain(view))
    else:
        print_session(view, flow)


@app.command(epilog="Example: handrail session timeline s-3f9a… --json")
def timeline(
    context: typer.Context, session: SessionId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Tell what happened in a session, without what was entered."""
    with program(context).reach(data) as admin:
        lines = admin.timeline(session)
    if as_json:
        print_json(plain(lines))
        return
    rows = [
        (moment(line.at), str(line.revision), line.device or "", line.event, line.summary)
        for line in lines
    ]
    table(("at", "revision", "device", "event", "about"), rows, "Nothing happened.")


@app.command(epilog="Example: handrail session cancel s-3f9a… --reason 'Patient left'")
def cancel(
    context: typer.Context,
    session: SessionId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept with the session.")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """End a session unsubmitted."""
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
        typer.Option("--format", help="pdf: a record to print. fhir: a transaction Bundle."),
    ] = RecordFormat.QUESTIONNAIRE_RESPONSE,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file, which only you may read.", dir_okay=False),
    ] = None,
    paper: Annotated[PaperSize, typer.Option(help="Of the pdf.")] = PaperSize.US_LETTER,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Export a session's record, sealed by the box; `handrail record verify` checks the seal."""
    if output is None and form is RecordFormat.PDF and sys.stdout.isatty():
        raise Failure("a PDF is no text: say where to with --output FILE", USAGE)
    with program(context).reach(data) as admin:
        content, seal = admin.export_session(session, form.value, paper=paper.value)
    hand_out(content, seal, output, as_json=as_json)


@app.command(epilog="Example: handrail session purge --older-than 24h")
def purge(
    context: typer.Context,
    sessions: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Ended sessions.")
    ] = None,
    older_than: Annotated[
        timedelta | None,
        typer.Option(
            parser=span, metavar="SPAN", help="All that ended longer ago: 90s, 30m, 24h, 7d."
        ),
    ] = None,
    *,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Those too that are not delivered yet.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Delete ended sessions with all that was entered, for good."""
    if not sessions and older_than is None:
        raise Failure("name sessions to delete, or say --older-than 24h", USAGE)
    seconds = None if older_than is None else int(older_than.total_seconds())
    with program(context).reach(data) as admin:
        purged = admin.purge(*(sessions or ()), older_than_s=seconds, undelivered=undelivered)
    if as_json:
        print_json(list(purged.sessions))
    else:
        table(("deleted",), [(name,) for name in purged.sessions], "There was nothing to delete.")
    if purged.kept:
        say(f"kept, since not delivered yet: {', '.join(purged.kept)} (see --undelivered)")
