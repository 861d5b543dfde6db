"""Values of every kind, repeating groups, questions that switch others on and off."""

from typing import Any

import pytest

from .forms import VISIT, choice, extension, form, item, options, reach
from .raw import Json, Pair, Room

KINDS = form(
    "kinds",
    item(
        "all",
        "group",
        item=[
            item("a-string", "string"),
            item("a-text", "text"),
            item("a-boolean", "boolean"),
            item("a-decimal", "decimal"),
            item("an-integer", "integer"),
            item("a-date", "date"),
            item("a-datetime", "dateTime"),
            item("a-time", "time"),
            item("a-url", "url"),
            item("a-choice", "choice", answerOption=options("one", "two")),
            item("an-open-choice", "open-choice", answerOption=options("one", "two")),
            item("choices", "choice", repeats=True, answerOption=options("one", "two", "three")),
            item("strings", "string", repeats=True, maxLength=5),
            item(
                "letters",
                "choice",
                answerOption=[{"valueString": "A"}, {"valueString": "B"}],
            ),
            item("numbers", "choice", answerOption=[{"valueInteger": 1}, {"valueInteger": 2}]),
            item("set", "choice", answerValueSet="#colours"),
            item(
                "ranged",
                "integer",
                extension=[
                    extension("minValue", "Integer", 1),
                    extension("maxValue", "Integer", 3),
                ],
            ),
            item("short", "string", maxLength=3),
        ],
    ),
    item("next", "group", item=[item("last", "boolean")]),
)
KINDS["contained"] = [
    {
        "resourceType": "ValueSet",
        "id": "colours",
        "status": "active",
        "compose": {
            "include": [{"system": "urn:colour", "concept": [{"code": "red"}, {"code": "blue"}]}]
        },
    }
]


@pytest.fixture
def kinds(clinic: Room) -> Pair:
    """A session of a form with a question of every kind."""
    return Pair(clinic, KINDS)


VALID: list[tuple[str, Any]] = [
    ("a-string", "Grüße, 你好 🙂"),
    ("a-text", "one\ntwo"),
    ("a-boolean", False),
    ("a-boolean", True),
    ("a-decimal", 1.25),
    ("a-decimal", -3),
    ("an-integer", -3),
    ("an-integer", 0),
    ("a-date", "1990-05-17"),
    ("a-date", "1990-05"),
    ("a-date", "1990"),
    ("a-datetime", "2026-11-22T10:15:00Z"),
    ("a-datetime", "2026-11-22T10:15:00+01:00"),
    ("a-time", "10:15:00"),
    ("a-url", "https://example.org/a"),
    ("a-choice", choice("one")),
    ("a-choice", {"system": "urn:test", "code": "one"}),
    ("a-choice", {"code": "one"}),
    ("an-open-choice", choice("two")),
    ("an-open-choice", "something else"),
    ("choices", [choice("one"), choice("three")]),
    ("strings", ["a", "b"]),
    ("letters", "A"),
    ("numbers", 2),
    ("set", {"system": "urn:colour", "code": "red"}),
    ("ranged", 3),
    ("short", "abc"),
]


@pytest.mark.parametrize("field", sorted({field for field, _ in VALID}))
def test_a_valid_value_is_shown_without_an_error(kinds: Pair, field: str) -> None:
    """Plain JSON in, the same out on both views, no `error`."""
    for value in [value for name, value in VALID if name == field]:
        kinds.fill("ENTER_FIELD", field_id=field, value=value)
        staff, patient = kinds.both()
        shown = patient["fields"][field]
        assert "error" not in shown, (value, shown)
        assert staff["fields"][field] == shown
        if isinstance(value, dict):
            assert shown["value"]["code"] == value["code"]
        elif field != "choices":
            assert shown["value"] == value
    kinds.go("next")


