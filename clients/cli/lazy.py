"""Commands imported on demand: running one imports one, `--help` imports all."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer import core
from typer.core import TyperGroup

from clients.cli.context import FAILED, INTERRUPTED
from clients.cli.owner import note

core.HAS_RICH = False  # help and usage errors as plain text: frames would load 300 ms of modules
_HIDDEN = re.compile("does not exist|is not (readable|writable)")
"""What is reported of a file that this user cannot access, when arguments are parsed."""


class LazyGroup(TyperGroup):
    """A group with its commands in the order of `places`, which maps each to its module.

    It turns exceptions into a message on stderr and an exit code; with `--json`, into JSON.
    """

    places: ClassVar[Mapping[str, str | None]] = {}
    """`module`: a command in its `app`. `module:app`: a group. None: already registered here."""

    def __init__(self, *, commands: Any, **attributes: Any) -> None:
        all_of_them: Any = _Commands(
            self.places, commands
        )  # a Mapping, where typer declares a dict
        super().__init__(commands=all_of_them, **attributes)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        as_json = "--json" in (*ctx._protected_args, *ctx.args)  # noqa: SLF001 - also of a typo
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # at exit, nobody could handle that the reader has gone
        except BrokenPipeError:
            # The reader of our output has gone; Python would report the broken pipe again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            acting = note(ctx)
            if _is_of_typer(error) and not (as_json and hasattr(error, "format_message")):
                if acting and isinstance(error, typer.BadParameter) and _HIDDEN.search(str(error)):
                    sys.stderr.write(f"handrail: {acting}\n")
                raise
            from clients.cli.errors import report

            raise typer.Exit(report(error, acting, as_json=as_json)) from None


def _is_of_typer(error: Exception) -> bool:
    """Return whether an exception ends a command as typer means it, such as a wrong option."""
    return type(error).__module__.split(".")[0] in ("typer", "click")


class _Commands(Mapping[str, Any]):
    """Commands by name; each is imported on first access."""

    def __init__(self, places: Mapping[str, str | None], here: Mapping[str, Any]) -> None:
        self._places = places
        self._loaded = dict(here)

    def __getitem__(self, name: str) -> Any:
        place = self._places[name]
        if name not in self._loaded and place is not None:
            self._loaded[name] = _load(name, place)
        return _with_first_sentence(self._loaded[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _with_first_sentence(command: Any) -> Any:
    """Show the first sentence of each command whole in lists, not cut off."""
    for one in (command, *getattr(command, "commands", {}).values()):
        first = " ".join((one.help or "").split()).partition(". ")[0]
        one.short_help = first.removesuffix(".")
    return command


def _load(name: str, place: str) -> Any:
    module, _, group = place.partition(":")
    found = getattr(import_module(module), group or "app")
    if not group:
        return typer.main.get_group(found).commands[name]
    around = typer.Typer()
    around.add_typer(found, name=name)
    return typer.main.get_group(around).commands[name]
