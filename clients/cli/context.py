"""What all commands share: common options, access to a box, exit codes and failures."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.owner import act_as_owner
from session_controller.configuration import values

if TYPE_CHECKING:
    from clients.sdk.admin import AdminClient
    from clients.sdk.credential import Credential

DONE, FAILED, USAGE, UNAVAILABLE, UNUSABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""Exit codes: success; refused or failed; invalid usage; no box can be reached or started; the data
cannot be used until a person has acted, so that another start would fail as well; Ctrl-C.

docs/reference/errors.md explains them.
"""


def _data_option(**more: Any) -> Any:
    return typer.Option(
        "--data",
        metavar="DIR",
        envvar="HANDRAIL_DATA",
        help="The box's data folder.",
        show_default="data",
        file_okay=False,
        **more,
    )


Data = Annotated[Path, _data_option(callback=act_as_owner)]
UnownedData = Annotated[Path, _data_option()]
"""For a command that writes outside the folder too, as root: it becomes the owner by itself."""
DATA = Path("data")
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="HANDRAIL_CONFIG",
        help="The configuration file; by default handrail.toml in the data folder, if it exists.",
    ),
]
Unused = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Accepted for consistency; not used here."),
]
MAX_LISTED = 1_000_000
Limit = Annotated[
    int,
    typer.Option(
        "--limit",
        min=1,
        max=MAX_LISTED,
        metavar="N",
        help="List at most so many, the newest first.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Failure(Exception):  # noqa: N818 - a message for the user, not an error in the program
    """A command failed: the message says why and what to do next; `code` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Place:
    """A running box: its URL, and this command's credential."""

    url: str
    credential: "Credential" = field(repr=False)
    pages: str | None = None
    """The HTTP address of its pages, as it listens, or None if it serves none."""


@dataclass(frozen=True, slots=True)
class Program:
    """What the program provides to its commands."""

    visit: Callable[[Path], AbstractContextManager[Place]]
    """Enter the box that runs on a data folder, or start one for the duration of the `with`."""
    running: Callable[[Path], AbstractContextManager[Place]]
    """The same, but raises `Failure` if none runs."""
    command: tuple[str, ...]
    """The command that runs this program in a separate process."""
    broker: Callable[..., Any]
    """Create a box's own broker."""
    examples: Path
    """The example questionnaires of a new box."""

    def runs(self, data: Path) -> bool:
        """Return whether a box runs on a data folder."""
        try:
            with self.running(data):
                return True
        except Failure:
            return False

    @contextmanager
    def reach(self, data: Path, *, makes: bool = False) -> "Iterator[AdminClient]":
        """Connect to the box of a data folder as an admin.

        `makes` is whether a command may be the first on a new folder; another would then show an
        empty box for a mistyped one. Raises `Failure`.
        """
        from clients.sdk.admin import AdminClient

        if not makes:
            refuse_missing(data)
        with self.visit(data) as place, AdminClient(place.url, place.credential) as admin:
            yield admin


def named(context: typer.Context) -> Path | None:
    """Return the configuration file that a command or the environment names.

    HANDRAIL_CONFIG is of the box in HANDRAIL_DATA: it does not count for another data folder.
    """
    file: Path | None = context.params["config"]
    source, data = context.get_parameter_source("config"), os.environ.get("HANDRAIL_DATA")
    if source is None or source.name != "ENVIRONMENT" or data is None:
        return file
    return file if Path(data) == context.params["data"] else None


def refuse_missing(data: Path) -> None:
    """Raise `Failure` if no box was ever started on a folder."""
    from session_controller.data_folder import ADMINS_FILE, DATABASE_FILE

    if any((data / name).exists() for name in (DATABASE_FILE, ADMINS_FILE)):
        return
    from session_controller.security.encryption import KEY_FILE

    if not (data / KEY_FILE).exists():
        raise Failure(
            f"{data} is not the data folder of a box; name it with --data, or make one with "
            f"`handrail setup --data {data}` or `handrail serve --data {data}`",
            UNAVAILABLE,
        )


bare = values.bare


def program(context: typer.Context) -> Program:
    """Return the `Program` of the current command."""
    found: Program = context.find_object(Program) or context.obj
    return found
