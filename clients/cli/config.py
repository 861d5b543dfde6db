"""`handrail config`: show, check and create the configuration file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.context import DATA, USAGE, AsJson, Config, Data, Failure, UnownedData, named

if TYPE_CHECKING:
    from session_controller.configuration.reading import Configured
    from session_controller.configuration.sections import Known

app = typer.Typer(
    help="Show, check and create the configuration of the box.",
    epilog="Example: handrail config show",
    no_args_is_help=True,
)


@app.command(epilog="Example: handrail config show --json")
def show(
    context: typer.Context, *, config: Config = None, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Show each value and where it is from: the default, the file or the environment.

    Passwords are left out. The options of a running `handrail serve` are not known here.
    """
    from clients.cli.configured import configured
    from clients.cli.output import print_json, print_table, say
    from session_controller.configuration.sections import known

    found = configured(data, named(context))
    lines = [_line(found, one) for one in known()]
    if as_json:
        print_json({"file": found.file and str(found.file), "values": lines})
        return
    rows = [(line["key"], line["value"] or "", line["from"], line["applied"]) for line in lines]
    print_table(("key", "value", "from", "a change needs"), rows, "", prose=("value",))
    say(f"file: {found.file or 'none'}")


def _line(found: "Configured", one: "Known") -> dict[str, Any]:
    source = found.sources.get(one.path, "default")
    return {
        "key": one.path,
        "value": found.shown(one),
        "from": one.variable if source == "environment" else source,
        "applied": "reload" if one.said.live else "restart",
    }


@app.command(epilog="Example: handrail config check /etc/handrail/handrail.toml")
def check(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The file to check, in place of the configured one."),
    ] = None,
    *,
    config: Config = None,
    data: Data = DATA,
) -> None:
    """Check the configuration, with the environment and the files that it names.

    Exit code 2 names each fault with its line. Nothing is changed.
    """
    from clients.cli.configured import check as check_files
    from clients.cli.configured import configured
    from clients.cli.output import say

    found = configured(data, file or named(context))
    check_files(found, data)
    say(f"{found.file or 'no file; the configuration'}: no faults")


@app.command(epilog="Example: handrail config create --config /etc/handrail/handrail.toml")
def create(
    context: typer.Context,
    *,
    config: Config = None,
    data: UnownedData = DATA,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that there is.")] = False,
) -> None:
    """Write a configuration file that explains each key and changes nothing yet.

    It is FILE of --config, or handrail.toml in the data folder. The owner of the data folder can
    read it; only who writes it can change it.
    """
    from clients.cli.configuration_file import write_configuration
    from clients.cli.output import say
    from session_controller.configuration.toml_text import commented
    from session_controller.data_folder import CONFIGURATION_FILE

    file = named(context) or data / CONFIGURATION_FILE
    if file.exists() and not force:
        raise Failure(f"{file} exists; edit it, or replace it with --force", USAGE)
    write_configuration(file, data, commented())
    say(f"wrote {file}; each line with a key is a comment until you remove its #")
