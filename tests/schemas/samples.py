"""One plausible payload of each kind, for tests that go through all of them."""

from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

from schemas.base import Role, Versioned
from schemas.wire import commands, devices, requests, views
from schemas.wire.destinations import ClientCredentials, FhirDestination
from schemas.wire.exports import CopyLink
from schemas.wire.rejections import Rejection, RejectionCode
from schemas.wire.staff import StaffRole

NOW = datetime(2026, 11, 22, 10, 15, 2, 120000, tzinfo=UTC)
COMMAND_ID = str(UUID(int=7, version=4))
SHA = "ab" * 32

_FIELDS: dict[str, dict[str, Any]] = {
    "Navigate": {"step_id": "insurance", "override_reason": "no card"},
    "HighlightField": {"field_id": None},
    "RequestSignature": {"field_id": "consent-signature"},
    "RequestCorrection": {
        "field_id": "birth-date",
        "message": "Please look again.",
        "message_code": commands.CorrectionFault.CHECK,
        "language": "en",
    },
    "ReviewDocument": {
        "field_id": "card",
        "accepted": False,
        "reason_code": commands.DocumentFault.GLARE,
        "reason": "blurred",
    },
    "FetchDocument": {"field_id": "card"},
    "CoverScreen": {"covered": True},
    "ReportIdle": {"idle": True},
    "ReportReady": {"step_id": "insurance"},
    "SendHelp": {"staff_name": "Sam Poe"},
    "SetSelfPaced": {"self_paced": True},
    "ReportScreen": {"language": "es", "text_percent": 125},
    "ReplacePatientDevice": {"device": None},
    "Cancel": {"reason": "The patient left."},
    "EnterField": {"field_id": "allergy[0].name", "value": {"code": "y", "system": "urn:x"}},
    "ClearField": {"field_id": "allergy[0]"},
    "FocusField": {"field_id": "name"},
    "ReportReading": {"field_id": "notice", "fraction": 0.5, "seconds": 12.5},
    "BeginUpload": {
        "field_id": "card",
        "upload": "u-1",
        "size": 70000,
        "sha256": SHA,
        "media_type": "image/jpeg",
    },
    "FinishUpload": {"upload": "u-1"},
    "SubmitSignature": {
        "field_id": "sign",
        "strokes": (((0.1, 0.2, 0), (0.5, 1, 12)),),
        "document_sha256": SHA,
        "language": "es",
        "printed_name": "Ana Roe",
        "relationship": "parent",
    },
    "WithdrawSignature": {"field_id": "sign", "reason": "too soon"},
    "OpenSession": {"flow_id": "pre-registration", "label": "Room 2"},
    "JoinSession": {"code": "WDJB-MJHT"},
    "LeaveSession": {"session": "s-1"},
    "Sync": {"session": "s-1"},
    "EnrolDevice": {"name": "Desk", "role": Role.FACILITY},
    "EnrolDevices": {"devices": (requests.NewDevice(name="Desk", role=Role.FACILITY),)},
    "ReenrolDevice": {"device": "d-1", "by": "code"},
    "ChangeDevice": {"device": "d-1", "name": "Desk 2", "room": "Lobby"},
    "RevokeDevice": {"device": "d-1"},
    "AddFlow": {"questionnaire": {"resourceType": "Questionnaire"}},
    "ShowSession": {"session": "s-1"},
    "SessionTimeline": {"session": "s-1", "after": 3},
    "FieldHistory": {"session": "s-1", "field_id": "name", "after": 3},
    "RevealField": {"session": "s-1", "field_id": "ssn"},
    "ExportSession": {"session": "s-1", "format": "document", "field_id": "card"},
    "ExportDelivery": {"session": "s-1", "destination": "ehr"},
    "ReadExport": {"session": "s-1", "export": "export-1", "offset": 65_536},
    "ListDocuments": {"session": "s-1"},
    "CreateCopyLink": {"session": "s-1"},
    "CancelSession": {"session": "s-1", "reason": "left over"},
    "IdentifyPatient": {
        "session": "s-1",
        "family": "Roe",
        "given": ("Ana", "María"),
        "birth_date": "1980-02-03",
        "gender": "female",
        "staff_name": "Sam Poe",
    },
    "SignIn": {"person": "ana-roe", "pin": "271828"},
    "BeginSignIn": {"page": "https://clinic.local/facility"},
    "FinishSignIn": {"state": "c3RhdGU", "code": "Y29kZQ", "iss": "https://login.example"},
    "LinkPerson": {"person": "ana-roe", "account": "6f1c0c1e"},
    "BeginEmergencyAccess": {"name": "Ana Roe", "reason": "PIN forgotten"},
    "ReviewEmergencyAccess": {"access": "emergency-1"},
    "AddPerson": {"name": "Ana Roe", "roles": (StaffRole.SUPERVISOR,), "pin": "271828"},
    "ChangePerson": {"person": "ana-roe", "roles": (StaffRole.FRONT_DESK, StaffRole.IT)},
    "UnlockPerson": {"person": "ana-roe"},
    "RetirePerson": {"person": "ana-roe"},
    "AddDestination": {
        "destination": FhirDestination(
            name="ehr",
            url="https://ehr.example.org/fhir",
            auth=ClientCredentials(client_id="box", key_file="/etc/handrail/smart.pem"),
        )
    },
    "RemoveDestination": {"name": "ehr", "undelivered": True},
    "TryDestination": {"name": "ehr", "publish": True},
    "ListDeliveries": {"session": "s-1", "status": "refused"},
    "ShowDelivery": {"session": "s-1"},
}


