"""The order of an export."""

from dataclasses import dataclass
from datetime import datetime

from schemas.wire.seals import ExportFormat, Paper


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """An order for a session's record, or for one of its documents."""

    device: str
    person: str | None
    """Who asked, for the log."""
    request_id: str
    session: str
    format: ExportFormat
    field_id: str | None
    paper: Paper
    at: datetime
    language: str | None = None
    """The language to write the record in (BCP 47); None: the one that the patient signed in."""
    delivered: bool = False
    """Whether to write the record as it is delivered, whoever asks and when."""
