"""Repeating groups: where a field id points, entering one more, taking one out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.questionnaire.load import load_flow
from session_controller.forms.answers import (
    MAX_INSTANCES,
    Entry,
    Refused,
    assess,
    enter,
    place_of,
    remove_instance,
    resolve,
    shifted,
)
from tests.flow.everything import EVERYTHING
from tests.flow.filling import flow_of

FLOW = load_flow(EVERYTHING)


def _place(field_id: str):
    place = resolve(FLOW, field_id)
    assert place is not None
    return place


@pytest.mark.parametrize(
    ("field_id", "link_id", "indices", "is_instance"),
    [
        ("yes", "yes", (), False),
        ("page", "page", (), False),
        ("visits", "visits", (), False),
        ("visits[0]", "visits", (0,), True),
        ("visits[12].when", "when", (12,), False),
        ("visits[0].drugs", "drugs", (0,), False),
        ("visits[0].drugs[2]", "drugs", (0, 2), True),
        ("visits[3].drugs[2].dose", "dose", (3, 2), False),
    ],
)
def test_a_field_id_names_an_item_in_an_instance(field_id, link_id, indices, is_instance):
    """Field ids are as the wire contract writes them, and read back to the same place."""
    place = _place(field_id)
    assert (place.item.link_id, place.indices, place.is_instance) == (
        link_id,
        indices,
        is_instance,
    )
    assert place == place_of(place.item, indices) or not indices


@pytest.mark.parametrize(
    "field_id",
    [
        "",
        "no",
        "when",
        "drug",
        "page[0]",
        "page[0].yes",
        "visits[00].when",
        "visits[-1].when",
        "visits[1",
        "visits[].when",
        "visits[1]when",
        "visits[1].",
        "visits[1].yes",
        "visits[1].drug",
        "visits[1].drugs.drug",
        "drugs[0].drug",
        "visits[999999].when",
        "visits[1][2]",
        "visits[\u0661].when",
    ],
)
def test_what_names_no_field_is_not_found(field_id):
    """Anything else, however near, names nothing."""
    assert resolve(FLOW, field_id) is None


@given(st.text(max_size=30) | st.from_regex(r"(visits|drugs|when|\[|\]|\.|[0-9]){1,6}"))
def test_any_text_is_a_field_or_none(text):
    """Whatever a device sends as a field id, it names one field or none."""
    place = resolve(FLOW, text)
    assert place is None or place.field_id == text


def test_linkids_may_hold_what_separates():
    """Groups whose linkIds hold dots and brackets are told apart."""
    odd = flow_of(
        {
            "linkId": "a.b[x]",
            "type": "group",
            "repeats": True,
            "item": [{"linkId": "/c.d", "type": "string"}, {"linkId": "a.b", "type": "string"}],
        }
    )
    place = resolve(odd, "a.b[x][1]./c.d")
    assert place is not None
    assert place.item.link_id == "/c.d"
    assert resolve(odd, "a.b[x][1].a.b") is not None


def _entered(answers, instances, field_id, value="x"):
    entry = enter(FLOW, answers, instances, _place(field_id), value)
    assert isinstance(entry, Entry), entry
    return entry


def test_entering_behind_the_last_adds_an_instance():
    """Instance n, where n exist, is added with its initial answers; beyond it nothing is."""
    first = _entered({}, {}, "visits[0].drugs[0].drug")
    assert first.instances == {"visits": 1, "visits[0].drugs": 1}
    assert first.answers == {"visits[0].drugs[0].drug": "x", "visits[0].drugs[0].dose": "1"}
    assert set(first.changed) == set(first.answers)
    beyond = enter(FLOW, first.answers, first.instances, _place("visits[2].when"), "2026")
    assert beyond is Refused.NO_SUCH_INSTANCE
    again = _entered(first.answers, first.instances, "visits[0].drugs[0].drug", "y")
    assert again.instances == first.instances
    assert again.answers["visits[0].drugs[0].drug"] == "y"


def test_instances_are_bounded():
    """MaxOccurs bounds a group, and our own limit one that has none."""
    held = _entered({}, {}, "visits[0].drugs[0].drug")
    for number in (1, 2):
        held = _entered(held.answers, held.instances, f"visits[0].drugs[{number}].drug")
    fourth = enter(FLOW, held.answers, held.instances, _place("visits[0].drugs[3].drug"), "x")
    assert fourth is Refused.TOO_MANY
    full = {"visits": MAX_INSTANCES}
    more = enter(FLOW, {}, full, _place(f"visits[{MAX_INSTANCES}].when"), "2026")
    assert more is Refused.TOO_MANY


def test_fields_in_all_are_bounded():
    """Instances of instances stop before a flow grows beyond what is assessed in time."""
    inner = {"linkId": "b", "type": "group", "repeats": True}
    inner["item"] = [{"linkId": str(n), "type": "string"} for n in range(40)]
    flow = flow_of({"linkId": "a", "type": "group", "repeats": True, "item": [inner]})
    instances = {"a": 1}
    added = 0
    for number in range(MAX_INSTANCES):
        for inside in range(MAX_INSTANCES):
            place = resolve(flow, f"a[{number}].b[{inside}].0")
            entry = enter(flow, {}, instances, place, "x")
            if isinstance(entry, Refused):
                assert entry is Refused.TOO_MANY
                assert added > 50
                return
            instances = entry.instances
            added += 1
    pytest.fail("never refused")


def test_what_is_fixed_cannot_be_entered():
    """A read-only answer that the form brings stays as it is."""
    flow = flow_of(
        {"linkId": "a", "type": "string", "readOnly": True, "initial": [{"valueString": "x"}]}
    )
    assert enter(flow, {"a": "x"}, {}, resolve(flow, "a"), "y") is Refused.FIXED


def test_taking_an_instance_out_moves_the_later_ones_up():
    """The later instances take the number before theirs, with all that is in them."""
    answers = {
        "yes": True,
        "visits[0].when": "2020",
        "visits[1].when": "2021",
        "visits[1].drugs[0].drug": "gone",
        "visits[2].when": "2022",
        "visits[2].drugs[0].drug": "kept",
    }
    instances = {"visits": 3, "visits[1].drugs": 1, "visits[2].drugs": 1}
    entry = remove_instance(answers, instances, _place("visits[1]"))
    assert isinstance(entry, Entry)
    assert entry.answers == {
        "yes": True,
        "visits[0].when": "2020",
        "visits[1].when": "2022",
        "visits[1].drugs[0].drug": "kept",
    }
    assert entry.instances == {"visits": 2, "visits[1].drugs": 1}
    reading = {"visits[1].when": 0.5, "visits[2].when": 0.7, "consent": 1.0}
    assert shifted(reading, _place("visits[1]")) == {"visits[1].when": 0.7, "consent": 1.0}


def test_only_an_instance_that_exists_can_be_taken_out():
    """A field, a group as a whole and an instance that is not there stay."""
    for field_id in ("visits[0].when", "visits", "yes", "visits[1]"):
        refused = remove_instance({}, {"visits": 1}, _place(field_id))
        assert refused is Refused.NO_SUCH_INSTANCE


@given(st.integers(1, 6), st.data())
def test_removal_is_removal_from_a_list(count, data):
    """Instances behave as the elements of a list, whichever is taken out."""
    words = [f"w{number}" for number in range(count)]
    answers: dict = {}
    instances: dict = {}
    for number, word in enumerate(words):
        entry = _entered(answers, instances, f"visits[{number}].when", word)
        answers, instances = entry.answers, entry.instances
    while words:
        number = data.draw(st.integers(0, len(words) - 1))
        del words[number]
        entry = remove_instance(answers, instances, _place(f"visits[{number}]"))
        answers, instances = entry.answers, entry.instances
        assert answers == {f"visits[{n}].when": word for n, word in enumerate(words)}
        assert instances == ({"visits": len(words)} if words else {})
        assess(FLOW, answers, instances)
