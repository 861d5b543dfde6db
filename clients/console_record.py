"""`handrail record` and `handrail document`: what is given out, with its seal."""

import sys
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from clients.console import DATA, FAILED, USAGE, AsJson, Data, Failure, Unused, program
from clients.console_printing import moment, plain, print_facts, print_json, say
from clients.console_printing import print_table as table
from clients.files import write_private
from schemas.seals import Seal, sealed_bytes

SEAL = ".seal.json"
"""What a record's seal is called, after the record's own name."""

app = typer.Typer(help="Check records that were exported.", no_args_is_help=True)
documents = typer.Typer(help="List and fetch what patients uploaded.", no_args_is_help=True)


class RecordFormat(StrEnum):
    """What a session can be exported as."""

    PDF = "pdf"
    FHIR = "fhir"
    QUESTIONNAIRE_RESPONSE = "questionnaire-response"
    JSON = "json"
    CSV = "csv"


class PaperSize(StrEnum):
    """What a record can be printed on."""

    US_LETTER = "us-letter"
    A4 = "a4"


def hand_out(content: bytes, seal: Seal, output: Path | None, *, as_json: bool) -> None:
    """Write what was exported, and its seal beside it; or print it, without."""
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
        say(f"written: {output}, and its seal: {beside}")


def seal_of(path: Path) -> Path:
    """Name the seal of a file."""
    return path.with_name(f"{path.name}{SEAL}")


@app.command(epilog="Example: handrail record verify record.pdf --key 3b6a27bc…")
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What was exported.")],
    *,
    seal_file: Annotated[
        Path | None,
        typer.Option("--seal", metavar="FILE", help="Its seal, where it is not beside it."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The box's public key, as `handrail key show` has it."),
    ] = None,
    data: Unused = None,  # noqa: ARG001
    as_json: AsJson = False,
) -> None:
    """Tell whether a record is as the box gave it out; needs no box. Ends with 1 if it is not."""
    seal = _read_seal(seal_file or seal_of(file))
    faults = list(_faults(file.read_bytes(), seal, key))
    if as_json:
        print_json({"genuine": not faults, "faults": faults, "seal": plain(seal)})
    else:
        for fault in faults:
            say(f"{file}: {fault}")
        print_facts(
            {
                "genuine": "no" if faults else "yes" if key else "yes, if the key is the box's",
                "session": f"{seal.session} of {seal.site}",
                "exported": f"{moment(seal.exported_at)} by {seal.exported_by}",
                "key": seal.public_key + ("" if key else " (`handrail key show` has the box's)"),
            }
        )
    if faults:
        raise typer.Exit(FAILED)


def _read_seal(path: Path) -> Seal:
    try:
        return Seal.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Failure(f"its seal {path} cannot be read: {error.strerror}", USAGE) from None
    except ValidationError:
        raise Failure(f"{path} is no seal of a record", USAGE) from None


def _faults(content: bytes, seal: Seal, key: str | None) -> list[str]:
    faults = []
    if len(content) != seal.size:
        faults.append(f"it has {len(content):,} bytes, and had {seal.size:,}")
    if sha256(content).hexdigest() != seal.sha256:
        faults.append("what is in it was changed after the box gave it out")
    if not _is_signed(seal):
        faults.append("its seal was changed, or was never the box's")
    if key is not None and key.strip().lower() != seal.public_key:
        faults.append("its seal is of another box")
    return faults


def _is_signed(seal: Seal) -> bool:
    try:
        box = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal.public_key))
        box.verify(bytes.fromhex(seal.signature), sealed_bytes(seal))
    except (InvalidSignature, ValueError):
        return False
    return True


@documents.command("list", epilog="Example: handrail document list s-3f9a…")
def list_documents(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="A session's id.", metavar="ID")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List a session's documents, whether it is open or ended."""
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
    table(columns, rows, "It has no documents.")


@documents.command(epilog="Example: handrail document fetch s-3f9a… id-front --output id.jpg")
def fetch(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="A session's id.", metavar="ID")],
    field: Annotated[str, typer.Argument(help="The document's field.", metavar="FIELD")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file, which only you may read.", dir_okay=False),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Fetch a document as it is kept: an image without place, time and the like in it."""
    if output is None and sys.stdout.isatty():
        raise Failure("a document is no text: say where to with --output FILE", USAGE)
    with program(context).reach(data) as admin:
        content, seal = admin.export_session(session, "document", field_id=field)
    hand_out(content, seal, output, as_json=as_json)