BROKEN: list[tuple[str, Any]] = [
    ("a-date", "1990-13-01"),
    ("a-date", "yesterday"),
    ("a-datetime", "2026-11-22T10:15:00"),
    ("a-datetime", "2026-11-22 10:15"),
    ("a-time", "25:00:00"),
    ("a-time", "10:15"),
    ("a-choice", choice("three")),
    ("a-choice", {"system": "urn:other", "code": "one"}),
    ("choices", [choice("one"), choice("four")]),
    ("strings", ["a", "too long"]),
    ("letters", "C"),
    ("numbers", 3),
    ("set", {"system": "urn:colour", "code": "green"}),
    ("ranged", 0),
    ("ranged", 4),
    ("short", "abcd"),
]


@pytest.mark.parametrize("field", sorted({field for field, _ in BROKEN}))
def test_a_value_that_breaks_a_rule_blocks_moving_on(kinds: Pair, field: str) -> None:
    """Stored, shown with an `error` to both, and NAVIGATE is refused for that field."""
    for value in [value for name, value in BROKEN if name == field]:
        kinds.fill("ENTER_FIELD", field_id=field, value=value)
        staff, patient = kinds.both()
        assert patient["fields"][field].get("error"), (value, patient["fields"][field])
        assert staff["fields"][field]["error"] == patient["fields"][field]["error"]
        refusal = kinds.lead_in_vain("NAVIGATE", "step_incomplete", step_id="next")
        assert refusal["details"]["fields"] == [field]
    kinds.fill("CLEAR_FIELD", field_id=field)
    kinds.go("next")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("a-string", 7),
        ("a-string", {"a": 1}),
        ("a-boolean", "true"),
        ("a-boolean", 1),
        ("an-integer", "3"),
        ("an-integer", 1.5),
        ("a-decimal", "1.5"),
        ("a-date", 19900517),
        ("a-choice", 7),
        ("choices", choice("one")),
        ("strings", "a"),
        ("strings", [["a"]]),
        ("a-string", ["a"]),
    ],
)
def test_a_value_of_another_kind_never_passes(kinds: Pair, field: str, value: Any) -> None:
    """Either it is stored with its `error`, or refused as `wrong_field_kind`; never valid."""
    since = kinds.patient.mark()
    command = kinds.patient.send(kinds.session, "ENTER_FIELD", field_id=field, value=value)
    answer = kinds.patient.answer(kinds.session, command, since)
    if answer.get("type") == "REJECTION":
        assert answer["code"] in {"wrong_field_kind", "malformed"}
        assert field not in kinds.both()[1]["fields"]
        kinds.go("next")
    elif field in answer["fields"] and answer["fields"][field].get("error"):
        kinds.lead_in_vain("NAVIGATE", "step_incomplete", step_id="next")
    else:
        shown = kinds.both()[1]["fields"].get(field)
        rejected = [m for m in kinds.patient.messages[since:] if "/rejections/" in m.topic]
        assert rejected or (shown or {}).get("error"), shown


def test_null_and_empty_values_are_no_answers(clinic: Room) -> None:
    """Null, an empty string and an empty list do not fill a required field."""
    needed = form(
        "needed",
        item("s", "group", item=[item("a", "string", required=True)]),
        item("t", "group", item=[item("b", "boolean")]),
    )
    pair = Pair(clinic, needed)
    nothing: tuple[Any, ...] = (None, "", "   ", [])
    for empty in nothing:
        since = pair.patient.mark()
        command = pair.patient.send(pair.session, "ENTER_FIELD", field_id="a", value=empty)
        pair.patient.answer(pair.session, command, since)
        refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="t")
        assert refusal["details"]["fields"] == ["a"]


