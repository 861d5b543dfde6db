"""`handrail flow`: the questionnaires that sessions use."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.context import DATA, FAILED, USAGE, AsJson, Data, Failure, Unused, program
from clients.cli.output import moment, plain, print_facts, print_json, say
from clients.cli.output import print_table as table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clients.cli.flow_findings import Checked
    from clients.sdk.admin import AdminClient
    from schemas.questionnaire.model import Flow, Item
    from schemas.wire.patient_fields import PatientFields
    from schemas.wire.requests import FlowAdded

app = typer.Typer(
    help="Add, check and list flows (FHIR R4 Questionnaires).",
    epilog="Example: handrail flow list",
    no_args_is_help=True,
)
File = Annotated[
    Path,
    typer.Argument(
        help="A FHIR R4 Questionnaire in JSON or YAML, alone, in a Bundle or a package (.tgz).",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
    ),
]


ValueSets = Annotated[
    list[Path] | None,
    typer.Option(
        "--valueset",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
        help="A ValueSet, CodeSystem, Bundle or FHIR package (.tgz) with the answers of questions.",
    ),
]


MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
        help="Rules for mapping answers to FHIR resources, where the flow has none.",
    ),
]


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a mapping file; whether it fits its flow is for the box to say. Raises Failure."""
    from schemas.questionnaire.load import FlowError, parse_json

    try:
        return dict(parse_json(path.read_bytes(), "mapping"))
    except FlowError as error:
        problems = "\n".join(f"  {problem}" for problem in error.problems)
        raise Failure(f"this file cannot be used as a mapping:\n{problems}") from None


def add_flow(
    admin: "AdminClient",
    flow: "Flow",
    mapping: dict[str, Any] | None = None,
    *,
    without_mapping: bool = False,
) -> "FlowAdded":
    """Add a flow; it is sent in its canonical form, which is never larger than its source."""
    questionnaire: dict[str, Any] = json.loads(flow.canonical)
    return admin.add_flow(questionnaire, mapping=mapping, without_mapping=without_mapping)


