"""`handrail alert`: messages about what is wrong with a box."""

import typer

from clients.cli.context import DATA, FAILED, AsJson, Data, Failure, program
from clients.cli.output import plain, print_json

app = typer.Typer(
    help="Send messages about what is wrong with the box, by e-mail, webhook or MQTT.",
    epilog="Example: handrail alert test",
    no_args_is_help=True,
)


@app.callback()
def _alert() -> None:
    """Send messages about what is wrong with the box, by e-mail, webhook or MQTT."""


@app.command("test", epilog="Example: handrail alert test --json")
def try_channels(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """Send a test message through each channel of the running box, and say the result.

    Exits with 1 if one fails, or none is configured.
    """
    from clients.cli.deliver_page import print_steps, works
    from clients.sdk.admin import AdminClient

    with program(context).running(data) as place, AdminClient(place.url, place.credential) as admin:
        steps = admin.try_alerts()
    if not steps:
        raise Failure("no channel is configured; docs/how-to/monitor.md says how", FAILED)
    if as_json:
        print_json({"works": works(steps), "channels": plain(steps)})
    else:
        print_steps(steps)
    if not works(steps):
        raise typer.Exit(FAILED)
