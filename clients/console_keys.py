"""`handrail key` and `handrail audit`: the box's keys, and the log that they sign."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.console import DATA, FAILED, AsJson, Data, Failure, program
from clients.console_printing import print_facts, print_json, print_line, say
from clients.console_printing import print_table as table
from clients.files import write_private

keys = typer.Typer(help="Show and rotate the box's keys.", no_args_is_help=True)
app = typer.Typer(help="Read, sign and verify the log of all that happened.", no_args_is_help=True)


@keys.command("show", epilog="Example: handrail key show")
def show_key(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """Show the public key that verifies what this box signs: write it down elsewhere."""
    with program(context).reach(data) as admin:
        receipt = admin.sign_log()
    if as_json:
        print_json({"public_key": receipt["public_key"]})
    else:
        print_facts({"public key": str(receipt["public_key"])})


@keys.command(epilog="Example: handrail key rotate --data /var/lib/handrail")
def rotate(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """Wrap all keys by a new key of the box; where HANDRAIL_BOX_KEY gives several, by the first.

    What is stored stays as it is. Copies of `FILE.keys` elsewhere still open with the old key.
    """
    with program(context).reach(data) as admin:
        count = admin.rotate_key()
    if as_json:
        print_json({"keys": count})
    else:
        say(f"{count} keys are wrapped by another key of the box")


@app.command(epilog="Example: handrail audit verify --receipt log-2026-11.json")
def verify(
    context: typer.Context,
    *,
    receipt: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="What `audit sign` gave earlier."
        ),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Find any change, cut or insertion in the log, the states and the documents, and say where.

    Reads the data folder, whether a box runs or not. Ends with 1 if anything is wrong.
    """
    found = program(context).audit(data, receipt.read_text(errors="replace") if receipt else None)
    if as_json:
        print_json({"whole": not found.faults, **asdict(found)})
    else:
        for fault in found.faults:
            say(fault)
        print_facts(
            {
                "whole": "no" if found.faults else "yes",
                "entries": f"{found.entries:,}, signed up to {found.signed:,}",
                "sessions": f"{found.sessions:,}, and {found.purged:,} that were purged",
            }
        )
    if found.faults:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail audit sign --output log-2026-11.json")
def sign(
    context: typer.Context,
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to.", dir_okay=False)
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,  # noqa: ARG001 - it is JSON in any case
) -> None:
    """Sign the log as it is now. Kept elsewhere, the receipt proves that nothing was cut since."""
    with program(context).reach(data) as admin:
        receipt = admin.sign_log()
    if output is None:
        print_json(receipt)
        return
    try:
        write_private(output, json.dumps(receipt, indent=1).encode() + b"\n")
    except OSError as error:
        raise Failure(f"cannot write {output}: {error.strerror}") from None
    say(f"written: {output}")


@app.command("list", epilog="Example: handrail audit list --session s-3f9a…")
def list_entries(
    context: typer.Context,
    *,
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what is about this session.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Only entries of a higher number.")] = 0,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List who did what when: events, looks, exports, refusals, administration; no values."""
    entries: Iterator[Mapping[str, Any]] = program(context).entries(data, after, session)
    if as_json:
        for entry in entries:
            print_line(entry)
        return
    columns = ("entry", "at", "what", "device", "session", "about")
    table(columns, map(_row, entries), "The log is empty.")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    about = ", ".join(f"{name} {value}" for name, value in (entry.get("about") or {}).items())
    return (
        str(entry["entry"]),
        str(entry["at"]),
        str(entry["what"]),
        str(entry["device"] or ""),
        str(entry["session"] or ""),
        about,
    )
