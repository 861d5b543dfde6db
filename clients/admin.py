"""Facility IT's command line: devices, flows, sessions of the whole site."""

from typing import Any, Literal

from clients.client import DEFAULT_TIMEOUT
from clients.facility import FacilityClient
from schemas.base import Role
from schemas.requests import (
    AddFlow,
    BackedUp,
    BackUp,
    CancelSession,
    DeviceEnrolled,
    DeviceRevoked,
    Devices,
    EnrolDevice,
    FlowAdded,
    Flows,
    ListDevices,
    ListFlows,
    ListSessions,
    OpenSession,
    PurgeSessions,
    RevokeDevice,
    SessionCancelled,
    SessionOpened,
    SessionResponded,
    SessionResponse,
    Sessions,
    SessionShown,
    SessionsPurged,
    SessionTimeline,
    ShowSession,
    Timeline,
    TimelineLine,
)
from schemas.views import FacilityView

BACKUP_TIMEOUT = 600.0
"""Seconds; a gigabyte of documents takes a minute."""
_PAGES = 1_000


class AdminClient(FacilityClient):
    """An admin's device: what a facility device may do, and what concerns the site."""

    def open_session_for(
        self,
        host: str,
        flow_id: str,
        *,
        label: str | None = None,
        patient_device: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> SessionOpened:
        """Open a session that another facility device leads."""
        return self._request(
            OpenSession,
            SessionOpened,
            timeout,
            flow_id=flow_id,
            label=label,
            patient_device=patient_device,
            host=host,
        )

    def enrol_device(
        self,
        name: str,
        role: Role,
        by: Literal["secret", "code"] = "secret",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> DeviceEnrolled:
        """Enrol a device: by `secret` it can connect at once, by `code` it is paired first."""
        return self._request(EnrolDevice, DeviceEnrolled, timeout, name=name, role=role, by=by)

    def revoke_device(self, device: str, timeout: float = DEFAULT_TIMEOUT) -> DeviceRevoked:
        """End a device's credential; it is disconnected and leaves its sessions."""
        return self._request(RevokeDevice, DeviceRevoked, timeout, device=device)

    def list_devices(self, timeout: float = DEFAULT_TIMEOUT) -> Devices:
        """List the devices."""
        return self._request(ListDevices, Devices, timeout)

    def add_flow(
        self,
        questionnaire: dict[str, Any],
        fallback_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> FlowAdded:
        """Add a FHIR R4 Questionnaire as a flow; `fallback_id` names one without id and url."""
        return self._request(
            AddFlow, FlowAdded, timeout, questionnaire=questionnaire, fallback_id=fallback_id
        )

    def list_flows(self, timeout: float = DEFAULT_TIMEOUT) -> Flows:
        """List the flows that new sessions can use."""
        return self._request(ListFlows, Flows, timeout)

    def list_sessions(self, *, ended: bool = False, timeout: float = DEFAULT_TIMEOUT) -> Sessions:
        """List the open sessions, with `ended` the ended ones too."""
        return self._request(ListSessions, Sessions, timeout, ended=ended)

    def show_session(
        self, session: str, revision: int | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> FacilityView:
        """Show a session as its staff sees it, whether open or ended; or as it once was."""
        return self._request(
            ShowSession, SessionShown, timeout, session=session, revision=revision
        ).view

    def timeline(
        self, session: str, after: int = 0, timeout: float = DEFAULT_TIMEOUT
    ) -> tuple[TimelineLine, ...]:
        """List what happened in a session after a revision, page by page to the end."""
        lines: list[TimelineLine] = []
        for _ in range(_PAGES):
            page = self._request(SessionTimeline, Timeline, timeout, session=session, after=after)
            lines.extend(page.events)
            if not page.more or not page.events:
                break
            after = page.events[-1].revision
        return tuple(lines)

    def response(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> dict[str, Any]:
        """Give a session's answers as a FHIR R4 QuestionnaireResponse."""
        answer = self._request(SessionResponse, SessionResponded, timeout, session=session)
        return answer.questionnaire_response

    def cancel_session(
        self, session: str, reason: str, timeout: float = DEFAULT_TIMEOUT
    ) -> SessionCancelled:
        """End a session that nobody leads any more, unsubmitted."""
        return self._request(
            CancelSession, SessionCancelled, timeout, session=session, reason=reason
        )

    def back_up(self, timeout: float = BACKUP_TIMEOUT) -> BackedUp:
        """Back the box up; the answer comes once the backup is verified."""
        return self._request(BackUp, BackedUp, timeout)

    def purge_sessions(
        self,
        *sessions: str,
        older_than_s: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> tuple[str, ...]:
        """Delete ended sessions with all that was entered; gives which."""
        answer = self._request(
            PurgeSessions, SessionsPurged, timeout, sessions=sessions, older_than_s=older_than_s
        )
        return answer.sessions
