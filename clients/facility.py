"""The staff's screen: navigation, signatures, review, the session's life."""

from typing import ClassVar

from clients.client import DEFAULT_TIMEOUT, Client
from clients.fetching import Fetch
from clients.news import Connectivity, DocumentPart
from clients.pending import Pending
from schemas import topics
from schemas.commands import (
    AnswerHelp,
    Cancel,
    CancelSignature,
    Complete,
    CoverScreen,
    FetchDocument,
    HighlightField,
    Navigate,
    Pause,
    ReplacePatientDevice,
    RequestCorrection,
    RequestSignature,
    Resume,
    ReviewDocument,
    TakeOver,
)
from schemas.devices import Lobby
from schemas.requests import JoinSession, OpenSession, SessionJoined, SessionOpened
from schemas.views import FacilityView

FETCH_TIMEOUT = 120.0


class FacilityClient(Client[FacilityView]):
    """A facility's device. It leads the sessions that it opened or took over.

    Each command returns at once with a `Pending`, whose `result()` is the view that acknowledged
    it, or raises `Refused`.
    """

    _view_type: ClassVar[type[FacilityView]] = FacilityView
    _reads: ClassVar[tuple[type[topics.Topic], ...]] = (
        topics.LobbyTopic,
        topics.DocumentTopic,
    )

    @property
    def lobby(self) -> Lobby | None:
        """The site's open sessions; None before the box said so."""
        return self.newest(Lobby)

    # Requests

    def open_session(
        self,
        flow_id: str,
        *,
        label: str | None = None,
        patient_device: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> SessionOpened:
        """Open a session with this device as its host.

        The answer holds the `code` for the patient's screen, unless an enrolled device is named.
        """
        return self._request(
            OpenSession,
            SessionOpened,
            timeout,
            flow_id=flow_id,
            label=label,
            patient_device=patient_device,
        )

    def join_session(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> SessionJoined:
        """Observe a session that another device leads; `take_over` makes this one the host."""
        return self._request(JoinSession, SessionJoined, timeout, session=session)

    # Commands

    def navigate(
        self,
        session: str,
        step_id: str,
        *,
        override_reason: str | None = None,
        expected_revision: int | None = None,
    ) -> Pending[FacilityView]:
        """Move everyone to a step.

        Forward past an incomplete step is refused as `step_incomplete`, unless the flow lets it
        be skipped and a reason is given. With `expected_revision` it is refused as
        `stale_revision` when the session has moved on since.
        """
        return self._command(
            session,
            Navigate,
            step_id=step_id,
            override_reason=override_reason,
            expected_revision=expected_revision,
        )

    def highlight_field(self, session: str, field_id: str | None) -> Pending[FacilityView]:
        """Emphasize a field on the patient's screen; None clears it."""
        return self._command(session, HighlightField, field_id=field_id)

    def request_signature(
        self, session: str, field_id: str, staff_name: str | None = None
    ) -> Pending[FacilityView]:
        """Lock the patient's screen into signing that field; `staff_name` is who asks for it."""
        return self._command(session, RequestSignature, field_id=field_id, staff_name=staff_name)

    def cancel_signature(self, session: str) -> Pending[FacilityView]:
        """Leave signing mode."""
        return self._command(session, CancelSignature)

    def request_correction(
        self, session: str, field_id: str, message: str
    ) -> Pending[FacilityView]:
        """Mark a field as to be corrected; the patient reads the message beside it."""
        return self._command(session, RequestCorrection, field_id=field_id, message=message)

    def review_document(
        self, session: str, field_id: str, *, accepted: bool, reason: str | None = None
    ) -> Pending[FacilityView]:
        """Accept an uploaded document, or send it back with a reason."""
        return self._command(
            session, ReviewDocument, field_id=field_id, accepted=accepted, reason=reason
        )

    def answer_help(self, session: str) -> Pending[FacilityView]:
        """Take the patient's call for help down."""
        return self._command(session, AnswerHelp)

    def cover_screen(self, session: str, *, covered: bool) -> Pending[FacilityView]:
        """Hide the patient's screen behind a neutral cover, or show it again."""
        return self._command(session, CoverScreen, covered=covered)

    def pause(self, session: str) -> Pending[FacilityView]:
        """Hold the session: only `resume` and `cancel` are accepted then."""
        return self._command(session, Pause)

    def resume(self, session: str) -> Pending[FacilityView]:
        """Go on after a pause."""
        return self._command(session, Resume)

    def replace_patient_device(self, session: str, device: str | None) -> Pending[FacilityView]:
        """Move the patient's side to another enrolled device, or (None) issue a new code."""
        return self._command(session, ReplacePatientDevice, device=device)

    def take_over(self, session: str) -> Pending[FacilityView]:
        """Become the host of a session that this device observes."""
        return self._command(session, TakeOver)

    def complete(self, session: str) -> Pending[FacilityView]:
        """Submit the session; refused as `session_incomplete` while something is missing."""
        return self._command(session, Complete)

    def cancel(self, session: str, reason: str) -> Pending[FacilityView]:
        """End the session unsubmitted."""
        return self._command(session, Cancel, reason=reason)

    # Documents

    def fetch_document(
        self, session: str, field_id: str, timeout: float | None = FETCH_TIMEOUT
    ) -> bytes:
        """Give the bytes of an uploaded document."""
        pending = self.start_fetch(session, field_id)
        return pending.result(timeout)

    def start_fetch(self, session: str, field_id: str) -> Pending[bytes]:
        """Ask for a document's bytes and return; they come as the result."""
        pending: Pending[bytes] = Pending(self._loop)
        fetch = Fetch(
            session,
            field_id,
            lambda: self._command(session, FetchDocument, field_id=field_id),
            pending,
        )
        undo = (
            self.on(DocumentPart, fetch.arrived),
            self.on(Connectivity, fetch.connectivity),
        )
        pending.add_done_callback(lambda _: [stop() for stop in undo])
        self._loop.run(fetch.begin)
        return pending
