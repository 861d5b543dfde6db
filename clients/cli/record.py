"""`handrail record` and `handrail document`: exported records and documents, with their seals."""

import sys
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, FAILED, USAGE, AsJson, Data, Failure, Unused, program
from clients.cli.output import echo, moment, plain, print_facts, print_json, say
from clients.cli.output import print_table as table
from clients.sdk.files import write_private

if TYPE_CHECKING:
    from schemas.wire.seals import Seal

app = typer.Typer(
    help="Verify exported records.",
    epilog="Example: handrail record verify record.pdf",
    no_args_is_help=True,
)
documents = typer.Typer(
    help="List and fetch uploaded documents.",
    epilog="Example: handrail document list s-3f9a…",
    no_args_is_help=True,
)


class RecordFormat(StrEnum):
    """The formats that a session can be exported in."""

    PDF = "pdf"
    FHIR = "fhir"
    QUESTIONNAIRE_RESPONSE = "questionnaire-response"
    JSON = "json"
    CSV = "csv"


class PaperSize(StrEnum):
    """The paper sizes of a PDF record."""

    US_LETTER = "us-letter"
    A4 = "a4"


def hand_out(content: bytes, seal: "Seal", output: Path | None, *, as_json: bool) -> None:
    """Write an export and its seal to files, or the export alone to stdout."""
    if output is None and sys.stdout.isatty():
        echo(content.decode(errors="replace"))
        return
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    beside = seal_of(output)
    try:
        write_private(output, content)
        write_private(beside, seal.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise Failure(f"cannot write {output}: {error.strerror}") from None
    if as_json:
        print_json({"file": str(output), "seal": str(beside), "sha256": seal.sha256})
    else:
        say(f"wrote {output} and its seal {beside}")


def seal_of(path: Path) -> Path:
    """Return the path of a file's seal."""
    from schemas.wire.seals import SEAL_SUFFIX

    return path.with_name(f"{path.name}{SEAL_SUFFIX}")


@app.command(epilog="Example: handrail record verify record.pdf --key 3b6a27bc…")
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An exported file.")],
    *,
    seal_file: Annotated[
        Path | None,
        typer.Option("--seal", metavar="FILE", help="Its seal. Default: FILE.seal.json."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The box's public key, from `handrail key show`."),
    ] = None,
    data: Unused = None,  # noqa: ARG001
    as_json: AsJson = False,
) -> None:
    """Verify that a record is unchanged since its export; exit with 1 if not. Needs no box."""
    seal = _read_seal(seal_file or seal_of(file))
    faults = list(_faults(file.read_bytes(), seal, key))
    if as_json:
        print_json({"genuine": not faults, "faults": faults, "seal": plain(seal)})
    else:
        for fault in faults:
            say(f"{file}: {fault}")
        print_facts(
            {
                "genuine": "no" if faults else "yes" if key else "yes, if this is the box's key",
                "session": f"{seal.session} of {seal.site}",
                "exported": f"{moment(seal.exported_at)} by {seal.exported_by}",
                "key": seal.public_key + ("" if key else " (compare with `handrail key show`)"),
            }
        )
    if faults:
        raise typer.Exit(FAILED)


def _read_seal(path: Path) -> "Seal":
    from pydantic import ValidationError

    from schemas.wire.seals import Seal

    try:
        return Seal.model_validate_json(path.read_bytes())
    except OSError as error:
        hint = "name it with --seal FILE"
        raise Failure(f"cannot read the seal {path}: {error.strerror}; {hint}", USAGE) from None
    except ValidationError:
        raise Failure(f"{path} is not a seal of a record", USAGE) from None


def _faults(content: bytes, seal: "Seal", key: str | None) -> list[str]:
    faults = []
    if len(content) != seal.size:
        faults.append(f"has {len(content):,} bytes; the seal says {seal.size:,}")
    if sha256(content).hexdigest() != seal.sha256:
        faults.append("the content was changed after the export")
    if not _is_signed(seal):
        faults.append("the seal was changed, or was not made by the box")
    if key is not None and key.strip().lower() != seal.public_key:
        faults.append("the seal was made by another box")
    return faults


def _is_signed(seal: "Seal") -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from schemas.wire.seals import sealed_bytes

    try:
        box = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal.public_key))
        box.verify(bytes.fromhex(seal.signature), sealed_bytes(seal))
    except (InvalidSignature, ValueError):
        return False
    return True


@documents.command("list", epilog="Example: handrail document list s-3f9a…")
def list_documents(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="A session id.", metavar="ID")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List the documents of an open or ended session."""
    with program(context).reach(data) as admin:
        found = admin.list_documents(session)
    if as_json:
        print_json(plain(found))
        return
    rows = [
        (d.field_id, d.status.value, d.media_type, f"{d.size:,}", moment(d.received_at), d.sha256)
        for d in found
    ]
    columns = ("field", "status", "type", "bytes", "received", "sha256")
    table(columns, rows, "This session has no documents.")


@documents.command(epilog="Example: handrail document fetch s-3f9a… id-front --output id.jpg")
def fetch(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="A session id.", metavar="ID")],
    field: Annotated[str, typer.Argument(help="The field id of the document.", metavar="FIELD")],
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
    """Fetch a document as stored: images without metadata such as location and time."""
    if output is None and sys.stdout.isatty():
        raise Failure("a document is binary; write it to a file with --output FILE", USAGE)
    with program(context).reach(data) as admin:
        content, seal = admin.export_session(session, "document", field_id=field)
    hand_out(content, seal, output, as_json=as_json)
