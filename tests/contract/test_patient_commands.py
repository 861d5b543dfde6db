"""Every command of the patient: what it does to both views, and how it is refused."""

import pytest

from .forms import PERSON, VISIT, choice, reach
from .raw import Pair, Room


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on its first step."""
    return Pair(clinic, VISIT)


def test_a_value_is_stored_and_shown_to_both(pair: Pair) -> None:
    """ENTER_FIELD shows the value on both views, and counts it in the step."""
    pair.enter(name="Ada Lovelace", born="1990-05-17", plan=choice("gold"))
    staff, patient = pair.both()
    for view in (staff, patient):
        assert view["fields"]["name"] == {"value": "Ada Lovelace"}
        assert view["fields"]["born"] == {"value": "1990-05-17"}
        assert view["fields"]["plan"] == {"value": choice("gold")}
    assert staff["steps"]["person"] == {"status": "current", "filled": 3, "required": 3}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 21),
        ("born", "1990-02-30"),
        ("born", "17.5.1990"),
        ("born", "1899-12-31"),
        ("plan", choice("copper")),
        ("number", "123456789"),
    ],
)
def test_a_value_that_breaks_the_rules_is_stored_with_its_error(
    pair: Pair, field: str, value: object
) -> None:
    """It is shown to both sides with an `error`; it blocks moving on, not typing."""
    pair.enter(**PERSON)
    pair.fill("ENTER_FIELD", field_id=field, value=value)
    staff, patient = pair.both()
    assert patient["fields"][field]["value"] == value
    assert isinstance(patient["fields"][field]["error"], str)
    assert patient["fields"][field]["error"]
    assert staff["fields"][field]["error"] == patient["fields"][field]["error"]
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="visits")
    assert refusal["details"]["fields"] == [field]
    if field == "number":
        pair.fill("CLEAR_FIELD", field_id=field)
    else:
        pair.enter(**{field: PERSON[field]})
    assert "error" not in pair.both()[1]["fields"].get(field, {})
    pair.go("visits")


def test_a_field_is_cleared(pair: Pair) -> None:
    """CLEAR_FIELD takes the value away from both views, whether there was one or not."""
    pair.enter(name="Ada")
    pair.fill("CLEAR_FIELD", field_id="name")
    staff, patient = pair.both()
    assert "name" not in patient["fields"]
    assert "name" not in staff["fields"]
    assert staff["steps"]["person"]["filled"] == 0
    pair.fill("CLEAR_FIELD", field_id="name")


def test_the_staff_sees_where_the_patient_is(pair: Pair) -> None:
    """FOCUS_FIELD sets `patient_focus` on the facility's view; null clears it."""
    pair.fill("FOCUS_FIELD", field_id="born")
    staff, patient = pair.both()
    assert staff["patient_focus"] == "born"
    assert "patient_focus" not in patient
    pair.fill("FOCUS_FIELD", field_id=None)
    assert pair.both()[0]["patient_focus"] is None


def test_only_the_current_steps_fields_can_be_entered(pair: Pair) -> None:
    """A field of another step is `field_not_on_this_step`, one that is not is `unknown_field`."""
    for kind, rest in (
        ("ENTER_FIELD", {"value": 3}),
        ("CLEAR_FIELD", {}),
        ("FOCUS_FIELD", {}),
    ):
        pair.fill_in_vain(kind, "field_not_on_this_step", field_id="visits", **rest)
        for unknown in (
            "nothing",
            "name[0]",
            "children[0].nothing",
            "person.name",
            "children[-1].x",
        ):
            pair.fill_in_vain(kind, "unknown_field", field_id=unknown, **rest)
    assert pair.both()[1]["fields"] == {}


@pytest.mark.parametrize("field", ["card", "notice", "agree"])
def test_a_field_without_a_value_cannot_be_entered(pair: Pair, field: str) -> None:
    """ENTER_FIELD of an attachment, a consent text or a signature is `wrong_field_kind`."""
    reach(pair, {"card": "papers"}.get(field, "consent"))
    pair.fill_in_vain("ENTER_FIELD", "wrong_field_kind", field_id=field, value="x")


def test_reading_never_falls(pair: Pair) -> None:
    """REPORT_READING shows the fraction on both views, and a smaller one later changes nothing."""
    reach(pair, "consent")
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="end")
    assert set(refusal["details"]["fields"]) == {"notice", "agree"}
    pair.fill("REPORT_READING", field_id="notice", fraction=0.4)
    assert [view["reading"]["notice"] for view in pair.both()] == [0.4, 0.4]
    pair.fill("REPORT_READING", field_id="notice", fraction=0.2)
    assert [view["reading"]["notice"] for view in pair.both()] == [0.4, 0.4]
    pair.fill("REPORT_READING", field_id="notice", fraction=1)
    assert [view["reading"]["notice"] for view in pair.both()] == [1, 1]
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="end")
    assert refusal["details"]["fields"] == ["agree"]


@pytest.mark.parametrize("fraction", [-0.1, 1.1, "1", None, True])
def test_a_fraction_beyond_0_and_1_is_malformed(pair: Pair, fraction: object) -> None:
    """`fraction` is a number from 0 to 1."""
    pair.fill_in_vain("REPORT_READING", "malformed", field_id="notice", fraction=fraction)


def test_only_a_consent_text_on_this_step_is_read(pair: Pair) -> None:
    """REPORT_READING of anything else is refused."""
    pair.fill_in_vain("REPORT_READING", "field_not_on_this_step", field_id="notice", fraction=1)
    pair.fill_in_vain("REPORT_READING", "wrong_field_kind", field_id="name", fraction=1)
    pair.fill_in_vain("REPORT_READING", "unknown_field", field_id="nothing", fraction=1)


def test_help_is_asked_for_from_any_step(pair: Pair) -> None:
    """ASK_FOR_HELP may be repeated, and the lobby tells it to every staff screen."""
    pair.fill("ASK_FOR_HELP")
    pair.fill("ASK_FOR_HELP")
    lobby = pair.staff.wait(
        lambda m: m.topic.endswith("/lobby") and m.json["sessions"][0]["help_requested"]
    )
    assert lobby.json["sessions"][0]["session"] == pair.session
