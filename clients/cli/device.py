"""`handrail device`: enroll, list and revoke devices."""

from enum import StrEnum
from typing import Annotated

import typer

from clients.cli.context import DATA, AsJson, Data, program
from clients.cli.output import moment, plain, print_facts, print_json
from clients.cli.output import print_table as table
from schemas.base import Role
from schemas.wire.requests import DeviceLine

app = typer.Typer(
    help="Enroll, list and revoke screens.",
    epilog="Example: handrail device list",
    no_args_is_help=True,
)


class ScreenRole(StrEnum):
    """The roles that a screen can be enrolled with."""

    FACILITY = "facility"
    PATIENT = "patient"


@app.command(epilog="Example: handrail device enrol 'Front desk' --role facility --json")
def enrol(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Display name, at most 64 characters.")
    ],
    *,
    role: Annotated[
        ScreenRole,
        typer.Option(metavar="facility|patient", help="A front-desk screen, or a kiosk."),
    ],
    code: Annotated[
        bool, typer.Option("--code", help="Print a code to type on the screen, not a secret.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Enroll a screen. The secret is shown only once; a code is valid for ten minutes."""
    with program(context).reach(data) as admin:
        enrolled = admin.enrol_device(name, Role(role), "code" if code else "secret")
    if as_json:
        print_json(plain(enrolled))
        return
    facts = {"device": enrolled.device, "role": enrolled.role, "site": enrolled.site}
    if enrolled.code:
        facts["code"] = enrolled.code
        facts["until"] = moment(enrolled.code_expires_at)
    else:
        facts["secret"] = enrolled.secret or ""
    print_facts(facts)


@app.command("list", epilog="Example: handrail device list")
def list_devices(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Include the command line's own devices.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List the screens, including revoked ones."""
    with program(context).reach(data) as admin:
        found = admin.list_devices().devices
    devices = [d for d in found if everything or d.role is not Role.ADMIN]
    if as_json:
        print_json(plain(devices))
        return
    rows = [(d.device, d.name, d.role, _state(d), moment(d.enrolled_at)) for d in devices]
    table(
        ("device", "name", "role", "state", "enrolled"),
        rows,
        "No screen is enrolled; enroll one with `handrail device enrol`.",
    )


def _state(device: DeviceLine) -> str:
    if device.revoked:
        return "revoked"
    return ("online" if device.online else "offline") + (", guest" if device.guest else "")


@app.command(epilog="Example: handrail device revoke kiosk-2")
def revoke(
    context: typer.Context,
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="A device id from `handrail device list`.")
    ],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Revoke a screen's credential. The screen is disconnected and leaves its session."""
    with program(context).reach(data) as admin:
        revoked = admin.revoke_device(device)
    if as_json:
        print_json(plain(revoked))
    else:
        print_facts({"revoked": revoked.device})
