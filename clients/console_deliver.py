"""`handrail deliver`: send completed sessions to a FHIR server, a folder or a topic."""

import json
from typing import Annotated

import typer

from clients import console_destinations as o
from clients.console import DATA, FAILED, USAGE, AsJson, Data, Failure, program
from clients.console_printing import moment, out, plain, print_facts, print_json, say
from clients.console_printing import print_table as table
from schemas.deliveries import DeliveryLine, DeliveryOutcome, Standing

app = typer.Typer(help="Send completed sessions on, for days if need be.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="What a destination is called.")]
Session = Annotated[str, typer.Argument(metavar="SESSION", help="A session's id.")]
AnySession = Annotated[
    str | None, typer.Argument(metavar="SESSION", help="A session's id; without it, all.")
]
_STANDINGS: dict[str, Standing] = {
    "waiting": "waiting",
    "delivered": "delivered",
    "refused": "refused",
}


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
        typer.Option("--format", metavar="fhir|json|csv|pdf", help="Of --folder and --mqtt."),
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
    """Send sessions that complete from now on to a further destination, too.

    Keys, tokens and passwords stay in their files, which the box must be able to read.
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
    destination = o.destination_of(name, said)
    with program(context).reach(data) as admin:
        admin.add_destination(destination)
    if as_json:
        print_json(plain(destination))
    else:
        print_facts({"added": name, "kind": destination.kind, "place": o.place_of(destination)})


@app.command(epilog="Example: handrail deliver remove ehr")
def remove(
    context: typer.Context,
    name: Name,
    *,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Though something has not arrived there.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Send nothing to a destination any more."""
    with program(context).reach(data) as admin:
        admin.remove_destination(name, undelivered=undelivered)
    if as_json:
        print_json({"removed": name})
    else:
        print_facts({"removed": name})


@app.command("list", epilog="Example: handrail deliver list --json")
def list_destinations(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """List the destinations, with how many sessions wait, arrived and were refused."""
    with program(context).reach(data) as admin:
        lines = admin.list_destinations()
    if as_json:
        print_json(plain(lines))
        return
    rows = [
        (
            each.destination.name,
            each.destination.kind,
            o.place_of(each.destination),
            str(each.waiting),
            str(each.delivered),
            str(each.refused),
        )
        for each in lines
    ]
    columns = ("name", "kind", "place", "waiting", "delivered", "refused")
    table(columns, rows, "There is no destination; `handrail deliver add` adds one.")


@app.command(epilog="Example: handrail deliver status --only refused")
def status(
    context: typer.Context,
    session: AnySession = None,
    *,
    only: Annotated[
        str | None, typer.Option(metavar="waiting|delivered|refused", help="Those that stand so.")
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Tell how deliveries stand; ends with 1 where something was refused."""
    if only is not None and only not in _STANDINGS:
        raise Failure("--only takes waiting, delivered or refused", USAGE)
    with program(context).reach(data) as admin:
        found = admin.list_deliveries(session, _STANDINGS[only] if only else None)
    if as_json:
        print_json(plain(found))
    else:
        columns = ("session", "destination", "status", "tries", "last change", "next try", "why")
        table(columns, map(_row, found.deliveries), "Nothing was to be delivered.")
    if found.more and not as_json:
        say("There are more; name a session, or say --only refused.")
    if any(each.status == "refused" for each in found.deliveries):
        if not as_json:
            say("`handrail deliver show SESSION` tells what was refused, and why.")
        raise typer.Exit(FAILED)


def _row(line: DeliveryLine) -> tuple[str, ...]:
    why = line.reason or ""
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


@app.command(epilog="Example: handrail deliver now")
def now(
    context: typer.Context, session: AnySession = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Try now to send what waits, whether a box runs or not.

    A completed session that is named is sent to destinations that were added since, too.
    """
    with program(context).reach(data) as admin:
        waiting = admin.deliver_now(session)
        found = admin.list_deliveries(session)
    refused = sum(each.status == "refused" for each in found.deliveries)
    if as_json:
        print_json({"waiting": waiting, "refused": refused})
    else:
        print_facts({"still waiting": str(waiting), "refused": str(refused)})
    if waiting or refused:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail deliver show s-3f9a…")
def show(
    context: typer.Context, session: Session, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Show what destinations said of a session; it may quote what the patient entered."""
    with program(context).reach(data) as admin:
        shown = admin.show_delivery(session)
    if as_json:
        print_json(plain(shown))
        return
    if not shown.outcomes:
        say("This session is not to be delivered anywhere; `handrail deliver now ID` has it sent.")
    for each in shown.outcomes:
        _print_outcome(each)


def _print_outcome(outcome: DeliveryOutcome) -> None:
    print_facts({"destination": outcome.destination, "status": outcome.status})
    if outcome.outcome is not None:
        out().print_json(json.dumps(outcome.outcome, ensure_ascii=False))


@app.command(epilog="Example: handrail deliver retry --all")
def retry(
    context: typer.Context,
    session: AnySession = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that were refused.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Send again what was refused, made anew from the record: correct the mapping first.

    A running box sends it at once; otherwise `handrail deliver now` does.
    """
    if (session is None) != everything:
        raise Failure("name a session, or say --all", USAGE)
    with program(context).reach(data) as admin:
        count = admin.retry_delivery(session)
    if as_json:
        print_json({"retried": count})
    else:
        print_facts({"sent again": str(count)})
