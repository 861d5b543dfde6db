"""Requests for records, documents, keys and log signatures, and their answers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import AnyJson, FieldId, Identifier, Sha256, Timestamp, Wire, absent
from schemas.wire.request_base import AnswerBase, RequestBase
from schemas.wire.seals import ExportFormat, Paper, Seal
from schemas.wire.views import DocumentStatus


class ExportSession(RequestBase):
    """Export a session's record or one document; `READ_EXPORT` then sends its bytes."""

    type: Literal["EXPORT_SESSION"] = "EXPORT_SESSION"
    session: Identifier
    format: ExportFormat
    field_id: Annotated[FieldId | None, Field(exclude_if=absent)] = None
    """The document's field, if the format is `document`."""
    paper: Paper = "us-letter"

    @model_validator(mode="after")
    def _document_or_not(self) -> Self:
        if (self.format == "document") != (self.field_id is not None):
            raise ValueError("`field_id` is required for documents and not allowed otherwise")
        return self


class ExportDelivery(RequestBase):
    """Export a session's record once more as it is delivered to a destination, byte by byte.

    It is the same as what was sent, unless the form's mapping or the program changed since.
    """

    type: Literal["EXPORT_DELIVERY"] = "EXPORT_DELIVERY"
    session: Identifier
    destination: Identifier


class ReadExport(RequestBase):
    """Request the next bytes of an export, sent like a document's: `…/{export}/{offset}`."""

    type: Literal["READ_EXPORT"] = "READ_EXPORT"
    session: Identifier
    export: Identifier
    offset: Annotated[int, Field(ge=0)]


class ListDocuments(RequestBase):
    """List the documents of an open or ended session."""

    type: Literal["LIST_DOCUMENTS"] = "LIST_DOCUMENTS"
    session: Identifier


class CreateCopyLink(RequestBase):
    """Create the link with which the patient takes a copy of the record along; it works once.

    For the patient's screen of a completed session, where its view has `copy_offered`. A new link
    replaces the session's earlier one; the same request, sent again, gets the same link.
    """

    type: Literal["CREATE_COPY_LINK"] = "CREATE_COPY_LINK"
    session: Identifier


class RotateKey(RequestBase):
    """Re-encrypt all keys with a new box key, or with the first configured one."""

    type: Literal["ROTATE_KEY"] = "ROTATE_KEY"


class SignLog(RequestBase):
    """Sign the log's head, as a receipt to be stored off the box."""

    type: Literal["SIGN_LOG"] = "SIGN_LOG"


class SessionExported(AnswerBase):
    """An export is ready to be read, for a few minutes."""

    type: Literal["SESSION_EXPORTED"] = "SESSION_EXPORTED"
    export: Identifier
    seal: Seal


class ExportRead(AnswerBase):
    """The number of bytes sent from `offset` on; 0 at the end."""

    type: Literal["EXPORT_READ"] = "EXPORT_READ"
    export: Identifier
    offset: int
    sent: int


class DocumentLine(Wire):
    """A summary of a document."""

    field_id: FieldId
    status: DocumentStatus
    media_type: str
    size: int
    """Bytes, as stored."""
    sha256: Sha256
    """Of the document as stored."""
    original_sha256: Sha256
    """Of the document as the patient screen sent it."""
    received_at: Timestamp | None


class Documents(AnswerBase):
    """The documents of a session."""

    type: Literal["DOCUMENTS"] = "DOCUMENTS"
    session: Identifier
    documents: tuple[DocumentLine, ...]


class CopyLink(AnswerBase):
    """The link works once, until `expires_at`, and not after a restart of the box."""

    type: Literal["COPY_LINK"] = "COPY_LINK"
    path: Annotated[str, Field(pattern=r"^/copy#[A-Za-z0-9_-]{22}$", repr=False)]
    """Below the address of the pages. The fragment is the token that the page POSTs to `/copy`."""
    expires_at: Timestamp


class KeyRotated(AnswerBase):
    """All keys were re-encrypted with another box key."""

    type: Literal["KEY_ROTATED"] = "KEY_ROTATED"
    keys: int


class LogSigned(AnswerBase):
    """The log's head, signed; bytes in hex."""

    type: Literal["LOG_SIGNED"] = "LOG_SIGNED"
    receipt: dict[str, AnyJson]


RecordRequest = (
    ExportSession
    | ExportDelivery
    | ReadExport
    | ListDocuments
    | CreateCopyLink
    | RotateKey
    | SignLog
)
RecordAnswer = SessionExported | ExportRead | Documents | CopyLink | KeyRotated | LogSigned
