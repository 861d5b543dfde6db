"""`handrail device`: enroll, list, change and revoke devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.context import DATA, USAGE, AsJson, Data, Failure, program, refuse_missing

if TYPE_CHECKING:
    from clients.sdk.admin import AdminClient
    from schemas.wire.requests import CredentialKind, DeviceLine

app = typer.Typer(
    help="Enroll, list, change and revoke screens.",
    epilog="Example: handrail device list",
    no_args_is_help=True,
)


class ScreenRole(StrEnum):
    """The roles that a screen can be enrolled with."""

    FACILITY = "facility"
    PATIENT = "patient"


DeviceId = Annotated[
    str, typer.Argument(metavar="DEVICE", help="A device id from `handrail device list`.")
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="HANDRAIL_URL",
        help="The address that screens open, for links and QR codes: https://box.example. Without "
        "it, the box's name on the network, or a certain address.",
    ),
]


@contextmanager
def _reach(context: typer.Context, data: Path) -> "Iterator[tuple[AdminClient, str | None]]":
    """Connect to the box as an admin; yield that and the address of its pages."""
    from clients.sdk.admin import AdminClient

    with (
        program(context).visit(data) as place,
        AdminClient(place.url, place.credential) as admin,
    ):
        yield admin, place.pages


@app.command(epilog="Example: handrail device enrol 'Front desk' --role facility --code")
def enrol(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Display name, at most 64 characters.")
    ] = None,
    *,
    role: Annotated[
        ScreenRole | None,
        typer.Option(metavar="facility|patient", help="A front-desk screen, or a kiosk."),
    ] = None,
    room: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Where the screen is, at most 64 characters."),
    ] = None,
    code: Annotated[
        bool, typer.Option("--code", help="Print a code, link and QR code, not a secret.")
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="Enroll all devices in a CSV file, or none; columns: name, role, room (optional).",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FILE.html",
            dir_okay=False,
            help="With --csv: write a page with all QR codes, to print; includes --code.",
        ),
    ] = None,
    url: Url = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Enroll a screen. The secret is shown only once; a code is valid for ten minutes."""
    from clients.cli.enrolment import check_sheet, enrol_all, print_enrolled
    from clients.cli.enrolment_file import read_devices
    from clients.cli.pairing_page import pages_address
    from schemas.base import Role

    if csv is not None and not (name is role is room is None):
        raise Failure("--csv cannot be combined with NAME, --role and --room", USAGE)
    if csv is None and sheet is not None:
        raise Failure("--sheet requires --csv FILE", USAGE)
    if csv is None and (name is None or role is None):
        raise Failure("pass NAME and --role facility|patient, or --csv FILE", USAGE)
    by: CredentialKind = "code" if code or sheet is not None else "secret"
    devices = None if csv is None else read_devices(csv)
    with _reach(context, data) as (admin, pages):
        address = pages_address(url, pages)
        if csv is not None and devices is not None:
            check_sheet(sheet, address)
            enrol_all(admin, csv, devices, sheet, address, by=by, as_json=as_json)
        elif name is not None and role is not None:
            enrolled = admin.enrol_device(name, Role(role), by, room=room)
            print_enrolled(enrolled, address, as_json=as_json)