def test_a_quantity_is_entered(clinic: Room) -> None:
    """A quantity is plain JSON too: what FHIR writes comes back, and a text does not pass."""
    weights = form(
        "weights",
        item(
            "s",
            "group",
            item=[
                item(
                    "weight",
                    "quantity",
                    required=True,
                    extension=[
                        extension(
                            "questionnaire-unitOption",
                            "Coding",
                            {"system": "http://unitsofmeasure.org", "code": "kg", "display": "kg"},
                        )
                    ],
                )
            ],
        ),
        item("t", "group", item=[item("b", "boolean")]),
    )
    pair = Pair(clinic, weights)
    value = {"value": 71.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    pair.fill("ENTER_FIELD", field_id="weight", value=value)
    shown = pair.both()[1]["fields"]["weight"]
    assert "error" not in shown
    assert shown["value"]["value"] == 71.5
    pair.go("t")


@pytest.fixture
def family(clinic: Room) -> Pair:
    """A session on the step with the repeating group, which is switched on."""
    pair = Pair(clinic, VISIT)
    reach(pair, "family")
    pair.fill("ENTER_FIELD", field_id="has-children", value=True)
    return pair


def test_entering_in_the_next_instance_adds_it(family: Pair) -> None:
    """`{group}[n].linkId`, where n instances exist, adds one; beyond that is unknown."""
    family.fill_in_vain(
        "ENTER_FIELD", "unknown_field", field_id="children[2].child-name", value="X"
    )
    family.fill("ENTER_FIELD", field_id="children[0].child-name", value="Ann")
    family.fill("ENTER_FIELD", field_id="children[1].child-born", value="2019-01-02")
    refusal = family.lead_in_vain("NAVIGATE", "step_incomplete", step_id="papers")
    assert refusal["details"]["fields"] == ["children[1].child-name"]
    family.fill("ENTER_FIELD", field_id="children[1].child-name", value="Bob")
    staff, patient = family.both()
    for view in (staff, patient):
        assert view["fields"]["children[0].child-name"] == {"value": "Ann"}
        assert view["fields"]["children[1].child-name"] == {"value": "Bob"}
    family.go("papers")


def test_more_instances_than_the_form_allows_are_too_many(family: Pair) -> None:
    """Beyond `maxOccurs`: `too_many` with the `limit`."""
    for n in range(3):
        family.fill("ENTER_FIELD", field_id=f"children[{n}].child-name", value=f"Child {n}")
    refusal = family.fill_in_vain(
        "ENTER_FIELD", "too_many", field_id="children[3].child-name", value="One more"
    )
    assert refusal["details"]["limit"] == 3


def test_clearing_an_instance_takes_it_out(family: Pair) -> None:
    """CLEAR_FIELD of `{group}[n]` moves the later instances up."""
    for n, name in enumerate(["Ann", "Bob", "Cid"]):
        family.fill("ENTER_FIELD", field_id=f"children[{n}].child-name", value=name)
    family.fill("ENTER_FIELD", field_id="children[2].child-born", value="2020-01-01")
    family.fill("CLEAR_FIELD", field_id="children[1]")
    fields = family.both()[1]["fields"]
    assert fields["children[0].child-name"] == {"value": "Ann"}
    assert fields["children[1].child-name"] == {"value": "Cid"}
    assert fields["children[1].child-born"] == {"value": "2020-01-01"}
    assert not any(field.startswith("children[2]") for field in fields)
    family.fill_in_vain("CLEAR_FIELD", "unknown_field", field_id="children[2]")
    family.fill("ENTER_FIELD", field_id="children[2].child-name", value="Dan")


@pytest.mark.parametrize(
    "field",
    [
        "children",
        "children[]",
        "children[x].child-name",
        "children[-1].child-name",
        "children[00].child-name",
        "children[0]child-name",
        "children[0].has-children",
        "children[0]",
        "child-name",
        "has-children[0]",
        "children[9999999999999999999999].child-name",
        "children[0].child-name[0]",
        " has-children",
        "family",
        "../name",
        "name\x00",
    ],
)
def test_a_name_that_is_no_field_is_unknown(family: Pair, field: str) -> None:
    """Whatever is not spelled as the contract does is no field."""
    family.fill_in_vain("ENTER_FIELD", "unknown_field", field_id=field, value="x")


def test_a_switched_off_field_is_not_shown_and_not_required(clinic: Room) -> None:
    """`enableWhen` on the same step and across steps; what is switched off keeps no hold."""
    pair = Pair(clinic, VISIT)
    pair.enter(name="Ada", born="1990-05-17", plan=choice("gold"))
    pair.go("visits")
    pair.go("family")
    pair.enter(has_children=False)
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="papers")
    assert refusal["details"]["fields"] == ["gold-number"]
    pair.fill("ENTER_FIELD", field_id="gold-number", value="12")
    assert pair.both()[0]["fields"]["gold-number"] == {"value": "12"}
    pair.go("person")
    pair.enter(plan=choice("silver"))
    staff, _ = pair.both()
    assert "gold-number" not in staff["fields"]
    pair.go("family")
    assert "gold-number" not in pair.both()[1]["fields"]
    pair.fill_in_vain("ENTER_FIELD", "field_not_on_this_step", field_id="gold-number", value="13")
    pair.go("papers")


