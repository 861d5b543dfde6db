"""Facility IT's command line: devices, flows, sessions of the whole site."""

import json
from hashlib import sha256
from typing import Any, Literal

from clients.client import DEFAULT_TIMEOUT
from clients.deliveries import DeliveriesClient
from clients.errors import ExportBroken
from clients.fetching import Assembly
from clients.news import DocumentPart
from schemas.base import Role
from schemas.given_out import (
    DocumentLine,
    Documents,
    ExportRead,
    ExportSession,
    KeyRotated,
    ListDocuments,
    LogSigned,
    ReadExport,
    RotateKey,
    SessionExported,
    SignLog,
)
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
    Sessions,
    SessionShown,
    SessionsPurged,
    SessionTimeline,
    ShowSession,
    Timeline,
    TimelineLine,
)
from schemas.seals import ExportFormat, Paper, Seal
from schemas.views import FacilityView

BACKUP_TIMEOUT = 600.0
"""Seconds; a gigabyte of documents takes a minute."""
EXPORT_TIMEOUT = 120.0
"""Seconds; a record on paper takes one or two, its documents as long as the network."""
_PAGES = 1_000
_TRIES = 3


class AdminClient(DeliveriesClient):
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
        *,
        mapping: dict[str, Any] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> FlowAdded:
        """Add a FHIR R4 Questionnaire as a flow; `fallback_id` names one without id and url.

        `mapping` says how its answers become FHIR resources, where it does not say so itself.
        """
        return self._request(
            AddFlow,
            FlowAdded,
            timeout,
            questionnaire=questionnaire,
            fallback_id=fallback_id,
            mapping=mapping,
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

    def export_session(
        self,
        session: str,
        form: ExportFormat,
        *,
        field_id: str | None = None,
        paper: Paper = "us-letter",
        timeout: float = EXPORT_TIMEOUT,
    ) -> tuple[bytes, Seal]:
        """Give a session's record in a format, or (`document`) a document of it, with its seal.

        Raises `ExportBroken` where the bytes did not arrive as the box sent them.
        """
        more: dict[str, Any] = {"field_id": field_id} if field_id else {}
        exported = self._request(
            ExportSession,
            SessionExported,
            timeout,
            session=session,
            format=form,
            paper=paper,
            **more,
        )
        assembly = Assembly()

        def take(part: DocumentPart) -> None:
            if part.upload == exported.export:
                assembly.add(part.offset, part.data)

        stop = self.on(DocumentPart, take)
        try:
            for _ in range(_TRIES):
                self._read_export(session, exported, timeout)
                data = assembly.whole(exported.seal.size)
                if data is not None and sha256(data).hexdigest() == exported.seal.sha256:
                    return data, exported.seal
        finally:
            stop()
        raise ExportBroken("the record did not arrive whole; try again")

    def _read_export(self, session: str, exported: SessionExported, timeout: float) -> None:
        offset, size = 0, exported.seal.size
        while offset < size:
            read = self._request(
                ReadExport,
                ExportRead,
                timeout,
                session=session,
                export=exported.export,
                offset=offset,
            )
            offset += read.sent or size

    def response(self, session: str, timeout: float = EXPORT_TIMEOUT) -> dict[str, Any]:
        """Give a session's answers as a FHIR R4 QuestionnaireResponse."""
        data, _ = self.export_session(session, "questionnaire-response", timeout=timeout)
        response: dict[str, Any] = json.loads(data)
        return response

    def list_documents(
        self, session: str, timeout: float = DEFAULT_TIMEOUT
    ) -> tuple[DocumentLine, ...]:
        """List a session's documents."""
        return self._request(ListDocuments, Documents, timeout, session=session).documents

    def rotate_key(self, timeout: float = BACKUP_TIMEOUT) -> int:
        """Have the box wrap all keys by another key of its own; gives how many."""
        return self._request(RotateKey, KeyRotated, timeout).keys

    def sign_log(self, timeout: float = DEFAULT_TIMEOUT) -> dict[str, Any]:
        """Have the box sign its log; gives the receipt, to be kept elsewhere."""
        return self._request(SignLog, LogSigned, timeout).receipt

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
        undelivered: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> tuple[str, ...]:
        """Delete ended sessions with all that was entered; gives which."""
        return self.purge(
            *sessions, older_than_s=older_than_s, undelivered=undelivered, timeout=timeout
        ).sessions

    def purge(
        self,
        *sessions: str,
        older_than_s: int | None = None,
        undelivered: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> SessionsPurged:
        """Do the same; tells also what was kept, since a destination has not taken it yet."""
        return self._request(
            PurgeSessions,
            SessionsPurged,
            timeout,
            sessions=sessions,
            older_than_s=older_than_s,
            undelivered=undelivered,
        )
