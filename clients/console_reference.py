"""docs/command-line.md, written from the commands themselves; a test compares."""

import sys
from collections.abc import Iterator
from typing import Any

import typer

from clients.console import Unused

_HEAD = """# The command line

Written by `handrail reference > docs/command-line.md`; a test compares it with the program.

`./run handrail …` runs it from a checkout, `handrail …` where it is installed.

**Data folder.** Every command but `broker …` takes `--data DIR`; without it, `$HANDRAIL_DATA`
counts, and else `./data`. A command that reads or changes what a box holds goes through that box's
controller, over MQTT, as facility IT's own device (`admin-1` to `admin-8`, whose secrets the folder
holds). Where no box runs on the folder, the command starts one on a free port of this machine for
as long as it takes, and does the same.

**Output.** Data goes to stdout, with `--json` as JSON; everything else goes to stderr.

**Exit codes.** 0: done. 1: refused, or failed. 2: used wrongly. 3: no box can be reached or started
(none runs, the data folder or a port is in use, or it does not answer). 130: stopped by Ctrl-C.
After a failure stderr says what to do next; with `HANDRAIL_DEBUG=1` a defect shows its traceback.
"""

app = typer.Typer()


@app.command(hidden=True, epilog="Example: handrail reference > docs/command-line.md")
def reference(context: typer.Context, data: Unused = None) -> None:  # noqa: ARG001
    """Print the reference of all commands, as Markdown."""
    sys.stdout.write(command_reference(context.find_root().command))


def command_reference(root: Any) -> str:
    """Describe all commands of a program."""
    parts = [_HEAD]
    for names, command in _commands(root, ()):
        parts.append(f"\n## `handrail {' '.join(names)}`\n\n{_body(names, command)}")
    return "".join(parts)


def _commands(group: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk through the commands that are not hidden."""
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from _commands(command, (*names, name))
        elif not command.hidden:
            yield (*names, name), command


def _body(names: tuple[str, ...], command: Any) -> str:
    arguments = [_argument(p) for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["handrail", *names, "[OPTIONS]", *arguments])
    example = (command.epilog or "").removeprefix("Example: ")
    lines = [" ".join((command.help or "").split()), "", f"    {usage}", ""]
    rows = [row for parameter in command.params if (row := _row(parameter))]
    if rows:
        lines += ["| | |", "| --- | --- |", *rows, ""]
    lines += [f"Example: `{example}`", ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str | None:
    if parameter.param_type_name == "argument":
        name = _argument(parameter)
    elif parameter.name == "help":
        return None
    else:
        name = " ".join(filter(None, (", ".join(parameter.opts), parameter.metavar)))
    name = name.replace("|", "\\|")
    about = [parameter.help or ""]
    if parameter.required:
        about.append("Required.")
    elif parameter.name == "data" and parameter.envvar and parameter.default is not None:
        about.append("Else `$HANDRAIL_DATA`, else `data`.")
    elif isinstance(parameter.default, int | float | str) and not _is_flag(parameter):
        about.append(f"Default: `{getattr(parameter.default, 'value', parameter.default)}`.")
    return f"| `{name}` | {' '.join(about).strip()} |"


def _argument(parameter: Any) -> str:
    name: str = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _is_flag(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False))
