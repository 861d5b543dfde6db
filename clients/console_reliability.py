"""`handrail backup`, a verified copy of a box that serves; `handrail soak`, a long hard run."""

import json
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from clients.console import DATA, FAILED, AsJson, Data, Failure, program
from clients.console_printing import print_facts, print_json, say
from clients.credential import Credential
from clients.files import PRIVATE, sync_folder
from clients.soak import BoxUnderSoak, SoakReport
from clients.soak import soak as run_soak
from schemas.base import Role

BACKUPS = "backups"
KEYRING = "keyring"

app = typer.Typer()
To = Annotated[
    Path | None,
    typer.Option("--to", help="Copy it here as well.", dir_okay=False, metavar="FILE"),
]


@app.command(epilog="Example: handrail backup --to /mnt/usb/handrail.backup")
def backup(
    context: typer.Context, *, to: To = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Back a box up, while it serves or not, and verify the backup.

    It is sealed. Its keys stand beside it: `backups/keyring`, or for a copy FILE.keys, which opens
    it, and which you may keep elsewhere.
    """
    with program(context).reach(data) as admin:
        taken = admin.back_up()
        path = data / BACKUPS / taken.file
        if to is not None:
            try:
                _copied(path.with_name(KEYRING), keys_of(to))
                path = _copied(path, to)
            except OSError as error:
                raise Failure(
                    f"the backup is {path}, but not copied to {to}: {error.strerror}"
                ) from None
    if as_json:
        keys = keys_of(path) if to is not None else path.with_name(KEYRING)
        print_json({"file": str(path), "keys": str(keys), "size": taken.size})
    else:
        say(f"backed up to {path} ({taken.size:,} bytes)")


def keys_of(copy: Path) -> Path:
    """Name the keys of a backup that is kept elsewhere."""
    return copy.with_name(f"{copy.name}.keys")


def _copied(path: Path, to: Path) -> Path:
    """Copy whole or not at all, for its owner's eyes alone."""
    draft = to.with_name(f"{to.name}.new")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
        with os.fdopen(handle, "wb") as target, path.open("rb") as source:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(to)
        sync_folder(to.absolute().parent)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return to


@app.command(epilog="Example: handrail soak --minutes 60 --sessions 100")
def soak(
    context: typer.Context,
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 60.0,
    sessions: Annotated[int, typer.Option(min=1, max=500, help="How many at a time.")] = 100,
    flow: Annotated[str, typer.Option(help="A flow's id.")] = "quick-check-in",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Where its folder is made, to try that disk.",
            file_okay=False,
            exists=True,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a box of its own for long, under load and faults; ends with 1 if anything went wrong.

    The box is killed once and stalls again and again; its memory and descriptors must stay flat.
    """
    with tempfile.TemporaryDirectory(prefix="handrail-soak-", dir=data) as folder:
        port = _free_port()
        order = [*program(context).command, "serve", "--data", folder, "--backup-every", "0s"]
        order += ["--mqtt", f"127.0.0.1:{port}", "--http", "127.0.0.1:0"]
        box = BoxUnderSoak(order)
        try:
            secret = json.loads((Path(folder) / "admin.json").read_text())["admin-1"]
            admin = Credential("main", "admin-1", Role.ADMIN, secret)
            url = f"mqtt://127.0.0.1:{port}"
            report = run_soak(
                box,
                url,
                admin,
                flow,
                seconds=minutes * 60,
                sessions=sessions,
                progress=lambda so_far: say(_so_far(so_far)),
            )
        finally:
            box.stop()
    _tell(report, as_json=as_json)
    if not report.well:
        raise typer.Exit(FAILED)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _so_far(report: SoakReport) -> str:
    newest = report.samples[-1]
    return (
        f"{report.outcomes.total()} sessions, {newest.resident / (1 << 20):.0f} MiB, "
        f"{newest.descriptors} descriptors"
    )


def _tell(report: SoakReport, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "well": report.well,
                "outcomes": dict(report.outcomes),
                "kills": report.kills,
                "stalls": report.stalls,
                "memory": [s.resident for s in report.samples],
                "descriptors": [s.descriptors for s in report.samples],
            }
        )
        return
    facts = {name: str(count) for name, count in report.outcomes.items()}
    facts |= {"kills": str(report.kills), "stalls": str(report.stalls)}
    if report.samples:
        first, last = report.samples[0], report.samples[-1]
        facts["memory"] = f"{first.resident >> 20} MiB, at the end {last.resident >> 20} MiB"
        facts["descriptors"] = f"{first.descriptors}, at the end {last.descriptors}"
    facts["flat"] = "yes" if report.flat else "no"
    print_facts(facts)
