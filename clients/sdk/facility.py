"""The staff client: navigation, signatures, review, and the session's lifecycle."""

from typing import ClassVar

from clients.sdk.client import DEFAULT_TIMEOUT, Client
from clients.sdk.download import Fetch
from clients.sdk.notifications import Connectivity, DocumentPart
from clients.sdk.pending import Pending
from schemas import topics
from schemas.wire.commands import (
    AnswerHelp,
    Cancel,
    CancelSignature,
    Complete,
    CorrectionFault,
    CoverScreen,
    DocumentFault,
    FetchDocument,
    HighlightField,
    Navigate,
    Pause,
    ReplacePatientDevice,
    RequestCorrection,
    RequestSignature,
    Resume,
    ReviewDocument,
    SendHelp,
    SetSelfPaced,
    TakeOver,
)
from schemas.wire.devices import Lobby
from schemas.wire.requests import (
    CancelSession,
    FieldRevealed,
    Gender,
    IdentifyPatient,
    JoinSession,
    OpenSession,
    PatientIdentified,
    RevealField,
    SessionCancelled,
    SessionJoined,
    SessionOpened,
)
from schemas.wire.staff import (
    BeginEmergencyAccess,
    BeginSignIn,
    DeskShown,
    EmergencyAccessLine,
    EmergencyAccessList,
    EmergencyAccessReviewed,
    FinishSignIn,
    ListEmergencyAccess,
    ReviewEmergencyAccess,
    ShowDesk,
    SignedIn,
    SignedOut,
    SignIn,
    SignInBegun,
    SignOut,
    StaySignedIn,
)
from schemas.wire.views import FacilityView

FETCH_TIMEOUT = 120.0
PROVIDER_TIMEOUT = 40.0
"""Seconds; the box asks the provider up to four times, and waits eight seconds for each answer."""


