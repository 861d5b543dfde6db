"""Facility IT asks for records, documents, keys and signatures of the log; and the answers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import AnyJson, FieldId, Identifier, Sha256, Timestamp, Wire, absent
from schemas.request_base import RequestBase
from schemas.seals import ExportFormat, Paper, Seal
from schemas.views import DocumentStatus


class ExportSession(RequestBase):
    """Give a session's record, or a document of it, in a format; `READ_EXPORT` gives its bytes."""

    type: Literal["EXPORT_SESSION"] = "EXPORT_SESSION"
    session: Identifier
    format: ExportFormat
    field_id: Annotated[FieldId | None, Field(exclude_if=absent)] = None
    """Of the document, where that is the format."""
    paper: Paper = "us-letter"

    @model_validator(mode="after")
    def _document_or_not(self) -> Self:
        if (self.format == "document") != (self.field_id is not None):
            raise ValueError("a document has a `field_id`, and nothing else does")
        return self


class ReadExport(RequestBase):
    """Have the next bytes of an export sent, as those of a document are: `…/{export}/{offset}`."""

    type: Literal["READ_EXPORT"] = "READ_EXPORT"
    session: Identifier
    export: Identifier
    offset: Annotated[int, Field(ge=0)]


class ListDocuments(RequestBase):
    """List the documents of a session, whether open or ended."""

    type: Literal["LIST_DOCUMENTS"] = "LIST_DOCUMENTS"
    session: Identifier


class RotateKey(RequestBase):
    """Wrap all keys anew: by a new key of the box, or by the newest that it was given."""

    type: Literal["ROTATE_KEY"] = "ROTATE_KEY"


class SignLog(RequestBase):
    """Sign the log's head now, as a receipt to be kept elsewhere."""

    type: Literal["SIGN_LOG"] = "SIGN_LOG"


class SessionExported(RequestBase):
    """An export is ready to be read, for some minutes."""

    type: Literal["SESSION_EXPORTED"] = "SESSION_EXPORTED"
    export: Identifier
    seal: Seal


class ExportRead(RequestBase):
    """So many bytes from `offset` on were sent; none is left where it is the end."""

    type: Literal["EXPORT_READ"] = "EXPORT_READ"
    export: Identifier
    offset: int
    sent: int


class DocumentLine(Wire):
    """A document in a line."""

    field_id: FieldId
    status: DocumentStatus
    media_type: str
    size: int
    """Bytes, as it is kept."""
    sha256: Sha256
    """Of the document as it is kept."""
    original_sha256: Sha256
    """Of what the patient's screen sent."""
    received_at: Timestamp | None


class Documents(RequestBase):
    """The documents of a session."""

    type: Literal["DOCUMENTS"] = "DOCUMENTS"
    session: Identifier
    documents: tuple[DocumentLine, ...]


class KeyRotated(RequestBase):
    """All keys are wrapped by another key of the box."""

    type: Literal["KEY_ROTATED"] = "KEY_ROTATED"
    keys: int


class LogSigned(RequestBase):
    """The log's head, signed; bytes in hex."""

    type: Literal["LOG_SIGNED"] = "LOG_SIGNED"
    receipt: dict[str, AnyJson]


RecordRequest = ExportSession | ReadExport | ListDocuments | RotateKey | SignLog
RecordAnswer = SessionExported | ExportRead | Documents | KeyRotated | LogSigned
