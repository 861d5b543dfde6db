"""`handrail backup`: take, list and verify backups, and restore one into a scratch folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, FAILED, AsJson, Data, Failure, program
from clients.cli.explaining import explaining
from clients.cli.output import echo, moment, print_facts, print_json, print_table, say
from clients.cli.recovery_input import RecoveryKeyFile, read_recovery_key, with_recovery_key
from session_controller.errors import BackupNewerError, KeyringError, StoreError

if TYPE_CHECKING:
    from session_controller.backup.drill import Drill
    from session_controller.backup.verifying import Verification

BACKUPS = "backups"

app = typer.Typer(invoke_without_command=True)
To = Annotated[
    Path | None,
    typer.Option(
        "--to", help="Also copy the backup to this folder.", file_okay=False, metavar="FOLDER"
    ),
]


@app.callback(epilog="Example: handrail backup --to /mnt/usb/handrail")
def backup(
    context: typer.Context, *, to: To = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Back up a box and verify the backup, whether or not the box is running.

    The backup is encrypted. Its keys are stored next to it: in `backups/keyring`, or in FOLDER.keys
    for a copy. A later copy to the same folder replaces it, and writes only what is new. The
    command says what opens the backup: unless there is a recovery key, FOLDER.keys does, so store
    it separately from the copy.
    """
    if context.invoked_subcommand is not None:
        return
    with program(context).reach(data) as admin:
        taken = admin.back_up()
        path, keys = data / BACKUPS / taken.file, data / BACKUPS / "keyring"
        if to is not None:
            try:
                path, keys = _copy(data, taken.file, to)
            except OSError as error:
                problem = f"{error.filename or to}: {error.strerror}"
                raise Failure(
                    f"the backup is {path}, but could not be copied to {to}: {problem}"
                ) from None
    from session_controller.backup.verifying import opens_with

    opener = opens_with(path)
    if as_json:
        print_json({"file": str(path), "keys": str(keys), "size": taken.size, "opens_with": opener})
    else:
        say(f"backed up to {path} ({taken.size:,} bytes)")
        say(f"it opens with {opener}")


def _copy(data: Path, name: str, to: Path) -> tuple[Path, Path]:
    """Copy a backup of a data folder to a folder elsewhere; return the copy and its keys."""
    from session_controller.backup.elsewhere import copy_backup as copy
    from session_controller.backup.off_box import note_copied

    try:
        made = copy(data, name, to)
        note_copied(data, to, made[0].name, datetime.now(UTC))
    except (StoreError, KeyringError) as error:
        raise Failure(str(error)) from None
    return made


@dataclass(frozen=True, slots=True)
class _Listed:
    """A backup in a list; what is None cannot be read."""

    file: Path
    taken: datetime | None
    size: int | None
    verified: datetime | None
    opens_with: str
    unreadable: str = "damaged"
    """Why it cannot be read."""


