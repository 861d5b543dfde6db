"""The simulator: whole sessions through real flows, and what it says about them."""

from typing import Any

import pytest

from clients import AdminClient, FlowCache
from clients.simulator.players import Attach, Enter, PatientPlayer, StaffPlayer, Submit
from clients.simulator.simulator import outcomes, simulate
from schemas.base import Role
from schemas.questionnaire.load import load_flow, parse_json
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import DocumentStatus, DocumentView, FieldView, SessionStatus
from tests.clients.conftest import QUICK, admin_of
from tests.conftest import ROOT
from tests.flow.filling import form_path, here
from tests.schemas.samples import facility_view, patient_view

pytestmark = pytest.mark.timeout(120)

OURS = sorted((ROOT / "flows").glob("*.json"))
KINDS = ("paperwork", "heart-referral", "scored")
KINDS += ("ottehr-intake-paperwork", "hl7-sdc-cardiology", "lforms-phq9")


def answers(items: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Collect the answers of a QuestionnaireResponse by linkId."""
    found: dict[str, list[Any]] = {}
    for item in items:
        for answer in item.get("answer", ()):
            value = next((v for k, v in answer.items() if k.startswith("value")), None)
            found.setdefault(item["linkId"], []).append(value)
            for link_id, values in answers(answer.get("item", ())).items():
                found.setdefault(link_id, []).extend(values)
        for link_id, values in answers(item.get("item", ())).items():
            found.setdefault(link_id, []).extend(values)
    return found


def plain(value: Any) -> Any:
    """Return the common form of two spellings of an answer."""
    if isinstance(value, dict):
        return value.get("code") or value.get("display") or value.get("value")
    return value


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_our_flows_are_completed_and_exported_as_entered(clinic, path):
    """Each session ends completed, and its response holds the very values that were entered."""
    flow = load_flow(parse_json(path.read_bytes()))
    clinic.admin.add_flow(parse_json(path.read_bytes()))
    results = simulate(clinic.box.mqtt, admin_of(clinic.box), flow.flow_id, 3, seed=7, timeout=90)
    assert outcomes(results) == {"completed": 3}, [r.error for r in results]
    for result in results:
        assert result.refusals == []
        response = clinic.admin.response(result.session)
        exported = answers(response["item"])
        for field_id, value in result.values.items():
            link_id = field_id.rpartition("].")[2]
            wanted = value if isinstance(value, list) else [value]
            assert all(plain(v) in map(plain, exported[link_id]) for v in wanted), field_id
        for link_id in (field_id.rpartition("].")[2] for field_id in result.documents):
            assert exported[link_id]
    assert all(line.revoked for line in clinic.admin.list_devices().devices if line.role != "admin")


@pytest.mark.slow
@pytest.mark.parametrize("name", here(*KINDS))
def test_real_forms_are_completed(clinic, name):
    """Public forms, as they are, and forms of their kinds can be guided to their end."""
    added = clinic.admin.add_flow(parse_json(form_path(name).read_bytes()))
    results = simulate(clinic.box.mqtt, admin_of(clinic.box), added.flow_id, 2, timeout=90)
    assert outcomes(results) == {"completed": 2}, [r.error for r in results]


def test_the_same_seed_gives_the_same_answers(clinic):
    """A run can be repeated; another seed is another patient."""
    runs = [
        simulate(clinic.box.mqtt, admin_of(clinic.box), "pre-registration", seed=seed, timeout=60)
        for seed in (1, 1, 2)
    ]
    first, again, other = (run[0].values for run in runs)
    assert first == again
    assert first != other


def test_more_sessions_than_places(clinic):
    """Devices that are enrolled already play one session after the other."""
    crew = [(clinic.enrol(Role.FACILITY), clinic.enrol(Role.PATIENT)) for _ in range(2)]
    heard = []
    results = simulate(clinic.box.mqtt, crew, "quick", 7, progress=heard.append, timeout=60)
    assert [result.number for result in results] == list(range(7))
    assert outcomes(results) == {"completed": 7}
    assert sorted(result.number for result in heard) == list(range(7))


def test_a_pace_is_kept(clinic):
    """With a pace, a session lasts at least half of it for each of the patient's actions."""
    crew = [(clinic.enrol(Role.FACILITY), clinic.enrol(Role.PATIENT))]
    result = simulate(clinic.box.mqtt, crew, "quick", pace=0.2, timeout=60)[0]
    by_patient = sum(n for name, n in result.actions.items() if name in ("Enter", "Attach"))
    assert result.completed
    assert result.seconds >= 0.1 * by_patient


def test_sessions_that_take_too_long_are_given_up(clinic):
    """After the timeout each unfinished session is cancelled and says so."""
    crew = [(clinic.enrol(Role.FACILITY), clinic.enrol(Role.PATIENT))]
    results = simulate(clinic.box.mqtt, crew, "pre-registration", pace=5, timeout=1)
    assert outcomes(results) == {"timeout": 1}


def test_a_form_that_nobody_can_fill_is_told(clinic):
    """A field that takes no value there is makes the session `stuck`, and says where."""
    impossible = {
        "resourceType": "Questionnaire",
        "id": "impossible",
        "status": "active",
        "item": [
            {
                "linkId": "n",
                "type": "string",
                "text": "N",
                "required": True,
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/regex",
                        "valueString": "[a-z]&&[0-9](?!.)(?=x)",
                    }
                ],
            }
        ],
    }
    clinic.admin.add_flow(impossible)
    result = simulate(clinic.box.mqtt, admin_of(clinic.box), "impossible", timeout=60)[0]
    assert result.outcome == "stuck"
    assert RejectionCode.SESSION_INCOMPLETE in result.error
    assert ("Submit", "session_incomplete") in result.refusals
    assert clinic.admin.show_session(result.session).status is SessionStatus.CANCELLED


