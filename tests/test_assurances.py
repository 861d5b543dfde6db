"""No assurance that is not so: what a page or a form promises is tested, or not promised.

Each test names a sentence that stands on a page or in a form, and shows that it is true.
"""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from schemas.wire.views import FacilityView, Masked, PatientView
from session_controller.export.tabular import as_csv
from tests.clients.conftest import Clinic, clinic_at
from tests.conftest import ROOT, RunningBox
from tests.fhir.records import answering, record_of
from tests.flow.filling import our_flow

_NOT_SO = re.compile(
    r"""nobody else|no one else|nadie m[aá]s|only staff sees|nothing of yours|nada suyo|
    you are checked in|go back to any step|volver a cualquier paso|help is on its way|
    ayuda viene|are kept|se conservan|stands in the record|will talk with you|hablar[aá] con usted|
    waiting\sroom|sala\sde\sespera""",
    re.IGNORECASE | re.VERBOSE,
)
"""Promises that nothing kept, in the words in which they were made."""

_PAGES = ROOT / "clients" / "web" / "src"
_WORDS = (_PAGES / "words.ts").read_text()
PLACES = [
    *sorted((ROOT / "flows").glob("*.json")),
    *sorted(_PAGES.rglob("*.ts*")),
    *sorted((ROOT / "clients" / "web").glob("*.html")),
    *sorted((ROOT / "session_controller" / "export" / "printing").glob("*.py")),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_no_promise_that_nothing_keeps(place: Path) -> None:
    """In no form, on no page and on no paper."""
    said = re.sub(r"^\s*(//|/?\*).*$", "", place.read_text(), flags=re.MULTILINE)
    if "Help is on its way" in said:  # a button: staff say so themselves
        said = said.replace('label="Help is on its way"', "")
    assert _NOT_SO.findall(said) == []


def test_the_number_is_hidden_at_the_front_desk_and_in_the_record(box: RunningBox) -> None:
    """The form says that it is hidden on the front desk's screen, and kept in the record."""
    flow, number = our_flow("pre-registration"), "078-05-1120"
    item = flow.items["social-security-number"]
    assert "hidden on our front desk's screen and kept in your registration record" in (
        item.help or ""
    )
    record = record_of(answering(flow, social_security_number=number))
    rows = csv.DictReader(io.StringIO(as_csv(record).decode(), newline=""))
    assert [row["value"] for row in rows] == [number]
    with clinic_at(box) as clinic:
        view, content = _staff_sees(clinic, item.link_id, number)
    assert view.fields[item.link_id].value == Masked(length=len(number))
    assert number not in content


def _staff_sees(clinic: Clinic, field_id: str, value: str) -> tuple[FacilityView, str]:
    staff, patient, session = clinic.paired("pre-registration")
    patient.enter_field(session, field_id, value)
    view = staff.wait_for(session, lambda view: field_id in view.fields)
    return view, view.model_dump_json()


def test_the_patients_screen_does_not_show_the_label() -> None:
    """The desk says so, and that the printed record does: tests/printing reads it there."""
    messages = (_PAGES / "facility" / "messages" / "en.json").read_text()
    assert "It is printed on the record." in messages
    assert "label" in FacilityView.model_fields
    assert "label" not in PatientView.model_fields


def test_the_time_line_shows_the_reasons_of_staff(box: RunningBox) -> None:
    """The desk says so where it asks why a step is skipped, or a check-in cancelled."""
    flow = json.loads((ROOT / "flows" / "pre-registration.json").read_text())
    skippable = next(step for step in our_flow("pre-registration").steps if step.skippable)
    following = our_flow("pre-registration").steps[skippable.index + 1]
    with clinic_at(box) as clinic:
        clinic.admin.add_flow(_only(flow, skippable.step_id, following.step_id))
        staff, _, session = clinic.paired("two-steps")
        staff.navigate(session, following.step_id, override_reason="has no card").result(10)
        staff.cancel(session, "called away").result(10)
        told = {line.event: line.summary for line in clinic.admin.timeline(session)}
    assert told["Navigated"] == f"{following.title}: has no card"
    assert told["Cancelled"] == "called away"


def _only(flow: dict[str, object], *steps: str) -> dict[str, object]:
    items = [item for item in flow["item"] if item["linkId"] in steps]  # type: ignore[attr-defined]
    return {"resourceType": "Questionnaire", "id": "two-steps", "status": "active", "item": items}


@pytest.mark.parametrize(
    ("word", "where"),
    [
        ("We have received your form. Your answers are no longer on this screen.", "test_session"),
        ("Your answers are no longer on this screen.", "test_left_behind"),
        ("Your check-in is no longer on this screen", "test_behaviour"),
        (
            "Connection lost. You can go on: your answers are sent when we reconnect.",
            "test_behaviour",
        ),
        ("This screen is open in another tab", "test_left_behind"),
    ],
)
def test_the_rest_is_tried_in_a_browser(word: str, where: str) -> None:
    """What the patient's page says of itself is waited for there, beside what makes it true."""
    assert word in _WORDS
    assert word in (ROOT / "tests" / "web" / f"{where}.py").read_text()
