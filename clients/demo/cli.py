"""`handrail demo`: one guided check-in over real connections, showing both screens."""

from pathlib import Path
from typing import Annotated

import typer

from clients.cli.context import program

app = typer.Typer()


@app.command(epilog="Example: handrail demo --once")
def demo(
    context: typer.Context,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Exit when the session is completed.")
    ] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Do not pause for reading.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Keep the data here instead of in a temporary folder."
        ),
    ] = None,
) -> None:
    """Play one guided check-in, during which the tablet is unplugged and the box is killed.

    Takes a minute. Without --once, the box stays up and two links are printed for trying it out.
    """
    from clients.demo.command import run

    run(program(context), data, once=once, fast=fast)
