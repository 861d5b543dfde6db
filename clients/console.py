"""What all commands of the command line share: options, the box they reach, how they fail."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.credential import Credential

if TYPE_CHECKING:
    from clients.admin import AdminClient

DONE, FAILED, USAGE, UNAVAILABLE = 0, 1, 2, 3
"""Exit codes: done; refused or failed; used wrongly; no box can be reached or started."""

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="HANDRAIL_DATA",
        help="The box's data folder.",
        show_default="data",
        file_okay=False,
    ),
]
DATA = Path("data")
Unused = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Taken as by all commands; not needed here."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Failure(Exception):  # noqa: N818 - what the user reads, rather than an error of ours
    """A command cannot go on: the message says why and what to do next; `code` is its exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Place:
    """A box that serves: where, and this command's own credential with it."""

    url: str
    credential: Credential = field(repr=False)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a look through the log found."""

    entries: int
    signed: int
    """The newest entry that a signature covers."""
    sessions: int
    purged: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What the program hands to its commands."""

    visit: Callable[[Path], AbstractContextManager[Place]]
    """Gives the box that runs on a data folder, or starts one there while the `with` lasts."""
    running: Callable[[Path], AbstractContextManager[Place]]
    """The same, but raises `Failure` where none runs."""
    command: tuple[str, ...]
    """How to run this program again, in a process of its own."""
    audit: Callable[[Path, str | None], Audit] = field(kw_only=True)
    """Goes through the log of a data folder; with a receipt, if there is one."""
    entries: Callable[[Path, int, str | None], Iterator[Mapping[str, Any]]] = field(kw_only=True)
    """Gives the log's entries after one, of one session or all."""

    def runs(self, data: Path) -> bool:
        """Tell whether a box runs on a data folder."""
        try:
            with self.running(data):
                return True
        except Failure:
            return False

    @contextmanager
    def reach(self, data: Path) -> "Iterator[AdminClient]":
        """Connect as facility IT to the box of a data folder."""
        from clients.admin import AdminClient  # noqa: PLC0415 - a box that serves needs no client

        with self.visit(data) as place, AdminClient(place.url, place.credential) as admin:
            yield admin


def bare(url: str) -> str:
    """Give a broker's URL without the user and password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def program(context: typer.Context) -> Program:
    """Give what the program handed to this command."""
    found: Program = context.find_object(Program) or context.obj
    return found
