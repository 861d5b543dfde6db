"""The patient client: data entry, documents, signatures, reading, asking for help."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from clients.sdk.client import DEFAULT_TIMEOUT, Client
from clients.sdk.notifications import Connectivity
from clients.sdk.pending import Pending
from clients.sdk.upload import Document, Upload
from schemas import topics
from schemas.topics import UploadTopic
from schemas.wire.commands import (
    AskForHelp,
    ClearField,
    DeclineSignature,
    EnterField,
    FocusField,
    ReportIdle,
    ReportReading,
    ReportReady,
    ReportScreen,
    SubmitSignature,
    WithdrawSignature,
)
from schemas.wire.devices import Assignment
from schemas.wire.requests import JoinSession, SessionJoined, Sync
from schemas.wire.views import PatientView

UPLOAD_TIMEOUT = 300.0


class PatientClient(Client[PatientView]):
    """A patient device. It sends the patient's actions and receives the newest `PatientView`.

    Each command returns a `Pending` at once; its `result()` is the view that acknowledged
    the command, or raises `Refused`.
    """

    _view_type: ClassVar[type[PatientView]] = PatientView
    _reads: ClassVar[tuple[type[topics.Topic], ...]] = (topics.AssignmentTopic,)

    @property
    def assignment(self) -> Assignment | None:
        """This device's current assignment, or None until the box has sent it."""
        return self.newest(Assignment)

    def join_by_code(self, code: str, timeout: float = DEFAULT_TIMEOUT) -> SessionJoined:
        """Join this enrolled device to the session with the code that a person typed.

        Raises CodeRefused.
        """
        return self._request(JoinSession, SessionJoined, timeout, code=code)

    def enter_field(self, session: str, field_id: str, value: Any) -> Pending[PatientView]:
        """Store a value in a field of a step that was shown; to remove one, use `clear_field`.

        A value that breaks the field's rules is accepted, and the view shows its `error`.
        """
        return self._command(session, EnterField, field_id=field_id, value=value)

    def clear_field(self, session: str, field_id: str) -> Pending[PatientView]:
        """Clear a field; `{group}[{n}]` removes that instance of a repeating group."""
        return self._command(session, ClearField, field_id=field_id)

    def focus_field(self, session: str, field_id: str | None) -> Pending[PatientView]:
        """Report which field has the focus."""
        return self._command(session, FocusField, field_id=field_id)

    def report_reading(
        self, session: str, field_id: str, fraction: float, seconds: float | None = None
    ) -> Pending[PatientView]:
        """Report how far a consent text was read, from 0 to 1, and for how long it was shown.

        `seconds` is the total so far. The box ignores a lower value than it has.
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

        The signature is bound to the text, in the `language` shown, by its SHA-256: by default
        the one in the view's signature request. Raises ValueError if the view has none.
        A person who signs for the patient passes a `relationship` and a `printed_name`.
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
            raise ValueError("the text to be signed is not available in this language")
        return found

    def decline_signature(self, session: str, reason: str | None = None) -> Pending[PatientView]:
        """Decline the requested signature, which ends signing mode."""
        return self._command(session, DeclineSignature, reason=reason)

    def withdraw_signature(
        self, session: str, field_id: str, reason: str | None = None
    ) -> Pending[PatientView]:
        """Withdraw a signature of the current step; it counts as missing from then on."""
        return self._command(session, WithdrawSignature, field_id=field_id, reason=reason)

    def report_ready(self, session: str, step_id: str) -> Pending[PatientView]:
        """Report that the patient is done with the current step.

        Refused as `step_incomplete` while something is missing. Where the patient may pass the step
        alone, the session moves to the next one.
        """
        return self._command(session, ReportReady, step_id=step_id)

    def ask_for_help(self, session: str, step_id: str | None = None) -> Pending[PatientView]:
        """Request help from staff, or with `step_id` that they open a step again."""
        return self._command(session, AskForHelp, step_id=step_id)

    def report_idle(self, session: str, *, idle: bool) -> Pending[PatientView]:
        """Report that nobody answers at this screen, or that somebody does again.

        After a time that the site sets, an idle screen is locked: its view has no values until
        staff show it again.
        """
        return self._command(session, ReportIdle, idle=idle)

    def report_screen(
        self, session: str, *, language: str | None = None, text_percent: int = 100
    ) -> Pending[PatientView]:
        """Report the language and the text size that the patient has chosen."""
        return self._command(session, ReportScreen, language=language, text_percent=text_percent)

    def upload(
        self,
        session: str,
        field_id: str,
        data: bytes,
        media_type: str,
        timeout: float | None = UPLOAD_TIMEOUT,
    ) -> PatientView:
        """Upload a document, resuming after each lost connection.

        Returns the view that shows it as received. Raises Refused, UploadFailed or TimedOut.
        """
        return self.start_upload(session, field_id, data, media_type).result(timeout)

    def start_upload(
        self, session: str, field_id: str, data: bytes, media_type: str
    ) -> Pending[PatientView]:
        """Start an upload and return at once; the result is set when the document is received."""
        pending: Pending[PatientView] = Pending(self._loop)
        document = Document(session, field_id, data, media_type)
        self._loop.run(Upload(self, document, pending).begin)
        return pending

    # Used by uploads

    def command(
        self, session: str, kind: Callable[..., Any], **fields: Any
    ) -> Pending[PatientView]:
        """Send a command of a type of `schemas.wire.commands`."""
        return self._command(session, kind, **fields)

    def synchronize(self, session: str) -> Pending[Any]:
        """Request that the view be published again, without waiting."""
        return self.pending_request(Sync, session=session)

    def current(self, session: str) -> PatientView | None:
        """Return the newest view, or None if none has arrived."""
        return self.view(session)

    def send_chunk(
        self, session: str, upload: str, offset: int, data: bytes, done: Callable[[], None]
    ) -> None:
        """Publish bytes of a document."""
        topic = UploadTopic(session, self.credential.device, upload, str(offset))
        self._exchange.send_chunk(topic, data, done)

    def on_connectivity(self, callback: Callable[[Connectivity], object]) -> Callable[[], None]:
        """Call `callback` whenever the connection is lost or established."""
        return self.on(Connectivity, callback)
