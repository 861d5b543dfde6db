"""What all commands share: common options, access to a box, exit codes and failures."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.owner import act_as_owner

if TYPE_CHECKING:
    from clients.sdk.admin import AdminClient
    from clients.sdk.credential import Credential
    from schemas.questionnaire.model import Flow
    from schemas.wire.requests import PatientFields

DONE, FAILED, USAGE, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: success; refused or failed; invalid usage; no box can be reached or started; Ctrl-C.

docs/reference/errors.md explains them.
"""

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="HANDRAIL_DATA",
        help="The box's data folder.",
        show_default="data",
        file_okay=False,
        callback=act_as_owner,
    ),
]
DATA = Path("data")
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
class Audit:
    """The result of verifying the log."""

    entries: int
    """Number of the newest entry."""
    signed: int
    """Number of the newest entry that a signature covers."""
    after: int
    """The entry after which the log was verified; 0: all of it."""
    verified_at: str | None
    """When the log up to there was verified (RFC 3339), or None if it was verified now."""
    sessions: int
    purged: int
    faults: tuple[str, ...]
    stopped: bool
    """Whether there were so many faults that the rest was not verified."""
    remembered: bool
    """Whether the next verification can continue from here."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries of the log to list, newest first."""

    after: int
    before: int | None
    session: str | None
    since: datetime | None
    limit: int | None


TlsCommand = Callable[[Path, list[str], list[str]], None]
"""With a data folder, names and addresses; none: those of the machine, or those of before."""


@dataclass(frozen=True, slots=True)
class Program:
    """What the program provides to its commands."""

    visit: Callable[[Path], AbstractContextManager[Place]]
    """Enter the box that runs on a data folder, or start one for the duration of the `with`."""
    running: Callable[[Path], AbstractContextManager[Place]]
    """The same, but raises `Failure` if none runs."""
    command: tuple[str, ...]
    """The command that runs this program in a separate process."""
    audit: Callable[[Path, str | None, str], Audit] = field(kw_only=True)
    """Verify a data folder: `new`, `all` or `deep`; against a receipt if one is passed."""
    entries: Callable[[Path, Wanted], Iterator[Mapping[str, Any]]] = field(kw_only=True)
    """Yield entries of a data folder's log, newest first."""
    copy_backup: Callable[[Path, str, Path], tuple[Path, Path]] = field(kw_only=True)
    """Copy a named backup of a data folder to a folder; return the copy and its keys.

    Raises `Failure`, `OSError`.
    """
    patient_fields: "Callable[[Flow, Mapping[str, Any] | None], PatientFields]" = field(
        kw_only=True
    )
    """Return which questions of a flow say who the patient is, by its mapping file if it has one.

    Raises `Failure` if the mapping does not fit the flow.
    """

    create_tls: TlsCommand = field(kw_only=True)
    """Create a box's CA and certificate. Raises `Failure`, `OSError`."""
    renew_tls: TlsCommand = field(kw_only=True)
    """Renew a box's certificate. Raises `Failure`, `OSError`."""
    tls_facts: Callable[[Path], Mapping[str, Any]] = field(kw_only=True)
    """Return the names, dates and fingerprints of a box's certificates. Raises `Failure`."""

    def runs(self, data: Path) -> bool:
        """Return whether a box runs on a data folder."""
        try:
            with self.running(data):
                return True
        except Failure:
            return False

    @contextmanager
    def reach(self, data: Path) -> "Iterator[AdminClient]":
        """Connect to the box of a data folder as an admin."""
        from clients.sdk.admin import AdminClient

        with self.visit(data) as place, AdminClient(place.url, place.credential) as admin:
            yield admin


def bare(url: str) -> str:
    """Return a broker URL without its user and password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def program(context: typer.Context) -> Program:
    """Return the `Program` of the current command."""
    found: Program = context.find_object(Program) or context.obj
    return found