def test_a_flow_that_is_not_there_fails(clinic):
    """The result says what the box said."""
    result = simulate(clinic.box.mqtt, admin_of(clinic.box), "nowhere", timeout=30)[0]
    assert result.outcome == "failed"
    assert "unavailable" in result.error


def test_a_patient_corrects_what_is_wrong():
    """A value with an error or a correction is entered again, a good one is left alone."""
    import random  # noqa: PLC0415

    flow = load_flow(QUICK)
    player = PatientPlayer(flow, random.Random(3))
    enabled = ("name",)
    for wrong in ({"error": "too long"}, {"correction": "Please look."}):
        shown = patient_view(
            enabled=enabled, signature=None, fields={"name": FieldView(value="x", **wrong)}
        )
        assert isinstance(player.next(shown), Enter)
    good = patient_view(
        enabled=enabled, signature=None, fields={"name": FieldView(value="x")}, documents={}
    )
    assert player.next(good) is None
    sent_back = DocumentView(status=DocumentStatus.REJECTED, reason="blurred")
    player.fill_after_all(["card"])
    blurred = patient_view(enabled=("card",), signature=None, documents={"card": sent_back})
    actions = [PatientPlayer(flow, random.Random(n)).next(blurred) for n in range(9)]
    assert any(isinstance(action, Attach) for action in actions)


def test_staff_wait_for_the_patient():
    """Staff move on when the patient has nothing left to do, and submit at the end."""
    staff = StaffPlayer(load_flow(QUICK))
    last = facility_view(step_id="end", step_index=1, signature=None, documents={}, enabled=())
    assert staff.next(last, patient_done=False) is None
    assert staff.next(last, patient_done=True) == Submit()


def test_a_shelf_reads_a_flow_once(clinic):
    """Clients that share a shelf share its flows."""
    shelf = FlowCache()
    added = clinic.admin.list_flows().flows[0]
    with AdminClient(clinic.box.mqtt, admin_of(clinic.box), flows=shelf) as admin:
        first = admin.flow(added.flow_ref)
        assert admin.flow(added.flow_ref) is first
    assert shelf.get(added.flow_ref) is first
