"""`handrail flow`: the questionnaires that sessions go through."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.admin import AdminClient
from clients.console import DATA, FAILED, AsJson, Data, Unused, program
from clients.console_printing import moment, plain, print_facts, print_json, say
from clients.console_printing import print_table as table
from schemas.flow import Flow, FlowError, load_flow, parse_json
from schemas.requests import FlowAdded

app = typer.Typer(help="Add, check and list flows (FHIR R4 Questionnaires).", no_args_is_help=True)
File = Annotated[
    Path,
    typer.Argument(
        help="A FHIR R4 Questionnaire, JSON or YAML.",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
    ),
]


def read_flow(path: Path) -> Flow:
    """Read a questionnaire file. Raises FlowError, OSError."""
    source = path.read_bytes()
    if path.suffix.lower() not in (".yaml", ".yml"):
        return load_flow(parse_json(source), fallback_id=path.stem)
    from schemas.questionnaire_yaml import parse_yaml  # noqa: PLC0415 - few forms need the reader

    return load_flow(parse_yaml(source), fallback_id=path.stem)


def add_flow(admin: AdminClient, flow: Flow, mapping: dict[str, Any] | None = None) -> FlowAdded:
    """Add a flow that was read: sent as it was understood, which is never larger."""
    questionnaire: dict[str, Any] = json.loads(flow.canonical)
    return admin.add_flow(questionnaire, mapping=mapping)


@app.command(epilog="Example: handrail flow add intake.json --mapping intake.mapping.json")
def add(
    context: typer.Context,
    file: File,
    *,
    mapping: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            metavar="FILE",
            help="How answers become FHIR resources, where the flow does not say.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add a questionnaire as a flow; sessions that are open keep the one they have.

    Adding it again changes its mapping, also for what was entered before.
    """
    flow = read_flow(file)
    rules = dict(parse_json(mapping.read_bytes())) if mapping else None
    with program(context).reach(data) as admin:
        added = add_flow(admin, flow, rules)
    if as_json:
        print_json({"flow_id": added.flow_id, "flow_ref": added.flow_ref, "notes": _notes(flow)})
        return
    print_facts({"flow_id": added.flow_id, "flow_ref": added.flow_ref})
    for note in flow.notes:
        say(f"note: {note}")


@app.command(epilog="Example: handrail flow check intake.json")
def check(file: File, data: Unused = None, as_json: AsJson = False) -> None:  # noqa: ARG001
    """Say whether a questionnaire can be a flow, and what in it is not honoured; needs no box."""
    try:
        flow = read_flow(file)
    except FlowError as error:
        if not as_json:
            raise
        problems = [{"place": p.place, "message": p.message} for p in error.problems]
        print_json({"usable": False, "problems": problems, "notes": []})
        raise typer.Exit(FAILED) from None
    fields = sum(item.is_field for item in flow.items.values())
    if as_json:
        print_json(
            {
                "usable": True,
                "flow_id": flow.flow_id,
                "flow_ref": flow.flow_ref,
                "title": flow.title,
                "steps": len(flow.steps),
                "fields": fields,
                "problems": [],
                "notes": _notes(flow),
            }
        )
        return
    print_facts(
        {
            "usable": "yes",
            "flow_id": flow.flow_id,
            "flow_ref": flow.flow_ref,
            "title": flow.title,
            "steps": f"{len(flow.steps)}, with {fields} fields",
        }
    )
    for note in flow.notes:
        print_facts({"note": str(note)})


def _notes(flow: Flow) -> list[dict[str, str]]:
    return [{"place": note.place, "message": note.message} for note in flow.notes]


@app.command("list", epilog="Example: handrail flow list")
def list_flows(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """List the flows that new sessions can use."""
    with program(context).reach(data) as admin:
        flows = admin.list_flows().flows
    if as_json:
        print_json(plain(flows))
        return
    rows = [(f.flow_id, f.title, str(f.steps), f.flow_ref, moment(f.added_at)) for f in flows]
    table(("flow_id", "title", "steps", "flow_ref", "added"), rows, "There is no flow yet.")
