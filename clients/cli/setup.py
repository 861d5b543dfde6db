"""`handrail setup`: a box from nothing, or a look at what there is."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, USAGE, AsJson, Config, Failure, UnownedData, named, program

if TYPE_CHECKING:
    from clients.cli.setup_questions import Wanted
    from clients.cli.setup_state import There
    from clients.cli.setup_steps import Screen

app = typer.Typer()
_SYSTEM = Path("/etc/handrail")


def _text(help_text: str, metavar: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(metavar=metavar, help=help_text)
    return found


@app.command(epilog="Example: handrail setup --yes --name clinic-a --host 192.168.1.5")
def setup(
    context: typer.Context,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: take the options, and else what is there.")
    ] = False,
    name: Annotated[str | None, _text("Short name of the clinic.", "NAME")] = None,
    host: Annotated[
        str | None, _text("Name or address by which screens reach the box.", "HOST")
    ] = None,
    http: Annotated[str | None, _text("Where to listen for the pages.", "PORT|HOST:PORT")] = None,
    mqtt: Annotated[str | None, _text("Where to listen for MQTT.", "PORT|HOST:PORT")] = None,
    http_redirect: Annotated[
        str | None, _text("Where to listen for the trust page.", "PORT|HOST:PORT")
    ] = None,
    purge_completed: Annotated[
        str | None, _text("Purge completed sessions so long after delivery; 0s: never.", "SPAN")
    ] = None,
    purge_cancelled: Annotated[
        str | None, _text("Purge cancelled sessions after so long; 0s: never.", "SPAN")
    ] = None,
    desk: Annotated[str | None, _text("Name of the first front desk; -: none.", "NAME")] = None,
    tablet: Annotated[
        str | None, _text("Name of the first patient screen; -: none.", "NAME")
    ] = None,
    screens: Annotated[
        bool, typer.Option("--screens/--no-screens", help="Enroll the first screens.")
    ] = True,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            dir_okay=False,
            help="Also write a page with the screens' QR codes, to print.",
        ),
    ] = None,
    recovery_key: Annotated[
        bool, typer.Option("--recovery-key/--no-recovery-key", help="Create a recovery key.")
    ] = True,
    recovery_sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", dir_okay=False, help="Also write the recovery key, to print."
        ),
    ] = None,
    config: Config = None,
    data: UnownedData = DATA,
    as_json: AsJson = False,
) -> None:
    """Set up a box: its configuration, keys, certificate, recovery key and first screens.

    It asks what it needs, shows what it will do, and then does it. It can be run again: what is
    there stays, only what is answered differently changes, and no key is made again. If it was
    interrupted, another run completes it.
    """
    from clients.cli.output import say
    from clients.cli.setup_questions import Asker, Given, ask_all
    from clients.cli.setup_state import look

    if not yes and not sys.stdin.isatty():
        raise Failure(
            "there is no terminal to ask on; pass --yes, and options where the defaults do not fit",
            USAGE,
        )
    listen = {"listen.http": http, "listen.mqtt": mqtt, "listen.http_redirect": http_redirect}
    given = Given(name, host, listen, purge_completed, purge_cancelled, desk, tablet, screens)
    there = look(data, named(context))
    recovery = Recovery(recovery_key and not there.has_recovery_key, recovery_sheet, not yes)
    try:
        wanted = ask_all(Asker(interactive=not yes), given, there)
        _show_plan(there, wanted, recovery)
        agreed = yes or typer.confirm("Do this?", default=True, err=True)
    except (KeyboardInterrupt, typer.Abort):  # Ctrl-C between questions, and at one
        say("\nnothing was changed")
        raise KeyboardInterrupt from None
    if not agreed:
        raise Failure("nothing was changed")
    try:
        made = _act(context, there, wanted, recovery)
    except (KeyboardInterrupt, typer.Abort):
        say("\ninterrupted; run `handrail setup` again to complete it")
        raise KeyboardInterrupt from None
    _print(context, there, wanted, made, sheet, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The recovery key, as it is wanted."""

    create: bool
    sheet: Path | None
    interactive: bool


