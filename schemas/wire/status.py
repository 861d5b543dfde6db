"""The admin request for the state of the box, and its answer. Neither contains patient data."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Identifier, Timestamp, Wire
from schemas.wire.levels import Level
from schemas.wire.request_base import RequestBase

Count = Annotated[int, Field(ge=0)]


class ShowStatus(RequestBase):
    """Show how the box is doing, and how near it is to its limits."""

    type: Literal["SHOW_STATUS"] = "SHOW_STATUS"


class ScreensStatus(Wire):
    """The screens of front desk and patients; the devices of the command line do not count."""

    enrolled: Count
    online: Count
    guests: Count
    """Patients' own phones and browsers that are in a session now."""


class SessionsStatus(Wire):
    """The open sessions by status, and those that were completed today."""

    open: Count
    waiting: Count
    active: Count
    paused: Count
    completed_today: Count
    """Since midnight at the box."""


class DeliveriesStatus(Wire):
    """The deliveries that have not arrived."""

    waiting: Count
    oldest_waiting: Timestamp | None
    """When the session was completed that has been waiting longest."""
    held: Count
    refused: Count


class BackupsStatus(Wire):
    """The backups in the data folder."""

    count: Count
    newest: Timestamp | None
    damaged: Count


class DiskStatus(Wire):
    """The file system of the data folder, in bytes."""

    total: Count
    free: Count
    reserve: Count
    """What backups and documents leave free."""
    full_in_days: float | None
    """At the growth of the last five weeks; null if there is too little to tell."""


class LimitStatus(Wire):
    """How near the box is to one of its limits."""

    limit: str
    """Its name in docs/reference/limits.md."""
    level: Count | None
    """The level now; null if there is nothing to measure, only refusals."""
    most: Count
    refused: Count
    """How often something was refused or dropped for it since the start."""


class FindingShown(Wire):
    """What a check of the box has found."""

    check: str
    level: Level
    text: str
    mend: str | None
    """The command that mends it, or what to do."""


class StatusShown(RequestBase):
    """How the box is doing now."""

    type: Literal["STATUS_SHOWN"] = "STATUS_SHOWN"
    site: Identifier
    version: str
    epoch: int
    at: Timestamp
    """The time of the box."""
    started_at: Timestamp
    addresses: tuple[str, ...]
    """Where screens reach it, without user and password."""
    disk_error: str | None
    """Why the database does not store anything now, as SQLite names it, or null."""
    screens: ScreensStatus
    sessions: SessionsStatus
    deliveries: DeliveriesStatus
    backups: BackupsStatus
    disk: DiskStatus
    limits: tuple[LimitStatus, ...]
    findings: tuple[FindingShown, ...] = ()
    """Those of the last checks, at most five minutes old; `handrail doctor` checks more."""