@app.command("list", epilog="Example: handrail backup list --data /var/lib/handrail")
def list_backups(
    *,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FOLDER",
            file_okay=False,
            help="The folder with copies; by default, that of `serve --backup-to`.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List the backups in the data folder and in the folder of copies, newest first.

    Shows when each was taken, the size of the data in it, what opens it, and when all of it was
    last verified.
    """
    from session_controller.backup.off_box import read_copies

    if not data.is_dir():
        raise Failure(f"{data} is not a data folder")
    state = read_copies(data)
    elsewhere = to or (Path(state.to) if state else None)
    with explaining(data):
        found = [*_listed(data / BACKUPS), *(_listed(elsewhere) if elsewhere else ())]
    if as_json:
        print_json([_plain(one) for one in found])
        return
    for number, folder in enumerate(dict.fromkeys(one.file.parent for one in found)):
        if number:
            echo("\n")
        _print_folder(folder, [one for one in found if one.file.parent == folder])
    if not found:
        say("There are no backups.")
    if state and state.failed:
        since = moment(state.failed.since)
        say(f"nothing was copied to {state.to} since {since}: {state.failed.text}")


def _print_folder(folder: Path, backups: list[_Listed]) -> None:
    rows = [
        (
            moment(one.taken) or one.unreadable,
            f"{one.size or 0:,}",
            one.file.name,
            moment(one.verified),
        )
        for one in backups
    ]
    print_facts({"folder": str(folder), "opens with": backups[0].opens_with})
    print_table(("taken", "bytes", "file", "verified"), rows, "", spare=("verified",))


def _plain(one: _Listed) -> dict[str, object]:
    return {
        "file": str(one.file),
        "taken": one.taken and one.taken.isoformat(),
        "size": one.size,
        "verified": one.verified and one.verified.isoformat(),
        "opens_with": one.opens_with,
    }


def _listed(folder: Path) -> Iterator[_Listed]:
    from session_controller.backup.manifest import listed, read_header
    from session_controller.backup.verifying import opens_with

    opener = ""
    for path in listed(folder):
        opener = opener or opens_with(path)  # one file of keys for all in a folder
        try:
            header = read_header(path)
        except BackupNewerError:
            yield _Listed(path, None, None, None, opener, "newer version")
        except StoreError:
            yield _Listed(path, None, None, None, opener)
        else:
            yield _Listed(path, header.taken, header.data, header.verified, opener)


@app.command(epilog="Example: handrail backup verify /mnt/usb/handrail")
def verify(
    backup: Annotated[
        Path, typer.Argument(metavar="BACKUP", exists=True, help="A backup, or a folder with one.")
    ],
    *,
    recovery_key_file: RecoveryKeyFile = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Verify each page and each document of a backup, and the box's signature.

    Needs nothing but the backup and its keys. The signature is verified if a key is at hand: of the
    data folder, the environment or --recovery-key-file. Exits with 1 on any fault.
    """
    from session_controller.backup.elsewhere import newest_in
    from session_controller.backup.verifying import verify_backup

    with explaining(data):
        key = read_recovery_key(recovery_key_file) if recovery_key_file else None
        found = verify_backup(newest_in(backup), data, key)
    if as_json:
        print_json(_verified(found))
    else:
        _print_verified(found)
    if found.faults:
        raise typer.Exit(FAILED)


def _verified(found: Verification) -> dict[str, object]:
    header = found.header
    return {
        "backup": str(found.backup),
        "whole": not found.faults,
        "taken": header.taken.isoformat() if header else None,
        "pages": header.pages if header else None,
        "documents": header.documents.count if header else None,
        "signature_verified": not found.faults and found.unsigned is None,
        "opens_with": found.opens_with,
        "faults": list(found.faults),
    }


def _print_verified(found: Verification) -> None:
    for fault in found.faults:
        say(fault)
    facts = {"backup": str(found.backup), "whole": "no" if found.faults else "yes"}
    if (header := found.header) is not None:
        facts |= {
            "taken": moment(header.taken),
            "pages": f"{header.pages:,}",
            "documents": f"{header.documents.count:,}",
        }
    if not found.faults:
        unsigned = found.unsigned
        facts["signature"] = f"not verified: {unsigned}" if unsigned else "verified"
    print_facts(facts | {"opens with": found.opens_with})


@app.command(epilog="Example: handrail backup drill --data /var/lib/handrail")
def drill(
    backup: Annotated[
        Path | None,
        typer.Argument(
            metavar="BACKUP",
            exists=True,
            help="A backup, or a folder with one; by default, the newest in the data folder.",
        ),
    ] = None,
    *,
    recovery_key_file: RecoveryKeyFile = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into a scratch folder, verify all of it, and remove the folder again.

    Nothing is started, and the box may run. The whole log is verified, and every state is rebuilt
    from it. With --recovery-key-file, nothing but that key opens the backup, as on another machine.
    """
    from session_controller.backup.drill import drill as rehearse
    from session_controller.backup.elsewhere import newest_in

    with explaining(data):
        if not data.is_dir():
            raise Failure(f"{data} is not a data folder")
        file, at = newest_in(backup or data / BACKUPS), datetime.now(UTC)
        try:
            done = with_recovery_key(recovery_key_file, lambda key: rehearse(data, file, at, key))
        except OSError as error:
            raise Failure(f"{error.filename or data}: {error.strerror}") from None
    if as_json:
        print_json({**done.model_dump(mode="json", exclude={"v"}), "whole": not done.faults})
    else:
        _print_drill(done)
    if done.faults:
        raise typer.Exit(FAILED)


def _print_drill(done: Drill) -> None:
    for fault in done.faults:
        say(fault)
    print_facts(
        {
            "restored": done.backup,
            "whole": "no" if done.faults else "yes",
            "sessions": f"{done.sessions:,}",
            "log entries": f"{done.entries:,}",
            "documents": f"{done.documents:,}",
            "took": f"{done.seconds:,.1f} s",
        }
    )