class FacilityClient(Client[FacilityView]):
    """A facility device. It is the host of the sessions that it opened or took over.

    Each command returns a `Pending` at once; its `result()` is the view that acknowledged
    the command, or raises `Refused`.
    """

    _view_type: ClassVar[type[FacilityView]] = FacilityView
    _reads: ClassVar[tuple[type[topics.Topic], ...]] = (
        topics.LobbyTopic,
        topics.DocumentTopic,
    )

    @property
    def lobby(self) -> Lobby | None:
        """The site's sessions that are open or wait for staff; None until the box sent them."""
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

        The answer contains the `code` for the patient screen, unless an enrolled device is named.
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
        """Join a session that another device leads, as an observer; see `take_over`."""
        return self._request(JoinSession, SessionJoined, timeout, session=session)

    def identify_patient(
        self,
        session: str,
        *,
        family: str | None = None,
        given: tuple[str, ...] = (),
        birth_date: str | None = None,
        gender: Gender | None = None,
        staff_name: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> PatientIdentified:
        """State who the patient of a completed session is, as far as the answers do not say it.

        It is recorded who stated it; what is held for lack of it is then delivered.
        """
        return self._request(
            IdentifyPatient,
            PatientIdentified,
            timeout,
            session=session,
            family=family,
            given=given,
            birth_date=birth_date,
            gender=gender,
            staff_name=staff_name,
        )

    def reveal_field(
        self, session: str, field_id: str, timeout: float = DEFAULT_TIMEOUT
    ) -> FieldRevealed:
        """Return the value of a field that views mask; the log keeps who saw it."""
        return self._request(
            RevealField, FieldRevealed, timeout, session=session, field_id=field_id
        )

    def cancel_session(
        self, session: str, reason: str, timeout: float = DEFAULT_TIMEOUT
    ) -> SessionCancelled:
        """End an open session without submitting it, whether or not it has a host.

        For facility IT, and at a front-desk screen where a supervisor is signed in.
        """
        return self._request(
            CancelSession, SessionCancelled, timeout, session=session, reason=reason
        )

    # Who is at this screen

    def show_desk(self, timeout: float = DEFAULT_TIMEOUT) -> DeskShown:
        """Return who is signed in at this screen, and who can sign in."""
        return self._request(ShowDesk, DeskShown, timeout)

    def sign_in(self, person: str, pin: str, timeout: float = DEFAULT_TIMEOUT) -> SignedIn:
        """Sign a person in at this screen.

        Raises RequestRefused with the code `pin_refused`: `tries_left` in its details, and `wait_s`
        while the person or the screen is locked.
        """
        return self._request(SignIn, SignedIn, timeout, person=person, pin=pin)

    def begin_sign_in(self, page: str, timeout: float = DEFAULT_TIMEOUT) -> SignInBegun:
        """Begin to sign a person in with the site's provider: open the answer's `url` in a browser.

        Raises RequestRefused with the code `sign_in_refused`, and a `cause` in its details.
        """
        return self._request(BeginSignIn, SignInBegun, timeout, page=page)

    def finish_sign_in(
        self,
        state: str,
        code: str | None = None,
        *,
        error: str | None = None,
        iss: str | None = None,
        timeout: float = PROVIDER_TIMEOUT,
    ) -> SignedIn:
        """Sign in whom the provider has authenticated, with what it returned to the page.

        Raises RequestRefused with the code `sign_in_refused`, and a `cause` in its details.
        """
        return self._request(
            FinishSignIn, SignedIn, timeout, state=state, code=code, error=error, iss=iss
        )

    def stay_signed_in(self, timeout: float = DEFAULT_TIMEOUT) -> SignedIn:
        """Delay the automatic log-off, as each command does."""
        return self._request(StaySignedIn, SignedIn, timeout)

    def sign_out(self, timeout: float = DEFAULT_TIMEOUT) -> SignedOut:
        """Sign out at this screen."""
        return self._request(SignOut, SignedOut, timeout)

    def begin_emergency_access(
        self, name: str, reason: str, timeout: float = DEFAULT_TIMEOUT
    ) -> SignedIn:
        """Get the rights of the front desk at a signed-out screen for 30 minutes; it is logged."""
        return self._request(BeginEmergencyAccess, SignedIn, timeout, name=name, reason=reason)

    def list_emergency_access(
        self, timeout: float = DEFAULT_TIMEOUT
    ) -> tuple[EmergencyAccessLine, ...]:
        """List the emergency access of seven days or not yet reviewed; for supervisors and IT."""
        return self._request(ListEmergencyAccess, EmergencyAccessList, timeout).accesses

    def review_emergency_access(
        self, access: str, timeout: float = DEFAULT_TIMEOUT
    ) -> EmergencyAccessReviewed:
        """Record that an emergency access was reviewed; for supervisors and IT."""
        return self._request(ReviewEmergencyAccess, EmergencyAccessReviewed, timeout, access=access)

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

        Moving forward past an incomplete step is refused as `step_incomplete`, unless a reason is
        given and the flow allows skipping it, or the patient declined all that is missing. With
        `expected_revision`, the command is refused as `stale_revision` if the session has changed.
        """
        return self._command(
            session,
            Navigate,
            step_id=step_id,
            override_reason=override_reason,
            expected_revision=expected_revision,
        )

    def highlight_field(self, session: str, field_id: str | None) -> Pending[FacilityView]:
        """Highlight a field on the patient screen; None clears the highlight."""
        return self._command(session, HighlightField, field_id=field_id)

    def request_signature(
        self, session: str, field_id: str, staff_name: str | None = None
    ) -> Pending[FacilityView]:
        """Lock the patient screen into signing a field; `staff_name` names the person who asks."""
        return self._command(session, RequestSignature, field_id=field_id, staff_name=staff_name)

    def cancel_signature(self, session: str) -> Pending[FacilityView]:
        """Cancel the request for a signature; the patient screen leaves signing mode."""
        return self._command(session, CancelSignature)

    def request_correction(
        self,
        session: str,
        field_id: str,
        message: str,
        *,
        message_code: CorrectionFault | None = None,
        language: str | None = None,
    ) -> Pending[FacilityView]:
        """Mark a field for correction; the patient sees the message next to it.

        With `message_code`, in the patient's language; `language` is that of `message`.
        """
        return self._command(
            session,
            RequestCorrection,
            field_id=field_id,
            message=message,
            message_code=message_code,
            language=language,
        )

    def review_document(
        self,
        session: str,
        field_id: str,
        *,
        accepted: bool,
        reason: str | None = None,
        reason_code: DocumentFault | None = None,
    ) -> Pending[FacilityView]:
        """Accept an uploaded document, or reject it with a reason.

        The patient reads a `reason_code` in their own language, and a `reason` as it was written.
        """
        return self._command(
            session,
            ReviewDocument,
            field_id=field_id,
            accepted=accepted,
            reason_code=reason_code,
            reason=reason,
        )

    def send_help(self, session: str, staff_name: str | None = None) -> Pending[FacilityView]:
        """Announce to the patient who asked for help that somebody is coming.

        Without `staff_name`, the patient reads the name of the person who is signed in here.
        """
        return self._command(session, SendHelp, staff_name=staff_name)

    def answer_help(self, session: str) -> Pending[FacilityView]:
        """Clear the patient's request for help: it is done."""
        return self._command(session, AnswerHelp)

    def set_self_paced(self, session: str, self_paced: bool | None) -> Pending[FacilityView]:
        """Allow the patient to pass complete steps alone, or forbid it; None: as the flow says."""
        return self._command(session, SetSelfPaced, self_paced=self_paced)

    def cover_screen(self, session: str, *, covered: bool) -> Pending[FacilityView]:
        """Hide the patient screen behind a neutral cover, or show it again."""
        return self._command(session, CoverScreen, covered=covered)

    def pause(self, session: str) -> Pending[FacilityView]:
        """Pause the session.

        Until it is resumed, only `resume` and `cancel` of the host's commands are accepted.
        """
        return self._command(session, Pause)

    def resume(self, session: str) -> Pending[FacilityView]:
        """Resume a paused session."""
        return self._command(session, Resume)

    def replace_patient_device(self, session: str, device: str | None) -> Pending[FacilityView]:
        """Move the session to another enrolled patient screen, or with None issue a new code."""
        return self._command(session, ReplacePatientDevice, device=device)

    def take_over(self, session: str) -> Pending[FacilityView]:
        """Become the host of a session that this device has joined; see `join_session`."""
        return self._command(session, TakeOver)

    def complete(self, session: str, override_reason: str | None = None) -> Pending[FacilityView]:
        """Submit the session; refused as `session_incomplete` while something is missing.

        If the details of the refusal have `declined`, the patient declined all that is missing:
        with a reason, the session is submitted without it.
        """
        return self._command(session, Complete, override_reason=override_reason)

    def cancel(self, session: str, reason: str) -> Pending[FacilityView]:
        """End the session without submitting it."""
        return self._command(session, Cancel, reason=reason)

    # Documents

    def fetch_document(
        self, session: str, field_id: str, timeout: float | None = FETCH_TIMEOUT
    ) -> bytes:
        """Return the bytes of an uploaded document. Raises Refused if there is none."""
        pending = self.start_fetch(session, field_id)
        return pending.result(timeout)

    def start_fetch(self, session: str, field_id: str) -> Pending[bytes]:
        """Request a document's bytes and return at once; the result is the bytes."""
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
