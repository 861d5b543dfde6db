"""`handrail restore`: replace the database with a backup."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from clients.cli.context import DATA, USAGE, AsJson, Data, Failure
from clients.cli.explaining import explaining
from clients.cli.output import print_json, say
from clients.cli.recovery_input import RecoveryKeyFile, with_recovery_key
from clients.cli.signer_input import with_signer

app = typer.Typer()


@app.command(epilog="Example: handrail restore /mnt/usb/handrail")
def restore(
    backup: Annotated[
        Path | None,
        typer.Argument(exists=True, help="A backup, or a folder: its newest backup."),
    ] = None,
    *,
    forget_replaced: Annotated[
        bool,
        typer.Option(
            "--forget-replaced", help="Restore nothing; delete what earlier restores replaced."
        ),
    ] = False,
    recovery_key_file: RecoveryKeyFile = None,
    signed_by: Annotated[
        str | None,
        typer.Option(
            "--signed-by",
            metavar="FINGERPRINT",
            help="Refuse a backup of any other box than this, as on the recovery sheet; unknown: "
            "accept any.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Replace the database with a backup. Stop the box first.

    If only the recovery key opens the backup on this machine, the command asks for it, and for the
    box's fingerprint: anybody can encrypt a forged backup for a recovery key.

    The replaced database is kept in the data folder, until `--forget-replaced` deletes it. Screens
    that are ahead of the backup return to its state and resend the commands that they still hold.
    What a backup cannot contain, such as keys outside the data folder, is listed: give it by hand.
    """
    from session_controller.backup.elsewhere import newest_in
    from session_controller.backup.restore import forget_replaced as delete_replaced
    from session_controller.backup.restore import restore as put_back

    if forget_replaced == (backup is not None):
        raise Failure("name a backup to restore, or --forget-replaced, and not both", USAGE)
    with explaining(data):
        if backup is None:
            gone = [str(path) for path in delete_replaced(data)]
            print_json({"deleted": gone}) if as_json else say(_deleted(gone))
            return
        try:
            file = newest_in(backup)
            at = datetime.now(UTC)
            done = with_recovery_key(
                recovery_key_file,
                lambda key: with_signer(
                    signed_by, key, lambda signer: put_back(data, file, at, key, signer)
                ),
            )
        except OSError as error:
            problem = f"{error.filename or data}: {error.strerror}"
            raise Failure(
                f"cannot restore into {data}: {problem}; fix this and restore again"
            ) from None
    if as_json:
        print_json(
            {
                "epoch": done.epoch,
                "sessions": done.sessions,
                "signed_by": done.signed_by,
                "kept": str(done.replaced),
                "by_hand": done.by_hand,
            }
        )
        return
    say(f"restored {_counted(done.sessions)} from {file}, signed by the box {done.signed_by}")
    if done.replaced is not None:
        say(f"the previous database is kept in {done.replaced}")
    if done.by_hand:
        say("still to be given by hand:")
    for missing in done.by_hand:
        say(f"- {missing}")


def _counted(sessions: int) -> str:
    return "1 session" if sessions == 1 else f"{sessions:,} sessions"


def _deleted(paths: list[str]) -> str:
    return f"deleted {', '.join(paths)}" if paths else "no restore has replaced anything here"
