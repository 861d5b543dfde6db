"""What the patient's view says of the next instance of a repeating group."""

import json
from typing import Any

import pytest

from schemas.wire.rejections import RejectionCode
from tests.engine.play import Play, flow_of, item

HIDDEN = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden",
    "valueBoolean": True,
}
MAX_3 = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs",
    "valueInteger": 3,
}


def when(question: str, value: bool = True) -> list[dict[str, Any]]:
    """Write a condition on a boolean question."""
    return [{"question": question, "operator": "=", "answerBoolean": value}]


FLOW = flow_of(
    item(
        "health",
        "group",
        item=[
            item("smokes", "boolean"),
            item("scan", "attachment"),
            item(
                "meds",
                "group",
                repeats=True,
                extension=[MAX_3],
                item=[
                    item("drug", "string", required=True),
                    item("note", "display"),
                    item("batch", "string", extension=[HIDDEN]),
                    item("daily", "boolean"),
                    item("often", "integer", enableWhen=when("daily")),
                    item("smoke-advice", "boolean", enableWhen=when("smokes")),
                    item("times", "group", repeats=True, item=[item("hour", "time")]),
                ],
            ),
        ],
    ),
    item("other", "group", item=[item("reason", "string")]),
)


@pytest.fixture
def play() -> Play:
    """Begin a session of `FLOW`."""
    return Play(FLOW)


def following(play: Play) -> Any:
    """Return what the patient's view says of next instances."""
    return json.loads(play.patient_view.to_json()).get("next_instances")


def test_a_group_without_instances_shows_its_first_already(play: Play) -> None:
    """Nothing is said of it: the first instance is in `enabled`."""
    assert following(play) is None
    assert "meds[0].drug" in play.patient_view.enabled


def test_the_next_instance_shows_what_is_on_in_it_alone(play: Play) -> None:
    """Hidden fields and fields whose condition is not met are not in it; a group below is."""
    play.enter("meds[0].drug", "aspirin")
    play.enter("meds[0].daily", True)
    shown = ["", ".drug", ".note", ".daily", ".times[0]", ".times[0].hour"]
    assert following(play) == {"meds": [f"meds[1]{one}" for one in shown]}
    assert "meds[0].often" in play.patient_view.enabled


def test_a_condition_on_an_answer_around_the_group_counts(play: Play) -> None:
    """What is switched on outside is on in the next instance as well."""
    play.enter("meds[0].drug", "aspirin")
    play.enter("smokes", True)
    assert "meds[1].smoke-advice" in following(play)["meds"]


def test_each_group_that_may_have_one_more_is_named(play: Play) -> None:
    """A group inside an instance is named with the instance."""
    play.enter("meds[0].times[0].hour", "08:00:00")
    assert set(following(play)) == {"meds", "meds[0].times"}
    assert following(play)["meds[0].times"] == ["meds[0].times[1]", "meds[0].times[1].hour"]


def test_a_full_group_is_not_named(play: Play) -> None:
    """At `maxOccurs` there is no next instance."""
    for number in range(3):
        play.enter(f"meds[{number}].drug", "aspirin")
    assert following(play) is None


def test_another_step_has_none(play: Play) -> None:
    """The field is of the current step alone."""
    play.enter("meds[0].drug", "aspirin")
    play.host("NAVIGATE", step_id="other")
    assert following(play) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("drug", "b"), ("daily", True), ("often", 2), ("smoke-advice", True), ("times[0].hour", "8")],
)
def test_the_rules_take_what_the_view_shows(play: Play, field: str, value: Any) -> None:
    """An entry in the next instance is accepted exactly where the view has the field."""
    play.enter("meds[0].drug", "aspirin")
    shown = f"meds[1].{field}" in following(play)["meds"]
    outcome = play.patient("ENTER_FIELD", field_id=f"meds[1].{field}", value=value)
    assert (outcome is not RejectionCode.FIELD_NOT_ON_THIS_STEP) is shown
