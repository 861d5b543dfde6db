"""The interface of record writers that a destination uses."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.wire.destinations import FileFormat
from session_controller.export.record import Record

MEDIA_TYPES: Mapping[FileFormat, str] = {
    "fhir": "application/fhir+json",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
Resource = dict[str, Any]
"""A FHIR resource as JSON."""


def encoded(resource: Resource) -> bytes:
    """Encode a resource as it is sent to a server or written to a file."""
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()


class UnwritableError(Exception):
    """A record cannot be written in a format; says why, without what was entered."""


class HeldError(Exception):
    """A record is not to be delivered yet: `missing` names the elements that the Patient lacks."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"the patient is not identified: no {' and no '.join(missing)}")
        self.missing = missing


class Single(Protocol):
    """An entry of a transaction Bundle, as a single request (FHIR R4, 3.1.0.11)."""

    @property
    def method(self) -> str:
        """`POST` or `PUT`."""

    @property
    def url(self) -> str:
        """Relative to the server's base."""

    @property
    def if_none_exist(self) -> str | None:
        """The header `If-None-Exist` (3.1.0.8.1)."""

    @property
    def resource(self) -> Resource:
        """The resource to send."""

    @property
    def full_url(self) -> str:
        """The URN by which the other entries refer to it."""


@dataclass(frozen=True, slots=True)
class Formats:
    """Writers of a record: pure functions, which may take a second for large documents.

    They are called on a separate thread, and raise `UnwritableError`. Writers of FHIR raise
    `HeldError` for a record whose patient is not identified.
    """

    transaction: Callable[[Record], Resource]
    """Writes a FHIR transaction Bundle."""
    singles: Callable[[Resource], Sequence[Single]]
    """Returns the Bundle's entries, each after those it refers to."""
    files: Mapping[FileFormat, Callable[[Record], bytes]]
