"""`handrail key` and `handrail audit`: the box's keys, and the audit log that they sign."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.context import (
    DATA,
    FAILED,
    MAX_LISTED,
    USAGE,
    AsJson,
    Data,
    Failure,
    program,
)
from clients.cli.explaining import explaining
from clients.cli.output import moment_of, print_facts, print_json, print_line, print_rows, say
from clients.cli.recovery import app as recovery
from clients.cli.types import since as parse_since
from clients.sdk.files import write_private

if TYPE_CHECKING:
    from session_controller.integrity.data_folder import FolderAudit

keys = typer.Typer(
    help="Show and rotate the box's keys.",
    epilog="Example: handrail key show",
    no_args_is_help=True,
)
keys.add_typer(recovery, name="recovery")
app = typer.Typer(
    help="Read, sign and verify the audit log.",
    epilog="Example: handrail audit verify",
    no_args_is_help=True,
)


_LAST = 2**63 - 1
"""The highest number that the log can have."""


@keys.command("show", epilog="Example: handrail key show")
def show_key(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """Show the public key that verifies this box's signatures. Store a copy off the box.

    A restore on another machine asks for the fingerprint.
    """
    from session_controller.security.signer import signer_fingerprint

    with program(context).reach(data) as admin:
        public_key = str(admin.sign_log()["public_key"])
    fingerprint = signer_fingerprint(bytes.fromhex(public_key))
    if as_json:
        print_json({"public_key": public_key, "fingerprint": fingerprint})
    else:
        print_facts({"public key": public_key, "fingerprint": fingerprint})


@keys.command(epilog="Example: handrail key rotate --data /var/lib/handrail")
def rotate(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """Re-encrypt all keys with a new box key, or with the first key in HANDRAIL_BOX_KEY.

    Stored data is not changed. Existing copies of `FOLDER.keys` still require the old box key.
    """
    with program(context).reach(data) as admin:
        count = admin.rotate_key()
    if as_json:
        print_json({"keys": count})
    else:
        say(f"{count} keys re-encrypted with the new box key")


@app.command(epilog="Example: handrail audit verify --receipt log-2026-11.json")
def verify(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Verify the whole log, every state and every document.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="The same, and rebuild every state from the log.")
    ] = False,
    receipt: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="A receipt from `audit sign`; includes --all.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Verify that no log entry, session state or document was changed, removed or inserted.

    Continues from the last verification without faults; only --all finds changes before it.
    Reads the data folder, whether or not the box is running. Exits with 1 on any fault.
    """
    from session_controller.integrity.data_folder import Extent, audit_folder

    extent = Extent.DEEP if deep else Extent.ALL if every else Extent.NEW
    text = receipt.read_text(errors="replace") if receipt else None
    with explaining(data):
        found = audit_folder(data, text, extent, datetime.now(UTC))
    if as_json:
        print_json({"whole": not found.faults, **asdict(found)})
    else:
        for fault in found.faults:
            say(fault)
        if found.stopped:
            say(f"stopped after {len(found.faults)} faults; there may be more")
        print_facts(_facts(found))
    if found.faults:
        raise typer.Exit(FAILED)


def _facts(found: FolderAudit) -> dict[str, str]:
    new = found.entries > found.after
    facts = {
        "whole": "no" if found.faults else "yes",
        "entries": f"{found.entries:,}, signed up to {found.signed:,}",
        "verified now": f"{found.after + 1:,} to {found.entries:,}" if new else "no entry is new",
        "sessions": f"{found.sessions:,} verified, {found.purged:,} purged",
    }
    if found.verified_at:
        at = moment_of(found.verified_at)
        facts["before"] = f"1 to {found.after:,}, verified {at}; --all verifies them again"
    if not found.remembered and not found.faults:
        facts["next time"] = "all again: nothing is signed yet, or the data folder is not writable"
    return facts


@app.command(epilog="Example: handrail audit sign --output log-2026-11.json")
def sign(
    context: typer.Context,
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the receipt here.", dir_okay=False)
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,  # noqa: ARG001 - a receipt is always JSON
) -> None:
    """Sign the log. A receipt stored off the box proves that no entry before it was removed."""
    with program(context).reach(data) as admin:
        receipt = admin.sign_log()
    if output is None:
        print_json(receipt)
        return
    try:
        write_private(output, json.dumps(receipt, indent=1).encode() + b"\n")
    except OSError as error:
        raise Failure(f"cannot write {output}: {error.strerror}") from None
    say(f"wrote {output}")


@app.command("list", epilog="Example: handrail audit list --session s-3f9a…")
def list_entries(
    *,
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="Only entries about this session.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_since,
            metavar="TIME",
            help="Only entries since then: 2026-11-27, 2026-11-27T08:30, or 24h, 7d ago.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_LISTED, help="At most this many, the newest.")
    ] = 100,
    every: Annotated[bool, typer.Option("--all", help="Without a limit.")] = False,
    before: Annotated[
        int | None,
        typer.Option(min=1, max=_LAST, help="Only entries before this number: the next page."),
    ] = None,
    after: Annotated[
        int, typer.Option(min=0, max=_LAST, help="Only entries after this number.")
    ] = 0,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List log entries, newest first: events, access, exports, refusals, administration.

    Contains no values.
    """
    from schemas.base import ID_LIMIT, is_identifier
    from session_controller.integrity.data_folder import told_entries
    from session_controller.storage.entities import EntryFilter

    if session is not None and not is_identifier(session):
        raise Failure(f"--session {ID_LIMIT}", USAGE)
    wanted = EntryFilter(after, before, session, since, None if every else limit)
    with explaining(data):
        page = _Page(told_entries(data, wanted))
        if as_json:
            for entry in page:
                print_line(entry)
        else:
            print_rows(_WIDTHS, map(_row, page), "There are no such entries.")
    if page.count == wanted.limit and page.last > after + 1:
        say(f"there may be older entries; list them with --before {page.last}, or all with --all")


_WIDTHS = {
    "entry": 8,
    "at": 25,
    "what": 20,
    "device": 16,
    "person": 12,
    "session": 26,
    "about": 0,
}


class _Page:
    """Counts entries while they are printed."""

    def __init__(self, entries: Iterator[Mapping[str, Any]]) -> None:
        self._entries = entries
        self.count = 0
        self.last = 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for entry in self._entries:
            self.count += 1
            self.last = int(entry["entry"])
            yield entry


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    about = ", ".join(f"{name} {value}" for name, value in (entry.get("about") or {}).items())
    return (
        str(entry["entry"]),
        moment_of(str(entry["at"])),
        str(entry["what"]),
        str(entry["device"] or ""),
        str(entry["person"] or ""),
        str(entry["session"] or ""),
        about,
    )