def commands_of_every_type() -> list[commands.Command]:
    """Return one command of each type."""
    head = {"command_id": COMMAND_ID, "seq": 12, "sent_at": "2026-11-22T10:15:02.120Z"}
    return [kind(**head, **_FIELDS.get(kind.__name__, {})) for kind in get_args(commands.Command)]


def requests_of_every_type() -> list[requests.Request]:
    """Return one request of each type."""
    return [
        kind(request_id="r-1", **_FIELDS.get(kind.__name__, {}))
        for kind in get_args(requests.Request)
    ]


_HEAD: dict[str, Any] = {
    "session": "s-1",
    "revision": 41,
    "epoch": 1,
    "updated_at": NOW,
    "acknowledged_seq": 12,
    "status": views.SessionStatus.ACTIVE,
    "flow_ref": "pre-registration-0123456789ab",
    "step_id": "insurance",
    "step_index": 2,
    "steps_total": 7,
    "enabled": ("member", "card"),
    "documents": {"card": views.DocumentView(status=views.DocumentStatus.MISSING)},
    "reading": {"notice": 0.5},
    "reading_seconds": {"notice": 12.5},
    "check_words": ("amber", "river"),
    "highlight": None,
    "signature": views.SignatureView(
        field_id="sign",
        status=views.SignatureStatus.REQUESTED,
        document_sha256=SHA,
        documents_sha256={"en": SHA, "es": SHA},
    ),
    "help_requested": True,
    "help": views.HelpView(status=views.HelpStatus.COMING, since=NOW, staff_name="Sam Poe"),
    "ready_since": NOW,
    "may_advance": True,
    "covered": False,
}


def patient_view(**changes: Any) -> views.PatientView:
    """Return a patient's view."""
    fields = {"member": views.FieldView(value="M-1", error="too short")}
    shown = {"sign": _HEAD["signature"]}
    review = (
        views.ReviewLine(field_id="name", step_id="who", value="Ana"),
        views.ReviewLine(field_id="ssn", step_id="who", value=views.Masked(length=9)),
        views.ReviewLine(field_id="id", step_id="who", document=views.DocumentStatus.ACCEPTED),
    )
    parts = {
        "fields": fields,
        "step_signatures": shown,
        "review": review,
        "storage_key": "k" * 43,
        "help_step": "who",
        "to_do": ("member",),
        "host_online": True,
        "host_name": "Sam Poe",
        "copy_offered": True,
    }
    return views.PatientView(**{**_HEAD, **parts, **changes})


def facility_view(**changes: Any) -> views.FacilityView:
    """Return a staff's view."""
    parts: dict[str, Any] = {
        "label": "Room 2",
        "steps": {
            "insurance": views.StepView(status=views.StepStatus.CURRENT, filled=1, required=2)
        },
        "fields": {"ssn": views.FieldView(value=views.Masked(length=9))},
        "signatures": {
            "sign": views.SignatureView(
                field_id="sign",
                status=views.SignatureStatus.SIGNED,
                document_sha256=SHA,
                at=NOW,
                language="es",
                printed_name="Ana Roe",
                relationship="parent",
                staff_name="Sam Poe",
            )
        },
        "participants": {
            "d-1": views.ParticipantView(role=Role.PATIENT, online=True, since=NOW, host=False)
        },
        "patient_focus": "member",
        "self_paced": False,
        "code": "WDJB-MJHT",
        "code_expires_at": NOW,
        "identified": views.IdentifiedView(at=NOW, device="d-2", family="Roe", given=("Ana",)),
    }
    return views.FacilityView(**{**_HEAD, **parts, **changes})


LINE = devices.LobbyLine(
    session="s-1",
    label=None,
    flow_ref="pre-registration-0123456789ab",
    status=views.SessionStatus.WAITING,
    step_id="who",
    step_index=0,
    steps_total=7,
    patient_online=False,
    help_requested=False,
    host="d-2",
    opened_at=NOW,
    updated_at=NOW,
)


HELD = devices.HeldLine(
    session="s-2",
    label="Room 1",
    flow_ref="pre-registration-0123456789ab",
    completed_at=NOW,
    destinations=("ehr",),
    missing=("birthDate",),
)


def from_controller() -> list[Versioned]:
    """Return one of each payload that the controller sends, answers excepted."""
    return [
        patient_view(),
        facility_view(),
        Rejection(command_id=COMMAND_ID, seq=12, code=RejectionCode.STALE_REVISION, message="No."),
        devices.ControllerStatus(online=True, epoch=1, version="0.1.0", started_at=NOW),
        devices.Assignment(session=None),
        devices.Lobby(sessions=(LINE,), held=(HELD,)),
        devices.PairingGrant(device="d-1", role=Role.PATIENT, secret="s" * 43, site="clinic"),
        requests.SessionOpened(request_id="r-1", session="s-1", flow_ref="f-1", code="WDJB-MJHT"),
        CopyLink(request_id="r-1", path=f"/copy#{'t' * 22}", expires_at=NOW),
        requests.Sessions(request_id="r-1", sessions=(LINE,)),
        requests.SessionShown(
            request_id="r-1",
            view=facility_view(),
            deliveries=(
                requests.SessionDelivery(
                    destination="ehr", status="held", reason="patient_not_identified"
                ),
            ),
        ),
        requests.PatientIdentified(request_id="r-1", session="s-1", deliveries=1),
    ]


def from_devices() -> list[Versioned]:
    """Return one of each payload that a device sends."""
    return [
        *commands_of_every_type(),
        *requests_of_every_type(),
        devices.Presence(online=True, connection=3),
        devices.PairingClaim(code="WDJB-MJHT", name="Kiosk"),
    ]