@app.command(epilog="Example: handrail flow add intake.json --mapping intake.mapping.json")
def add(
    context: typer.Context,
    file: File,
    *,
    valueset: ValueSets = None,
    mapping: MappingFile = None,
    without_mapping: Annotated[
        bool, typer.Option("--without-mapping", help="Drop the mapping of the earlier version.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add a questionnaire as a flow. Open sessions keep the version they started with.

    Adding it again with --mapping replaces its mapping, also for existing sessions; without, the
    mapping of the earlier version is kept.
    """
    from clients.cli import flow_findings as findings
    from schemas.questionnaire.model import FlowError
    from schemas.wire.patient_fields import PatientFields

    if mapping is not None and without_mapping:
        raise Failure("pass --mapping or --without-mapping, not both", USAGE)
    found = findings.checked(file, valueset or ())
    flow = found.flow
    if flow is None:
        raise FlowError(found.problems)
    with program(context).reach(data, makes=True) as admin:
        added = add_flow(admin, flow, _rules(mapping), without_mapping=without_mapping)
    patient = added.patient or PatientFields(name=(), birth_date=(), gender=())
    ids = {"flow_id": added.flow_id, "flow_ref": added.flow_ref}
    if as_json:
        kept = bool(added.kept_mapping)
        notes = findings.as_json(found)["notes"]
        print_json({**ids, "patient": plain(patient), "kept_mapping": kept, "notes": notes})
        return
    if added.kept_mapping:
        ids["mapping"] = "kept from the earlier version; --without-mapping drops it"
    print_facts({**ids, **_who(flow, patient)})
    findings.print_findings(found.notes)
    _warn(patient)


def _rules(mapping: Path | None) -> dict[str, Any] | None:
    return read_mapping(mapping) if mapping else None


@app.command(
    epilog="Example: handrail flow check intake.json --mapping intake.mapping.json --strict"
)
def check(
    file: File,
    *,
    valueset: ValueSets = None,
    mapping: MappingFile = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if anything but its looks is not as meant.")
    ] = False,
    fix: Annotated[
        Path | None,
        typer.Option(
            "--fix",
            dir_okay=False,
            metavar="OUT",
            help="Write a copy in which what can be is corrected, and say each change.",
        ),
    ] = None,
    sarif: Annotated[
        bool, typer.Option("--sarif", help="Print the findings in SARIF 2.1.0, for editors.")
    ] = False,
    data: Unused = None,  # noqa: ARG001
    as_json: AsJson = False,
) -> None:
    """Check whether a questionnaire can be used as a flow, and what of it does not hold.

    Each finding has a grade: error (it cannot be a flow), danger (a rule does not hold, or
    something can never be asked), loss (a value is missing) and cosmetic. A form in which a patient
    can get stuck is not usable. Names the questions that say who the patient is. Needs no box.
    """
    from clients.cli import flow_findings as findings

    if fix is not None:
        file = _fixed(file, fix)
    checked = findings.checked(file, valueset or ())
    if sarif:
        print_json(findings.sarif(checked, file))
    elif as_json:
        print_json({**findings.as_json(checked), **_facts_as_json(checked.flow, mapping)})
    else:
        _print(checked, mapping)
    if not checked.usable or (strict and checked.matters):
        raise typer.Exit(FAILED)


def _fixed(file: Path, out: Path) -> Path:
    """Write a corrected copy of a questionnaire, and say each change.

    Raises FlowError, OSError, Failure.
    """
    from clients.cli.flow_file import read_source
    from schemas.questionnaire.repair import repaired

    copy, changes = repaired(read_source(file).questionnaire)
    try:
        with out.open("x", encoding="utf-8") as made:
            made.write(json.dumps(copy, ensure_ascii=False, indent=2) + "\n")
    except FileExistsError:
        raise Failure(f"{out} exists; name a new file for the copy", USAGE) from None
    for change in changes:
        say(change)
    say(f"{len(changes)} change{'' if len(changes) == 1 else 's'}; the copy is {out}")
    return out


def _facts_as_json(flow: "Flow | None", mapping: Path | None) -> dict[str, Any]:
    if flow is None:
        return {}
    return {
        "flow_id": flow.flow_id,
        "flow_ref": flow.flow_ref,
        "title": flow.title,
        "steps": len(flow.steps),
        "fields": sum(item.is_field for item in flow.items.values()),
        "patient": plain(_patient_fields(flow, _rules(mapping))),
    }


def _print(checked: "Checked", mapping: Path | None) -> None:
    from clients.cli import flow_findings as findings
    from schemas.questionnaire.model import FlowError

    flow = checked.flow
    if flow is None:
        findings.print_findings(checked.others)
        raise FlowError(checked.problems)
    facts = {"usable": checked.verdict}
    fields = sum(item.is_field for item in flow.items.values())
    patient = _patient_fields(flow, _rules(mapping))
    facts |= {
        "flow_id": flow.flow_id,
        "flow_ref": flow.flow_ref,
        "title": flow.title,
        "steps": f"{len(flow.steps)}, with {fields} fields",
        **_who(flow, patient),
    }
    print_facts(facts)
    findings.print_findings(checked.notes)
    _warn(patient)


_ELEMENTS = {"name": "name", "birth_date": "birth date", "gender": "sex"}


def _who(flow: "Flow", patient: "PatientFields") -> dict[str, str]:
    """Return the questions that say who the patient is, each with whether it may stay empty."""
    return {
        f"patient's {word}": ", ".join(_marked(flow, link_id) for link_id in getattr(patient, name))
        or "missing"
        for name, word in _ELEMENTS.items()
    }


def _marked(flow: "Flow", link_id: str) -> str:
    item: Item | None = flow.items[link_id]
    wanted = item is not None and item.required
    while item is not None:
        wanted = wanted and not item.enable_when
        item = flow.items[item.parent] if item.parent else None
    return link_id if wanted else f"{link_id} (may stay empty)"


def _warn(patient: "PatientFields") -> None:
    """Warn of what happens to sessions whose patient the flow does not identify."""
    missing = [_ELEMENTS[name] for name in ("name", "birth_date") if not getattr(patient, name)]
    if missing:
        say(
            f"This flow does not ask for the patient's {' and '.join(missing)}, or maps no "
            "question to it. Its sessions are held before they are delivered as FHIR, until staff "
            "say who the patient is (`handrail session identify`). Map the questions in the form "
            "or with --mapping."
        )


@app.command(epilog="Example: handrail flow preview intake.json --open")
def preview(
    context: typer.Context,
    file: File,
    *,
    valueset: ValueSets = None,
    open_pages: Annotated[
        bool, typer.Option("--open", help="Open both screens in this machine's browser.")
    ] = False,
    data: Unused = None,  # noqa: ARG001
) -> None:
    """Show a form on both screens in a browser, on a box that is removed afterwards.

    Nothing of it is kept, and no other box is used. Ends with Ctrl-C.
    """
    from clients.cli.flow_file import read_flow
    from clients.cli.flow_preview import run

    run(program(context), read_flow(file, valueset or ()), opens=open_pages)


@app.command(epilog="Example: handrail flow diff intake-1.json intake-2.json")
def diff(
    old: File,
    new: File,
    *,
    data: Unused = None,  # noqa: ARG001
    as_json: AsJson = False,
) -> None:
    """List what differs between two versions of a form. Needs no box."""
    from clients.cli.flow_diff import changes
    from clients.cli.flow_file import read_flow

    before, after = read_flow(old), read_flow(new)
    found = changes(before, after)
    if as_json:
        print_json([{"link_id": one.about, "change": one.sentence} for one in found])
        return
    if not found:
        say("The forms ask the same.")
    for one in found:
        print_facts({one.about or "form": f"{one.sentence}."})


@app.command(epilog="Example: handrail flow retire intake")
def retire(
    context: typer.Context,
    flow_id: Annotated[str, typer.Argument(metavar="FLOW", help="Its flow_id.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Offer it for new sessions again.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Offer a flow no more for new sessions; running sessions keep it.

    It is added as a version whose status is retired, with its mapping.
    """
    with program(context).reach(data) as admin:
        lines = {line.flow_id: line for line in admin.list_flows().flows}
        if flow_id not in lines:
            raise Failure(f"there is no flow {flow_id!r}; the flows are {', '.join(lines)}")
        questionnaire: dict[str, Any] = json.loads(admin.flow(lines[flow_id].flow_ref).canonical)
        questionnaire["status"] = "active" if undo else "retired"
        added = admin.add_flow(questionnaire)
    facts = {"flow_id": flow_id, "flow_ref": added.flow_ref, "status": questionnaire["status"]}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@app.command("list", epilog="Example: handrail flow list")
def list_flows(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """List the flows that new sessions can use."""
    with program(context).reach(data) as admin:
        flows = admin.list_flows().flows
    if as_json:
        print_json(plain(flows))
        return
    rows = [
        (f.flow_id, f.title, str(f.steps), f.flow_ref, f.not_offered or moment(f.added_at))
        for f in flows
    ]
    table(
        ("flow_id", "title", "steps", "flow_ref", "added"),
        rows,
        "There are no flows; add one with `handrail flow add FILE`.",
        prose=("title",),
        spare=("steps", "title"),
    )


def _patient_fields(flow: "Flow", mapping: "Mapping[str, Any] | None") -> "PatientFields":
    """Return which questions of a flow say who the patient is, as a delivery would read them."""
    from schemas.wire.patient_fields import PatientFields
    from session_controller.export.fhir import MappingError, new_mapping, yields

    try:
        found = yields(new_mapping(flow, mapping))
    except MappingError as error:
        raise Failure(f"the mapping does not fit the flow:\n{error}") from None
    return PatientFields(name=found["name"], birth_date=found["birthDate"], gender=found["gender"])