def _act(
    context: typer.Context, there: "There", wanted: "Wanted", recovery: Recovery
) -> "list[Screen]":
    """Do all steps. What needs root comes first; the rest is done as the folder's owner."""
    from clients.cli import setup_steps as steps
    from clients.cli.owner import act_as_owner

    changed = steps.changes(there, wanted)
    steps.make_folder(there.data)
    steps.write_changes(there, changed)
    act_as_owner(context, there.data)
    if there.site is None:
        steps.make_keys(there.data, there.file, wanted.site)
    if there.makes_certificate:
        steps.make_certificate(there.data, wanted.site, wanted.host)
    if recovery.create:
        interactive = recovery.interactive
        steps.make_recovery_key(context, there.data, recovery.sheet, interactive=interactive)
    return steps.enrol_screens(context, there, wanted)


def _show_plan(there: "There", wanted: "Wanted", recovery: Recovery) -> None:
    from clients.cli.output import say

    say("")
    for name, text in _plan(there, wanted, recovery):
        say(f"{name:<15}{text}")
    say("")


def _plan(there: "There", wanted: "Wanted", recovery: Recovery) -> Iterator[tuple[str, str]]:
    from clients.cli.setup_steps import changes
    from session_controller.configuration.toml_text import toml

    written = [f"{key} = {toml(value)}" for key, value in changes(there, wanted).items()]
    what = "change" if there.file.exists() else "create"
    yield "configuration", f"{what} {there.file}" if written else f"{there.file} stays as it is"
    for line in written:
        yield "", line
    yield "data folder", f"{there.data}{'' if there.data.exists() else ' (create)'}"
    yield "keys", "create" if there.site is None else "are there, and stay"
    if there.makes_certificate:
        certificate = "its CA is there, and stays" if there.has_ca else "create a CA for ten years"
        yield "certificate", f"{certificate}; for {wanted.host} and this machine's names"
    else:
        yield "certificate", "none of its own: the configuration says so"
    is_there = "is there, and stays" if there.has_recovery_key else "none"
    yield "recovery key", "create, and show once" if recovery.create else is_there
    for screen in filter(None, (wanted.desk, wanted.tablet)):
        yield "screen", f"enroll {screen!r}, with a code for ten minutes"
    yield "clock", _clock()


def _clock() -> str:
    now = datetime.now().astimezone()
    time = now.isoformat(sep=" ", timespec="minutes")
    return f"{time} ({now.tzname()}); if it is wrong, set it with `timedatectl`"


def _print(
    context: typer.Context,
    there: "There",
    wanted: "Wanted",
    made: "list[Screen]",
    sheet: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print the codes, and what to do next."""
    from clients.cli.output import print_json, say
    from clients.cli.setup_steps import addresses, to_json

    found = addresses(there, wanted)
    pages = found.get("pages")
    if sheet is not None and made and pages is not None:
        _write_sheet(sheet, pages, made)
    if as_json:
        facts = {"site": wanted.site, "configuration": str(there.file), **found}
        print_json({**facts, "screens": to_json(made, pages)})
        return
    for screen in made:
        _draw(screen, pages)
    say("Next:")
    for number, step in enumerate(_next(context, there, wanted, found), 1):
        say(f"{number}. {step}")


def _write_sheet(sheet: Path, address: str, made: "list[Screen]") -> None:
    from clients.cli.enrolment import write_sheet
    from clients.cli.pairing_page import sheet_of

    write_sheet(sheet, sheet_of(address, [(one.new, one.enrolled) for one in made]))


def _draw(screen: "Screen", address: str | None) -> None:
    from clients.cli.enrolment import print_enrolled
    from clients.cli.output import say

    say(f"\n{screen.new.name}:")
    print_enrolled(screen.enrolled, address, as_json=False)


def _next(
    context: typer.Context, there: "There", wanted: "Wanted", found: dict[str, str]
) -> Iterator[str]:
    """Yield what is left for a person."""
    from clients.cli.setup_steps import changes

    system = there.file.parent == _SYSTEM
    low = [one.port for one in wanted.listen.values() if one.port < 1024]  # noqa: PLR2004
    if low and system:
        yield f"allow port {low[0]}: docs/how-to/install.md, `What the service may do`"
    if not program(context).runs(there.data):
        yield (
            "sudo systemctl enable --now handrail"
            if system
            else (f"handrail serve --data {there.data}")
        )
    elif changes(there, wanted):
        yield "sudo systemctl restart handrail" if system else "restart the box"
    if "trust" in found:
        yield f"on each screen, open {found['trust']} and trust the box (`handrail tls show --qr`)"
    if wanted.desk or wanted.tablet:
        yield "scan each QR code with its screen; after ten minutes, run `handrail setup` again"
    yield "copy backups off the box: docs/how-to/back-up.md"
    yield "sudo handrail doctor" if system else f"handrail doctor --data {there.data}"
