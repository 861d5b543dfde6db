"""`handrail upgrade`: what an upgrade does to a data folder, and its migrations before a start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, FAILED, USAGE, AsJson, Data, Failure
from clients.cli.explaining import explaining
from clients.cli.output import print_facts, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from session_controller.preflight.finding import Finding

app = typer.Typer()


@app.command(epilog="Example: handrail upgrade --check --data /var/lib/handrail")
def upgrade(
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; exit with 1 if the next start would refuse."),
    ] = False,
    without_backup: Annotated[
        bool,
        typer.Option(
            "--without-backup", help="Migrate although there is no way back. Only if none fits."
        ),
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Back up a data folder and migrate it to this version, as the next start would.

    Stop the box first. With --check, only say what would be done; a box may be running.
    """
    if check and without_backup:
        raise Failure("pass --check or --without-backup, not both", USAGE)
    if not data.is_dir():
        raise Failure(f"{data} is not the data folder of a box; name it with --data", USAGE)
    if check:
        _check(data, as_json=as_json)
        return
    from session_controller.backup.upgrading import upgrade as migrate

    with explaining(data):
        done = migrate(data, back_up=not without_backup)
    if as_json:
        path = str(done.backup) if done and done.backup else None
        print_json({"migrations": done.migrations if done else [], "backup": path})
    elif done is None:
        say("nothing to do: the data has the schema of this version")
    else:
        if done.backup is not None:
            say(f"backed up to {done.backup}")
        say(f"migrated: {', '.join(done.migrations)}")


def _check(data: Path, *, as_json: bool) -> None:
    from session_controller.preflight.finding import Level
    from session_controller.preflight.upgrade import upgrade_findings

    with explaining(data):
        found = list(upgrade_findings(data))
    well = all(one.level is not Level.CRITICAL for one in found)
    if as_json:
        print_json({"well": well, "findings": [_plain(one) for one in found]})
    else:
        for one in found:
            print_facts({one.check: one.text} | ({"→": one.mend} if one.mend else {}))
    if not well:
        raise typer.Exit(FAILED)


def _plain(one: Finding) -> dict[str, str | None]:
    return {"check": one.check, "level": one.level, "text": one.text, "mend": one.mend}
