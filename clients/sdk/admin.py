"""The admin client: devices, flows and sessions of the whole site."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

from clients.sdk.client import DEFAULT_TIMEOUT, Progress
from clients.sdk.deliveries import TRY_TIMEOUT, DeliveriesClient
from clients.sdk.download import Assembly
from clients.sdk.errors import ExportBroken
from clients.sdk.notifications import DocumentPart
from clients.sdk.user import os_user
from schemas.base import Role
from schemas.wire.deliveries import TrialStep
from schemas.wire.devices import LobbyLine
from schemas.wire.exports import (
    DocumentLine,
    Documents,
    ExportDelivery,
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
from schemas.wire.purging import PreviewPurge, PurgePreview
from schemas.wire.requests import (
    AddFlow,
    BackedUp,
    BackUp,
    ChangeDevice,
    CredentialKind,
    DeviceChanged,
    DeviceEnrolled,
    DeviceRevoked,
    Devices,
    DevicesEnrolled,
    EnrolDevice,
    EnrolDevices,
    EnrolledDevice,
    FieldChange,
    FieldChanges,
    FieldHistory,
    FlowAdded,
    Flows,
    ListDevices,
    ListFlows,
    ListSessions,
    NewDevice,
    OpenSession,
    PurgeSessions,
    ReenrolDevice,
    Request,
    RevokeDevice,
    SessionOpened,
    Sessions,
    SessionShown,
    SessionsPurged,
    SessionTimeline,
    ShowSession,
    Timeline,
    TimelineLine,
)
from schemas.wire.seals import ExportFormat, Paper, Seal
from schemas.wire.staff import (
    AddPerson,
    ChangePerson,
    LinkPerson,
    ListStaff,
    PersonChanged,
    RetirePerson,
    StaffList,
    StaffRole,
    UnlockPerson,
)
from schemas.wire.status import AlertsTried, ShowStatus, StatusShown, TryAlerts
from schemas.wire.views import FacilityView, SessionStatus

BACKUP_TIMEOUT = 600.0
"""Seconds; a gigabyte of documents takes a minute."""
EXPORT_TIMEOUT = 120.0
"""Seconds; a PDF takes one or two, its documents as long as their transfer."""
_PAGES = 1_000
_TRIES = 3


class AdminClient(DeliveriesClient):
    """An admin device: the operations of a facility device, and site administration."""

    def _built_request(self, kind: Callable[..., Request], fields: dict[str, Any]) -> Any:
        return super()._built_request(kind, {"user": os_user(), **fields})

    def open_session_for(
        self,
        host: str,
        flow_id: str,
        *,
        label: str | None = None,
        patient_device: str | None = None,
        test: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> SessionOpened:
        """Open a session that another facility device leads; with `test`, a rehearsal."""
        return self._request(
            OpenSession,
            SessionOpened,
            timeout,
            flow_id=flow_id,
            label=label,
            patient_device=patient_device,
            host=host,
            test=test or None,
        )

    def enrol_device(
        self,
        name: str,
        role: Role,
        by: CredentialKind = "secret",
        timeout: float = DEFAULT_TIMEOUT,
        *,
        room: str | None = None,
    ) -> DeviceEnrolled:
        """Enroll a device: with a `secret` it can connect at once, with a `code` it pairs first."""
        return self._request(
            EnrolDevice, DeviceEnrolled, timeout, name=name, role=role, by=by, room=room
        )

    def enrol_devices(
        self,
        devices: Iterable[NewDevice],
        by: CredentialKind = "secret",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> tuple[EnrolledDevice, ...]:
        """Enroll up to 200 devices, or none of them; return them in the same order.

        Raises RequestRefused with the code `malformed` and `names` in its details if another
        enrolled device, or another one of these, has the same name.
        """
        return self._request(
            EnrolDevices, DevicesEnrolled, timeout, devices=tuple(devices), by=by
        ).devices

    def new_device_code(self, device: str, timeout: float = DEFAULT_TIMEOUT) -> DeviceEnrolled:
        """Return a new pairing code for a device; its old secret ends once the code is used."""
        return self._request(ReenrolDevice, DeviceEnrolled, timeout, device=device, by="code")

    def replace_device(self, device: str, timeout: float = DEFAULT_TIMEOUT) -> DeviceEnrolled:
        """Return a new secret for a device; who uses the old one is disconnected at once."""
        return self._request(ReenrolDevice, DeviceEnrolled, timeout, device=device, by="secret")

    def change_device(
        self,
        device: str,
        *,
        name: str | None = None,
        room: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> DeviceChanged:
        """Change a device's name or room; an empty `room` removes it."""
        return self._request(
            ChangeDevice, DeviceChanged, timeout, device=device, name=name, room=room
        )

    def revoke_device(self, device: str, timeout: float = DEFAULT_TIMEOUT) -> DeviceRevoked:
        """Revoke a device's credential; the device is disconnected and leaves its sessions."""
        return self._request(RevokeDevice, DeviceRevoked, timeout, device=device)

    def retire_device(self, device: str, timeout: float = DEFAULT_TIMEOUT) -> DeviceRevoked:
        """Revoke a device permanently; it is listed as retired, and its log entries remain."""
        return self._request(RevokeDevice, DeviceRevoked, timeout, device=device, retire=True)

    def list_devices(self, timeout: float = DEFAULT_TIMEOUT) -> Devices:
        """List the devices, including revoked and retired ones."""
        return self._request(ListDevices, Devices, timeout)

    def add_person(
        self,
        name: str,
        roles: tuple[StaffRole, ...],
        pin: str,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> PersonChanged:
        """Add a person; as soon as a site has one, its front-desk screens are signed out."""
        return self._request(AddPerson, PersonChanged, timeout, name=name, roles=roles, pin=pin)

    def change_person_roles(
        self, person: str, roles: tuple[StaffRole, ...], timeout: float = DEFAULT_TIMEOUT
    ) -> PersonChanged:
        """Replace a person's roles; the person is signed out everywhere."""
        return self._request(ChangePerson, PersonChanged, timeout, person=person, roles=roles)

    def change_pin(self, person: str, pin: str, timeout: float = DEFAULT_TIMEOUT) -> PersonChanged:
        """Replace a person's PIN; the person is signed out everywhere."""
        return self._request(ChangePerson, PersonChanged, timeout, person=person, pin=pin)

    def link_person(
        self, person: str, account: str | None, timeout: float = DEFAULT_TIMEOUT
    ) -> PersonChanged:
        """Link a person to an account of the provider, or, with None, to none.

        The person is signed out everywhere.
        """
        return self._request(LinkPerson, PersonChanged, timeout, person=person, account=account)

    def unlock_person(self, person: str, timeout: float = DEFAULT_TIMEOUT) -> PersonChanged:
        """Forget a person's wrong PINs."""
        return self._request(UnlockPerson, PersonChanged, timeout, person=person)

    def retire_person(self, person: str, timeout: float = DEFAULT_TIMEOUT) -> PersonChanged:
        """End a person's access permanently; their log entries remain."""
        return self._request(RetirePerson, PersonChanged, timeout, person=person)

    def list_staff(self, timeout: float = DEFAULT_TIMEOUT) -> StaffList:
        """List all persons, and the emergency access of seven days or not yet reviewed."""
        return self._request(ListStaff, StaffList, timeout)

    def add_flow(
        self,
        questionnaire: dict[str, Any],
        fallback_id: str | None = None,
        *,
        mapping: dict[str, Any] | None = None,
        without_mapping: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> FlowAdded:
        """Add a FHIR R4 Questionnaire as a flow; `fallback_id` is used if it has no id and no url.

        `mapping` maps its answers to FHIR resources, where the Questionnaire itself does not.
        Without it, that of an earlier version is kept, unless `without_mapping`.
        Raises RequestRefused with the code `malformed` and `problems` in its details if the
        Questionnaire or the mapping cannot be used.
        """
        return self._request(
            AddFlow,
            FlowAdded,
            timeout,
            questionnaire=questionnaire,
            fallback_id=fallback_id,
            mapping=mapping,
            without_mapping=without_mapping or None,
        )

    def list_flows(self, timeout: float = DEFAULT_TIMEOUT) -> Flows:
        """List the flows that new sessions can use."""
        return self._request(ListFlows, Flows, timeout)

    def list_sessions(
        self,
        *,
        ended: bool = False,
        status: SessionStatus | None = None,
        opened_since: datetime | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Iterator[LobbyLine]:
        """Yield the open sessions, the newest first; with `ended`, also the ended ones.

        `status` and `opened_since` limit which; `timeout` is in seconds for each page.
        """
        page = None
        while True:
            found = self._request(
                ListSessions,
                Sessions,
                timeout,
                ended=ended,
                status=status,
                opened_since=opened_since,
                page=page,
            )
            yield from found.sessions
            page = found.next_page
            if page is None:
                return

    def show_session(
        self, session: str, revision: int | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> FacilityView:
        """Return an open or ended session as staff see it, now or at an earlier `revision`."""
        return self.session_with_deliveries(session, revision, timeout).view

    def session_with_deliveries(
        self, session: str, revision: int | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> SessionShown:
        """Return a session as `show_session` does, with the status of its deliveries now."""
        return self._request(ShowSession, SessionShown, timeout, session=session, revision=revision)

    def timeline(
        self, session: str, after: int = 0, timeout: float = DEFAULT_TIMEOUT
    ) -> tuple[TimelineLine, ...]:
        """Return all events of a session with a revision above `after`, without entered values."""
        lines: list[TimelineLine] = []
        for _ in range(_PAGES):
            page = self._request(SessionTimeline, Timeline, timeout, session=session, after=after)
            lines.extend(page.events)
            if not page.more or not page.events:
                break
            after = page.events[-1].revision
        return tuple(lines)

    def field_history(
        self, session: str, field_id: str | None = None, timeout: float = DEFAULT_TIMEOUT
    ) -> tuple[FieldChange, ...]:
        """Return what was changed in a session, or in one field; sensitive values are masked."""
        found: list[FieldChange] = []
        after = 0
        for _ in range(_PAGES):
            page = self._request(
                FieldHistory,
                FieldChanges,
                timeout,
                session=session,
                field_id=field_id,
                after=after,
            )
            found.extend(page.changes)
            if not page.more or not page.changes:
                break
            after = page.changes[-1].revision
        return tuple(found)

    def export_session(
        self,
        session: str,
        form: ExportFormat,
        *,
        field_id: str | None = None,
        paper: Paper = "us-letter",
        timeout: float = EXPORT_TIMEOUT,
    ) -> tuple[bytes, Seal]:
        """Return a session's record in a format, or with `document` one document, and its seal.

        Raises `ExportBroken` if the bytes did not arrive as the box sent them.
        """
        more: dict[str, Any] = {} if field_id is None else {"field_id": field_id}
        exported = self._request(
            ExportSession,
            SessionExported,
            timeout,
            session=session,
            format=form,
            paper=paper,
            **more,
        )
        return self._exported(session, exported, timeout)

    def export_delivery(
        self, session: str, destination: str, timeout: float = EXPORT_TIMEOUT
    ) -> tuple[bytes, Seal]:
        """Return a session's record as it is delivered to a destination, and its seal.

        Raises `ExportBroken` if the bytes did not arrive as the box sent them.
        """
        exported = self._request(
            ExportDelivery, SessionExported, timeout, session=session, destination=destination
        )
        return self._exported(session, exported, timeout)

    def _exported(
        self, session: str, exported: SessionExported, timeout: float
    ) -> tuple[bytes, Seal]:
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
        raise ExportBroken("the record did not arrive intact; try again")

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
        """Return a session's answers as a FHIR R4 QuestionnaireResponse.

        It is taken from the transaction Bundle: its `urn:uuid` references point into the Bundle.
        """
        data, _ = self.export_session(session, "questionnaire-response", timeout=timeout)
        response: dict[str, Any] = json.loads(data)
        return response

    def list_documents(
        self, session: str, timeout: float = DEFAULT_TIMEOUT
    ) -> tuple[DocumentLine, ...]:
        """List the documents of an open or ended session, without their bytes."""
        return self._request(ListDocuments, Documents, timeout, session=session).documents

    def rotate_key(self, timeout: float = BACKUP_TIMEOUT) -> int:
        """Re-encrypt all keys with a new box key; return their number."""
        return self._request(RotateKey, KeyRotated, timeout).keys

    def sign_log(self, timeout: float = DEFAULT_TIMEOUT) -> dict[str, Any]:
        """Sign the head of the audit log; return the receipt, to be stored off the box."""
        return self._request(SignLog, LogSigned, timeout).receipt

    def back_up(self, timeout: float = BACKUP_TIMEOUT) -> BackedUp:
        """Back up the box; return once the backup is verified."""
        return self._request(BackUp, BackedUp, timeout)

    def show_status(self, timeout: float = DEFAULT_TIMEOUT) -> StatusShown:
        """Return how the box is doing, and how near it is to its limits."""
        return self._request(ShowStatus, StatusShown, timeout)

    def try_alerts(self, timeout: float = TRY_TIMEOUT) -> tuple[TrialStep, ...]:
        """Send a test through each channel of alerts; return what became of it, by channel."""
        return self._request(TryAlerts, AlertsTried, timeout).steps

    def purge_sessions(
        self,
        *sessions: str,
        older_than_s: int | None = None,
        undelivered: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> tuple[str, ...]:
        """Delete ended sessions with everything entered in them; return the first 100 ids.

        These are the named `sessions`, and with `older_than_s` all that ended longer ago, in
        seconds. A named session that is not delivered yet is refused as `unavailable`, unless
        `undelivered`.
        """
        return self.purge(
            *sessions, older_than_s=older_than_s, undelivered=undelivered, timeout=timeout
        ).sessions

    def preview_purge(
        self,
        *sessions: str,
        older_than_s: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> PurgePreview:
        """Return what `purge_sessions` would delete and what it would keep; deletes nothing.

        Without `sessions` and `older_than_s`: what the box will purge by itself within a day.
        """
        return self._request(
            PreviewPurge, PurgePreview, timeout, sessions=sessions, older_than_s=older_than_s
        )

    def purge(
        self,
        *sessions: str,
        older_than_s: int | None = None,
        undelivered: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
        on_progress: Progress | None = None,
    ) -> SessionsPurged:
        """Delete sessions as `purge_sessions` does; return how many, and which were kept.

        A session that is old enough is kept if it is not delivered yet. Many take a while:
        `on_progress(done, total)` is called meanwhile, in the network thread, and `timeout` counts
        from the last of these calls, in seconds.
        """
        return self._request(
            PurgeSessions,
            SessionsPurged,
            timeout,
            on_progress,
            sessions=sessions,
            older_than_s=older_than_s,
            undelivered=undelivered,
        )