def test_a_switched_off_group_is_not_required(family: Pair) -> None:
    """Its instances vanish from the views with the answer that switched them on."""
    family.fill("ENTER_FIELD", field_id="children[0].child-born", value="2020-01-01")
    family.lead_in_vain("NAVIGATE", "step_incomplete", step_id="papers")
    family.fill("ENTER_FIELD", field_id="has-children", value=False)
    fields = family.both()[1]["fields"]
    assert set(fields) == {"has-children"}
    family.go("papers")


def test_loose_items_form_a_step_named_after_the_first(clinic: Room) -> None:
    """Top-level items in a row are one step; groups between them part them."""
    loose = form(
        "loose",
        item("a", "string"),
        item("b", "string"),
        item("g", "group", item=[item("c", "string")]),
        item("d", "string"),
    )
    pair = Pair(clinic, loose)
    staff, _ = pair.both()
    assert list(staff["steps"]) == ["a", "g", "d"]
    pair.enter(a="1", b="2")
    pair.go("d")
    pair.lead_in_vain("NAVIGATE", "unknown_step", step_id="b")


def test_nested_groups_are_named_by_the_instance_of_each_level(clinic: Room) -> None:
    """Inside two repeating groups a field is `{outer}[{n}].{inner}[{m}].{linkId}`."""
    nested = form(
        "nested",
        item(
            "step",
            "group",
            item=[
                item(
                    "outer",
                    "group",
                    repeats=True,
                    item=[
                        item("a", "string"),
                        item("plain", "group", item=[item("b", "string")]),
                        item("inner", "group", repeats=True, item=[item("c", "string")]),
                    ],
                )
            ],
        ),
    )
    pair = Pair(clinic, nested)
    pair.fill("ENTER_FIELD", field_id="outer[0].a", value="1")
    pair.fill("ENTER_FIELD", field_id="outer[0].b", value="2")
    pair.fill("ENTER_FIELD", field_id="outer[0].inner[0].c", value="3")
    pair.fill("ENTER_FIELD", field_id="outer[1].inner[0].c", value="4")
    fields: Json = pair.both()[1]["fields"]
    assert {k: v["value"] for k, v in fields.items()} == {
        "outer[0].a": "1",
        "outer[0].b": "2",
        "outer[0].inner[0].c": "3",
        "outer[1].inner[0].c": "4",
    }
    pair.fill("CLEAR_FIELD", field_id="outer[0]")
    fields = pair.both()[1]["fields"]
    assert {k: v["value"] for k, v in fields.items()} == {"outer[0].inner[0].c": "4"}


def test_a_value_that_is_too_long_to_keep_is_too_large(kinds: Pair) -> None:
    """A megabyte of text is refused as `too_large`, or by the broker; nothing is stored."""
    since = kinds.patient.mark()
    kinds.patient.send(kinds.session, "ENTER_FIELD", field_id="a-text", value="x" * 60_000)
    kinds.patient._until(
        lambda: (
            kinds.patient.closed.is_set()
            or [m for m in kinds.patient.messages[since:] if "rejections" in m.topic or m.payload]
        ),
        what="an answer",
    )
    assert kinds.both()[0]["status"] == "active"
