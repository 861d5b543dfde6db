"""`handrail key recovery`: the key on paper that opens backups when the box is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, AsJson, Data, Failure, program
from clients.cli.explaining import explaining
from clients.cli.output import echo, moment, print_facts, print_json, say
from clients.cli.recovery_input import RecoveryKeyFile, read_recovery_key
from session_controller.errors import KeyringError

if TYPE_CHECKING:
    from session_controller.security.recovery import Recovery, RecoveryKey

app = typer.Typer(
    help="Make and check the recovery key, which opens backups when the box is gone.",
    epilog="Example: handrail key recovery create --sheet recovery.html",
    no_args_is_help=True,
)
_NONE = "there is no recovery key; make one with `handrail key recovery create`"


@app.command(epilog="Example: handrail key recovery create --sheet recovery.html")
def create(
    context: typer.Context,
    *,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Also write a page (HTML) to print, with a QR code.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the recovery key that there is.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Create a recovery key, print it once, and take a backup that it opens.

    Write it down, or print the sheet and delete the file; the box does not keep it. From now on,
    the secrets in backups and copies are encrypted for it: without it, or the box itself, nobody
    can read them.
    """
    if not data.is_dir():
        raise Failure(f"{data} is not a data folder; start a box on it first: `handrail serve`")
    with explaining(data):
        former = _former(data, force=force)
    fingerprint = fingerprint_of(data)
    make_recovery_key(context, data, sheet, lambda key: _print(key, fingerprint, as_json=as_json))
    if former:
        say(f"the recovery key of {former} opens only copies that were made with it; keep it until")
        say("they are gone, or copied again with `handrail backup --to`")


def make_recovery_key(
    context: typer.Context, data: Path, sheet: Path | None, show: Callable[[RecoveryKey], None]
) -> None:
    """Create a recovery key, show it, put it in use, and take a backup that it opens.

    Raises `Failure`.
    """
    from session_controller.data_folder import DATABASE_FILE
    from session_controller.security.recovery import Recovery, RecoveryKey

    key, now = RecoveryKey.create(), datetime.now(UTC)
    if sheet is not None:
        _write_sheet(sheet, key, now, fingerprint_of(data))
    show(key)
    try:
        Recovery(recipient=key.recipient, created_at=now).write(data)
    except OSError as error:
        raise Failure(
            f"cannot write {error.filename or data}: {error.strerror}; destroy the key that was "
            "printed, it is not in use"
        ) from None
    if not (data / DATABASE_FILE).exists():
        say("the first backup will be encrypted for it")
        return
    with program(context).reach(data) as admin:
        taken = admin.back_up()
    say(f"all backups in {data / 'backups'} open with it now; the newest is {taken.file}")
    say("copies elsewhere that were made before do not: copy again with `handrail backup --to`")
    say("check what you wrote down: `handrail key recovery verify`")


def _former(data: Path, *, force: bool) -> str | None:
    """Return the recipient of the key that is replaced. Raises `Failure`."""
    from session_controller.security.recovery import read_recovery

    try:
        former = read_recovery(data)
    except KeyringError:
        if force:
            return "an unknown recipient"
        raise
    if former is not None and not force:
        raise Failure(
            f"there is a recovery key, made {moment(former.created_at)}; replace it with --force"
        )
    return former.recipient if former else None


def fingerprint_of(data: Path) -> str | None:
    """Return the fingerprint of the key that a box signs with, or None if it has none yet."""
    from session_controller.data_folder import DATABASE_FILE
    from session_controller.security.encryption import BoxKeyError, required_box_keys
    from session_controller.security.signer import signer_fingerprint
    from session_controller.storage.reader import Reader

    if not (data / DATABASE_FILE).exists():
        return None
    try:
        with explaining(data), Reader.of(data / DATABASE_FILE, required_box_keys(data)) as reader:
            public = reader.log_key
    except BoxKeyError as error:
        raise Failure(f"{error}; `handrail doctor --data {data}` says what mends it") from None
    return signer_fingerprint(public) if public else None


def _write_sheet(sheet: Path, key: RecoveryKey, at: datetime, fingerprint: str | None) -> None:
    from clients.cli.recovery_sheet import sheet_of
    from clients.sdk.files import write_private

    text = sheet_of(key.lines, key.text, key.recipient, moment(at), fingerprint)
    try:
        write_private(sheet, text.encode())
    except OSError as error:
        raise Failure(f"cannot write {sheet}: {error.strerror}; no recovery key was made") from None
    say(f"wrote {sheet}; print it, and delete it")


def _print(key: RecoveryKey, fingerprint: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"recipient": key.recipient, "recovery_key": key.text, "fingerprint": fingerprint}
        )
        return
    say("This is the recovery key. It is shown only now: write it down, and keep it off the box.")
    echo("\n" + "".join(f"    {line}\n" for line in key.lines) + "\n")
    print_facts(
        {
            "recipient": key.recipient,
            "fingerprint of the box": fingerprint or "after its first start: `handrail key show`",
        }
    )


@app.command(epilog="Example: handrail key recovery show --data /var/lib/handrail")
def show(*, data: Data = DATA, as_json: AsJson = False) -> None:
    """Show for whom backups are encrypted, since when, and when the key was last verified."""
    from session_controller.backup.manifest import existing

    with explaining(data):
        recovery, openers = _required(data), _openers(data)
    count = len(existing(data))
    opened = count if recovery.recipient in openers else 0
    if as_json:
        print_json(
            {**recovery.model_dump(mode="json", exclude={"v"}), "backups": count, "opens": opened}
        )
        return
    print_facts(
        {
            "recipient": recovery.recipient,
            "made": moment(recovery.created_at),
            "verified": moment(recovery.verified_at) or "never: `handrail key recovery verify`",
            "opens": f"{opened} of {count} backups in {data / 'backups'}",
        }
    )


@app.command(epilog="Example: handrail key recovery verify --data /var/lib/handrail")
def verify(
    *, recovery_key_file: RecoveryKeyFile = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Ask for the recovery key, and open the newest backup's secrets with it, in memory only."""
    from session_controller.backup.checking import refuse_unsigned
    from session_controller.backup.manifest import existing, read_manifest
    from session_controller.security.keyring import keyring_of, read_keyring
    from session_controller.security.recovery import unlock

    with explaining(data):
        recovery, backups = _required(data), existing(data)
        if not backups:
            raise Failure("there is no backup yet to open; take one with `handrail backup`")
        keyring = read_keyring(keyring_of(backups[0]))
        if not keyring.is_sealed:
            raise Failure("no backup is encrypted for it yet; take one with `handrail backup`")
        key = read_recovery_key(recovery_key_file)
        opened = unlock(keyring, data, key)
        refuse_unsigned(backups[0], read_manifest(backups[0]), opened, data)
        now = datetime.now(UTC)
        recovery.model_copy(update={"verified_at": now}).write(data)
    if as_json:
        print_json(
            {"recipient": key.recipient, "backup": backups[0].name, "verified_at": moment(now)}
        )
    else:
        say(f"the recovery key opens {backups[0].name}")


def _required(data: Path) -> Recovery:
    from session_controller.security.recovery import read_recovery

    found = read_recovery(data)
    if found is None:
        raise Failure(_NONE)
    return found


def _openers(data: Path) -> set[str]:
    from session_controller.backup.manifest import FOLDER
    from session_controller.security.keyring import KEYRING, openers_in_keyring

    path = data / FOLDER / KEYRING
    return openers_in_keyring(path) if path.exists() else set()
