"""What a purge would delete: asked before it is done."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Identifier, Timestamp, Wire, absent
from schemas.wire.request_base import RequestBase

MAX_NAMED = 100
"""Sessions that an answer names, of those that it counts."""
KeptReason = Literal["undelivered", "no_destination"]


class PreviewPurge(RequestBase):
    """Ask what PURGE_SESSIONS with the same `sessions` and `older_than_s` would delete.

    With neither: what the box will purge by itself within a day.
    """

    type: Literal["PREVIEW_PURGE"] = "PREVIEW_PURGE"
    sessions: tuple[Identifier, ...] = ()
    older_than_s: Annotated[int | None, Field(ge=0, le=10**10)] = None


class KeptSession(Wire):
    """A session whose time is over, and why it is kept nevertheless."""

    session: Identifier
    reason: KeptReason
    destinations: Annotated[tuple[Identifier, ...] | None, Field(exclude_if=absent)] = None
    """Where it has not arrived."""


class PurgePreview(RequestBase):
    """What would be deleted: how many, when they ended, and which are held back."""

    type: Literal["PURGE_PREVIEW"] = "PURGE_PREVIEW"
    count: Annotated[int, Field(ge=0)]
    oldest: Timestamp | None = None
    """When the first of them ended."""
    newest: Timestamp | None = None
    sessions: Annotated[tuple[Identifier, ...], Field(max_length=MAX_NAMED)] = ()
    """The first of them, the oldest first."""
    kept: Annotated[tuple[KeptSession, ...], Field(max_length=MAX_NAMED)] = ()
    """The first of `kept_count`."""
    kept_count: Annotated[int, Field(ge=0)] = 0
    doubted: bool = False
    """Whether the box purges nothing by itself at present, as it does not trust its clock."""
