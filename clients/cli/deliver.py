"""`handrail deliver`: send completed sessions to a FHIR server, a folder or a topic."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli import destination_options as o
from clients.cli.context import DATA, FAILED, USAGE, AsJson, Data, Failure, program
from clients.cli.deliver_check import check_deliveries, refuse_faulty
from clients.cli.output import plain, print_facts, print_json, say
from clients.cli.record import hand_out
from clients.cli.types import span

if TYPE_CHECKING:
    from schemas.wire.deliveries import Standing

app = typer.Typer(
    help="Deliver completed sessions to destinations, retrying until each one has arrived.",
    epilog="Example: handrail deliver status",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The destination's name.")]
Session = Annotated[str, typer.Argument(metavar="SESSION", help="A session id.")]
AnySession = Annotated[
    str | None, typer.Argument(metavar="SESSION", help="A session id. Default: all sessions.")
]
_STANDINGS: "dict[str, Standing]" = {
    "waiting": "waiting",
    "delivered": "delivered",
    "refused": "refused",
    "held": "held",
}
_PERSONS_ACT = ("refused", "held")


@app.command(epilog="Example: handrail deliver add ehr --fhir https://ehr.example.org/fhir")
def add(
    context: typer.Context,
    name: Name,
    *,
    fhir: o.Fhir = None,
    folder: o.Folder = None,
    mqtt: o.Mqtt = None,
    topic: o.Topic = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="fhir|json|csv|pdf", help="File format, for --folder and --mqtt."
        ),
    ] = None,
    token_file: o.Token = None,
    client_id: o.ClientId = None,
    key: o.Key = None,
    key_id: o.KeyId = None,
    algorithm: o.Algorithm = None,
    token_url: o.TokenUrl = None,
    scope: o.Scope = None,
    ca: o.Authority = None,
    transactions: o.Transactions = None,
    username: o.User = None,
    password_file: o.Password = None,
    plain_text: o.Plain = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add a destination for sessions that complete from now on.

    Keys, tokens and passwords stay in their files; the box must be able to read these files.
    """
    said = {
        "fhir": fhir,
        "folder": folder,
        "mqtt": mqtt,
        "topic": topic,
        "format": form,
        "token_file": token_file,
        "client_id": client_id,
        "key": key,
        "key_id": key_id,
        "algorithm": algorithm,
        "token_url": token_url,
        "scope": scope,
        "ca": ca,
        "transactions": transactions,
        "username": username,
        "password_file": password_file,
        "plain": plain_text,
    }
    from clients.cli.deliver_page import print_trial, tried
    from clients.cli.destinations import destination_of, place_of

    destination = destination_of(name, said)
    refuse_faulty(data)
    with program(context).reach(data, makes=True) as admin:
        admin.add_destination(destination)
        steps = tried(admin, name)
    if as_json:
        print_json({**plain(destination), "trial": plain(steps)})
        return
    print_facts({"added": name, "kind": destination.kind, "address": place_of(destination)})
    print_trial(name, steps)


