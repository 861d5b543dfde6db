"""The patient's screen: data entry, documents, signatures, reading, asking for help."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from clients.client import DEFAULT_TIMEOUT, Client
from clients.news import Connectivity
from clients.pending import Pending
from clients.uploads import Document, Upload
from schemas import topics
from schemas.commands import (
    AskForHelp,
    ClearField,
    DeclineSignature,
    EnterField,
    FocusField,
    ReportReading,
    SubmitSignature,
    WithdrawSignature,
)
from schemas.devices import Assignment
from schemas.requests import JoinSession, SessionJoined, Sync
from schemas.topics import UploadTopic
from schemas.views import PatientView

UPLOAD_TIMEOUT = 300.0


class PatientClient(Client[PatientView]):
    """A patient's device. It sends what the patient does and shows the newest `PatientView`.

    Each command returns at once with a `Pending`, whose `result()` is the view that acknowledged
    it, or raises `Refused`.
    """

    _view_type: ClassVar[type[PatientView]] = PatientView
    _reads: ClassVar[tuple[type[topics.Topic], ...]] = (topics.AssignmentTopic,)

    @property
    def assignment(self) -> Assignment | None:
        """The session that this device is in now; None before the box said so."""
        return self.newest(Assignment)

    def join_by_code(self, code: str, timeout: float = DEFAULT_TIMEOUT) -> SessionJoined:
        """Bring this enrolled device into the session whose code a person typed.

        Raises CodeRefused.
        """
        return self._request(JoinSession, SessionJoined, timeout, code=code)

    def enter_field(self, session: str, field_id: str, value: Any) -> Pending[PatientView]:
        """Store a value of a field of the current step; None is not a value, `clear_field` is.

        A value that breaks the field's rules is accepted, and the view shows its `error`.
        """
        return self._command(session, EnterField, field_id=field_id, value=value)

    def clear_field(self, session: str, field_id: str) -> Pending[PatientView]:
        """Empty a field; `{group}[{n}]` takes that instance of a repeating group out."""
        return self._command(session, ClearField, field_id=field_id)

    def focus_field(self, session: str, field_id: str | None) -> Pending[PatientView]:
        """Tell the staff where the patient is."""
        return self._command(session, FocusField, field_id=field_id)

    def report_reading(
        self, session: str, field_id: str, fraction: float, seconds: float | None = None
    ) -> Pending[PatientView]:
        """Tell how far a consent text was read, from 0 to 1, and for how long it was shown.

        Neither ever falls; `seconds` are all of them so far.
        """
        return self._command(
            session, ReportReading, field_id=field_id, fraction=fraction, seconds=seconds
        )

    def submit_signature(
        self,
        session: str,
        field_id: str,
        strokes: Iterable[Iterable[Sequence[float]]],
        document_sha256: str | None = None,
        *,
        language: str | None = None,
        printed_name: str | None = None,
        relationship: str | None = None,
    ) -> Pending[PatientView]:
        """Sign; strokes are lists of `(x, y, t_ms)`, x and y from 0 to 1.

        The signature is bound to the text, in the `language` that was shown, by its SHA-256: by
        default the one that the view's signature request names. Raises ValueError where the view
        names none. `relationship` is of who signs for the patient, who then has a `printed_name`.
        """
        if document_sha256 is None:
            document_sha256 = self._requested(session, language)
        return self._command(
            session,
            SubmitSignature,
            field_id=field_id,
            strokes=tuple(tuple(tuple(point) for point in stroke) for stroke in strokes),
            document_sha256=document_sha256,
            language=language,
            printed_name=printed_name,
            relationship=relationship,
        )

    def _requested(self, session: str, language: str | None) -> str:
        view = self.view(session)
        signature = view.signature if view is not None else None
        if signature is None:
            raise ValueError("no signature is requested")
        if language is None:
            return signature.document_sha256
        found = (signature.documents_sha256 or {}).get(language)
        if found is None:
            raise ValueError("the text to be signed comes in no such language")
        return found

    def decline_signature(self, session: str, reason: str | None = None) -> Pending[PatientView]:
        """Refuse to sign."""
        return self._command(session, DeclineSignature, reason=reason)

    def withdraw_signature(
        self, session: str, field_id: str, reason: str | None = None
    ) -> Pending[PatientView]:
        """Take back a signature of the current step; it is missing from then on."""
        return self._command(session, WithdrawSignature, field_id=field_id, reason=reason)

    def ask_for_help(self, session: str) -> Pending[PatientView]:
        """Raise a flag on the staff's screen."""
        return self._command(session, AskForHelp)

    def upload(
        self,
        session: str,
        field_id: str,
        data: bytes,
        media_type: str,
        timeout: float | None = UPLOAD_TIMEOUT,
    ) -> PatientView:
        """Upload a document, going on where it stopped after each lost connection.

        Gives the view that shows it as received. Raises Refused, UploadFailed or TimedOut.
        """
        return self.start_upload(session, field_id, data, media_type).result(timeout)

    def start_upload(
        self, session: str, field_id: str, data: bytes, media_type: str
    ) -> Pending[PatientView]:
        """Begin an upload and return; the result comes when the document is received."""
        pending: Pending[PatientView] = Pending(self._loop)
        document = Document(session, field_id, data, media_type)
        self._loop.run(Upload(self, document, pending).begin)
        return pending

    # What an upload needs

    def command(
        self, session: str, kind: Callable[..., Any], **fields: Any
    ) -> Pending[PatientView]:
        """Send a command of a type of `schemas.commands`."""
        return self._command(session, kind, **fields)

    def synchronize(self, session: str) -> Pending[Any]:
        """Have the view published again, without waiting."""
        return self.pending_request(Sync, session=session)

    def current(self, session: str) -> PatientView | None:
        """Give the newest view."""
        return self.view(session)

    def send_chunk(
        self, session: str, upload: str, offset: int, data: bytes, done: Callable[[], None]
    ) -> None:
        """Publish bytes of a document."""
        topic = UploadTopic(session, self.credential.device, upload, str(offset))
        self._exchange.send_chunk(topic, data, done)

    def on_connectivity(self, callback: Callable[[Connectivity], object]) -> Callable[[], None]:
        """Hear when the connection goes and comes."""
        return self.on(Connectivity, callback)
