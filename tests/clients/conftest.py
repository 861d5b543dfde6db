"""Clients for tests against a real box; each is closed when its test ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clients import AdminClient, Backoff, Credential, FacilityClient, NetworkLoop, PatientClient
from schemas.base import Role
from schemas.questionnaire.load import parse_json
from tests.conftest import ROOT, RunningBox

_SD = "http://hl7.org/fhir/StructureDefinition/"
_PATIENT = f"{_SD}Patient#Patient."

QUICK: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "quick",
    "status": "active",
    "item": [
        {
            "linkId": "who",
            "type": "group",
            "text": "You",
            "item": [
                {
                    "linkId": "name",
                    "type": "string",
                    "text": "Name",
                    "required": True,
                    "definition": f"{_PATIENT}name.text",
                },
                {"linkId": "note", "type": "text", "text": "Note"},
                {"linkId": "card", "type": "attachment", "text": "Card"},
                {
                    "linkId": "born",
                    "type": "date",
                    "definition": f"{_PATIENT}birthDate",
                    "initial": [{"valueDate": "1980-02-03"}],
                    "extension": [{"url": f"{_SD}questionnaire-hidden", "valueBoolean": True}],
                },
            ],
        },
        {
            "linkId": "end",
            "type": "group",
            "text": "End",
            "item": [{"linkId": "remark", "type": "string", "text": "Remark"}],
        },
    ],
}
"""A flow of two steps, for tests that are not about the flow."""


def prompt() -> Backoff:
    """Reconnect at once: the tests have no time for courtesy."""
    return Backoff(first=0.02, longest=0.05)


@dataclass
class Clinic:
    """A box with an admin, and makers of connected clients."""

    box: RunningBox
    admin: AdminClient
    loop: NetworkLoop
    open_clients: ExitStack

    def enrol(self, role: Role) -> Credential:
        """Enrol a device."""
        device = self.admin.enrol_device(f"test {role}", role)
        assert device.secret is not None
        return Credential(self.box.site, device.device, role, device.secret)

    def staff(self, credential: Credential | None = None, **options: Any) -> FacilityClient:
        """Connect a staff's screen."""
        credential = credential or self.enrol(Role.FACILITY)
        return self.connect(FacilityClient, credential, **options)

    def patient(self, credential: Credential | None = None, **options: Any) -> PatientClient:
        """Connect a patient's screen."""
        credential = credential or self.enrol(Role.PATIENT)
        return self.connect(PatientClient, credential, **options)

    def connect(self, kind: Callable[..., Any], credential: Credential, **options: Any) -> Any:
        """Connect a client of a type."""
        options = {"url": self.box.mqtt, "backoff": prompt(), "loop": self.loop, **options}
        url = options.pop("url")
        return self.open_clients.enter_context(kind(url, credential, **options))

    def paired(self, flow_id: str = "quick") -> tuple[FacilityClient, PatientClient, str]:
        """Open a session and join it by its code."""
        staff, patient = self.staff(), self.patient()
        opened = staff.open_session(flow_id)
        assert opened.code is not None
        patient.join_by_code(opened.code)
        patient.wait_for(opened.session)
        staff.wait_for(opened.session, lambda view: view.status == "active")
        return staff, patient, opened.session


def admin_of(box: RunningBox) -> Credential:
    """Return the credential of one of a box's admin devices."""
    device, secret = next(iter(box.admins.items()))
    return Credential(box.site, device, Role.ADMIN, secret)


@contextmanager
def clinic_at(box: RunningBox) -> Iterator[Clinic]:
    """Yield a box with our example flow and a small one."""
    loop = NetworkLoop("test-network")
    with ExitStack() as open_clients:
        admin = open_clients.enter_context(
            AdminClient(box.mqtt, admin_of(box), backoff=prompt(), loop=loop)
        )
        admin.add_flow(QUICK)
        example = Path(ROOT) / "flows" / "pre-registration.json"
        admin.add_flow(parse_json(example.read_bytes()))
        yield Clinic(box, admin, loop, open_clients)
    loop.stop()


@pytest.fixture
def clinic(box: RunningBox) -> Iterator[Clinic]:
    """Yield a clinic on a box of its own."""
    with clinic_at(box) as made:
        yield made