@app.command("test", epilog="Example: handrail deliver test ehr")
def try_destination(
    context: typer.Context,
    name: Name,
    *,
    publish: Annotated[
        bool,
        typer.Option(
            "--publish", help="Publish one marked message, which holds no session, at a broker."
        ),
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Try a destination for real, from the box, without delivering a session.

    Shows each step and what to do if it fails. Nothing is left there. Exits with 1 if a step fails.
    """
    from clients.cli.deliver_page import print_trial, works

    refuse_faulty(data)
    with program(context).reach(data) as admin:
        steps = admin.try_destination(name, publish=publish)
    if as_json:
        print_json({"destination": name, "works": works(steps), "steps": plain(steps)})
    else:
        print_trial(name, steps)
    if not works(steps):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail deliver remove ehr")
def remove(
    context: typer.Context,
    name: Name,
    *,
    undelivered: Annotated[
        bool,
        typer.Option(
            "--undelivered", help="Remove it even if some sessions have not been delivered."
        ),
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Remove a destination."""
    refuse_faulty(data)
    with program(context).reach(data) as admin:
        admin.remove_destination(name, undelivered=undelivered)
    if as_json:
        print_json({"removed": name})
    else:
        print_facts({"removed": name})


@app.command("list", epilog="Example: handrail deliver list --json")
def list_destinations(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """List the destinations with their counts of waiting, delivered, refused and held sessions.

    Exits with 1 if deliveries wait for a destination that is not known any more.
    """
    from clients.cli.deliver_page import as_line, print_destinations

    with program(context).reach(data) as admin:
        found = admin.destination_list()
    unknown = [each for each in found.unknown if each.waiting or each.refused or each.held]
    if as_json:
        print_json([*plain(found.destinations), *map(as_line, unknown)])
    else:
        print_destinations(found.destinations, unknown)
    refuse_faulty(data)
    if unknown:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail deliver status --only refused")
def status(
    context: typer.Context,
    session: AnySession = None,
    *,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="waiting|delivered|refused|held",
            help="Show only deliveries with this status.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Print a summary for a monitor; exit with 0, 1, 2 or 3."),
    ] = False,
    warn_after: Annotated[
        timedelta,
        typer.Option(
            metavar="SPAN", parser=span, help="With --check: a warning if one waits for so long."
        ),
    ] = "1h",  # type: ignore[assignment]  # typer reads defaults too
    critical_after: Annotated[
        timedelta,
        typer.Option(metavar="SPAN", parser=span, help="With --check: critical from then on."),
    ] = "24h",  # type: ignore[assignment]
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Show the status of deliveries; exit with 1 if any was refused, is held, or goes nowhere.

    With --check the exit code is that of a Nagios plugin: 0 fine, 1 warning, 2 critical (refused
    and held are), 3 unknown.
    """
    if check:
        check_deliveries(program(context), data, (warn_after, critical_after), as_json=as_json)
        return
    if only is not None and only not in _STANDINGS:
        raise Failure("--only must be waiting, delivered, refused or held", USAGE)
    from clients.cli.deliver_page import print_deliveries, unknown_in

    with program(context).reach(data) as admin:
        found = admin.list_deliveries(session, _STANDINGS[only] if only else None)
    if as_json:
        print_json(plain(found))
    else:
        print_deliveries(found.deliveries)
    if found.more and not as_json:
        say("There are more; pass a session id, or --only refused.")
    refuse_faulty(data)
    found_statuses = {each.status for each in found.deliveries}
    if not found_statuses.isdisjoint(_PERSONS_ACT) or unknown_in(found.deliveries):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail deliver now")
def now(
    context: typer.Context, session: AnySession = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Try all waiting deliveries now, whether or not the box is running.

    With a session id, also deliver that session to destinations added since it completed.
    """
    from clients.cli.deliver_page import print_unknown, unknown_in

    refuse_faulty(data)
    with program(context).reach(data) as admin:
        waiting = admin.deliver_now(session)
        found = admin.list_deliveries(session)
    refused, held = (
        sum(each.status == status for each in found.deliveries) for status in _PERSONS_ACT
    )
    if as_json:
        print_json({"waiting": waiting, "refused": refused, "held": held})
    else:
        facts = {"still waiting": str(waiting), "refused": str(refused), "held": str(held)}
        print_facts(facts)
        print_unknown(unknown_in(found.deliveries))
    if waiting or refused or held:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail deliver show s-3f9a…")
def show(
    context: typer.Context, session: Session, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Show the destinations' last responses to a session. They may quote the patient's answers.

    While a delivery waits, `last_answer` is what the destination said last, with its time.
    """
    from clients.cli.deliver_page import print_outcome

    with program(context).reach(data) as admin:
        shown = admin.show_delivery(session)
    if as_json:
        print_json(plain(shown))
        return
    if not shown.outcomes:
        say("This session has no deliveries; deliver it with `handrail deliver now SESSION`.")
    for each in shown.outcomes:
        print_outcome(each)


@app.command(epilog="Example: handrail deliver export s-3f9a… ehr --output sent.json")
def export(
    context: typer.Context,
    session: Session,
    name: Name,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write to this file, readable by you only.", dir_okay=False
        ),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Write a session once more as it is delivered, and compare its SHA-256 with what was sent.

    Exits with 1 if they differ: the form's mapping or the program changed since.
    """
    if output is None and sys.stdout.isatty():
        raise Failure("write the record to a file with --output FILE", USAGE)
    with program(context).reach(data) as admin:
        content, seal = admin.export_delivery(session, name)
        found = admin.list_deliveries(session).deliveries
    hand_out(content, seal, output, as_json=as_json)
    sent = {each.sha256 for each in found if each.destination == name}
    if seal.sha256 in sent:
        say(f"this is what was sent to {name}: SHA-256 {seal.sha256}")
        return
    before = ", ".join(filter(None, sent)) or "nothing yet"
    raise Failure(f"this is not what was sent to {name}, which was: {before}")


@app.command(epilog="Example: handrail deliver retry --all")
def retry(
    context: typer.Context,
    session: AnySession = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Retry all refused and held sessions.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Retry refused and held deliveries, rebuilt from the record. Correct the mapping first.

    A running box sends them at once; otherwise run `handrail deliver now`.
    """
    if (session is None) != everything:
        raise Failure("pass either a session id or --all", USAGE)
    with program(context).reach(data) as admin:
        count = admin.retry_delivery(session)
    if as_json:
        print_json({"retried": count})
    else:
        print_facts({"retried": str(count)})