@app.command("list", epilog="Example: handrail device list")
def list_devices(
    context: typer.Context,
    *,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Include revoked and retired screens, and the command line's own devices."
        ),
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List the screens: which are online, and when and where they were last seen."""
    from clients.cli.output import plain, print_json, print_table, say

    with program(context).reach(data) as admin:
        found = admin.list_devices().devices
    screens = [d for d in found if everything or d.role != "admin"]
    devices = [d for d in screens if everything or not d.revoked]
    if as_json:
        print_json(plain(devices))
        return
    empty = "No screen is enrolled; enroll one with `handrail device enrol`."
    print_table(_COLUMNS, map(_row, devices), empty, prose=_PROSE, spare=_SPARE)
    if len(devices) < len(screens):
        count = len(screens) - len(devices)
        revoked = "1 is revoked; list it" if count == 1 else f"{count} are revoked; list them"
        say(f"{revoked} with --all.")


_COLUMNS = (
    "device",
    "name",
    "role",
    "state",
    "last seen",
    "room",
    "session",
    "address",
    "software",
)
_PROSE = ("name", "room", "software")
_SPARE = ("software", "address", "session", "role", "room")
"""Columns that are left out of a narrow list, the first ones first."""


def _row(device: "DeviceLine") -> tuple[str, ...]:
    from clients.cli.output import moment

    return (
        device.device,
        device.name,
        device.role,
        _state(device),
        moment(device.last_seen) or "never",
        device.room or "",
        " ".join(device.sessions),
        device.address or "",
        device.software or "",
    )


def _state(device: "DeviceLine") -> str:
    if device.revoked:
        return "retired" if device.retired else "revoked"
    return ("online" if device.online else "offline") + (", guest" if device.guest else "")


@app.command(epilog="Example: handrail device rename kiosk-2 'Kiosk by the door'")
def rename(
    context: typer.Context,
    device: DeviceId,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The new name, at most 64 characters.")
    ],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Change a screen's display name. Its id stays."""
    with program(context).reach(data) as admin:
        changed = admin.change_device(device, name=name)
    _print(changed, {"device": changed.device, "name": changed.name}, as_json=as_json)


@app.command(epilog="Example: handrail device move kiosk-2 'Waiting room'")
def move(
    context: typer.Context,
    device: DeviceId,
    room: Annotated[
        str,
        typer.Argument(
            metavar="ROOM", help="Where it is now, at most 64 characters; '' for no room."
        ),
    ],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Change the room that a screen is in."""
    with program(context).reach(data) as admin:
        changed = admin.change_device(device, room=room.strip())
    facts = {"device": changed.device, "room": changed.room or "none"}
    _print(changed, facts, as_json=as_json)


@app.command(epilog="Example: handrail device code kiosk-2 --url https://box.example")
def code(
    context: typer.Context,
    device: DeviceId,
    *,
    url: Url = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Print a new pairing code for a screen whose browser was reset. Its id and name stay.

    The old credential works until the code is used. If the screen is lost, revoke it first.
    """
    from clients.cli.enrolment import print_enrolled
    from clients.cli.pairing_page import pages_address

    refuse_missing(data)
    with _reach(context, data) as (admin, pages):
        address = pages_address(url, pages)
        print_enrolled(admin.new_device_code(device), address, as_json=as_json)


@app.command(epilog="Example: handrail device replace kiosk-2 --json")
def replace(
    context: typer.Context, device: DeviceId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Replace a screen's secret at once. Its id and name stay; the old one is disconnected."""
    from clients.cli.enrolment import print_enrolled

    with program(context).reach(data) as admin:
        print_enrolled(admin.replace_device(device), None, as_json=as_json)


@app.command(epilog="Example: handrail device revoke kiosk-2")
def revoke(
    context: typer.Context, device: DeviceId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Revoke a screen's credential. The screen is disconnected and leaves its session."""
    with program(context).reach(data) as admin:
        revoked = admin.revoke_device(device)
    _print(revoked, {"revoked": revoked.device}, as_json=as_json)


@app.command(epilog="Example: handrail device retire kiosk-2")
def retire(
    context: typer.Context, device: DeviceId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Revoke a screen permanently and hide it. Its log entries remain."""
    with program(context).reach(data) as admin:
        retired = admin.retire_device(device)
    _print(retired, {"retired": retired.device}, as_json=as_json)


def _print(answer: Any, facts: dict[str, str], *, as_json: bool) -> None:
    from clients.cli.output import plain, print_facts, print_json

    if as_json:
        print_json(plain(answer))
    else:
        print_facts(facts)
