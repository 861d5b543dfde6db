"""`handrail broker`: commands of the standalone broker. Imports are deferred to each command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="broker",
    help="Run the MQTT broker alone, with a rules file (docs/reference/broker.md).",
    epilog="Example: handrail broker check rules.yaml",
    no_args_is_help=True,
)
RulesPath = Annotated[Path, typer.Argument(help="YAML rules file.", metavar="RULES_FILE")]


@app.command(epilog="Example: handrail broker run rules.yaml")
def run(rules_file: RulesPath) -> None:
    """Serve until SIGTERM or Ctrl-C; SIGHUP reloads users, roles and certificates."""
    from .serve import run_standalone

    raise typer.Exit(run_standalone(rules_file))


@app.command(epilog="Example: handrail broker check rules.yaml")
def check(rules_file: RulesPath) -> None:
    """Check a rules file and print its errors."""
    from .rules_file import RulesFileError, load_rules_file

    try:
        load_rules_file(rules_file)
    except RulesFileError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{rules_file}: valid")


@app.command("hash-password", epilog="Example: handrail broker hash-password")
def hash_password_command() -> None:
    """Prompt for a password, or read it from a pipe, and print its hash for the rules file."""
    from .passwords import hash_password

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        typer.echo("password must not be empty", err=True)
        raise typer.Exit(2)
    typer.echo(hash_password(password.encode()))
