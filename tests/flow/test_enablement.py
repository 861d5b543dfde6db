"""Which fields are on: against an implementation so plain that one sees that it is right."""

import operator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.questionnaire.load import Flow
from schemas.questionnaire.model import FieldKind
from session_controller.forms.answers import assess, enabled_fields
from tests.flow.filling import flow_of
from tests.flow.strategies import flows, values

_COMPARE = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_TYPES = {"boolean": bool, "integer": int, "string": str}


def naive(flow: Flow, answers, instances) -> list[str]:
    """List what is on, by walking the definition for each field anew."""
    fields = list(_places(flow, instances))

    @cache
    def on(field_id: str) -> bool:
        link_id, _, parent = next(one[1:] for one in fields if one[0] == field_id)
        if parent is not None:
            above = next(one[1] for one in fields if one[0] == parent)
            if not on(parent):
                return False
            if flow.items[above].type is not FieldKind.GROUP and not answered(parent):
                return False
        return _conditions_hold(flow, flow.items[link_id], lambda one: seen(field_id, one))

    def answered(field_id: str) -> bool:
        return answers.get(field_id) not in {None, ""}

    def seen(field_id: str, condition) -> list:
        scope = dict(next(one[2] for one in fields if one[0] == field_id))
        raw = _leads_to(flow, condition.question, flow_link(field_id))
        return [
            answers[other]
            for other, link_id, other_scope, _ in fields
            if link_id == condition.question
            and all(scope.get(group, number) == number for group, number in other_scope)
            and answered(other)
            and (raw or on(other))
        ]

    def flow_link(field_id: str) -> str:
        return next(one[1] for one in fields if one[0] == field_id)

    def to_be_seen(field_id: str) -> bool:
        """Whether it is on, and more than a group of nothing."""
        if flow.items[flow_link(field_id)].type is not FieldKind.GROUP:
            return on(field_id)
        return on(field_id) and any(to_be_seen(f) for f, *_, parent in fields if parent == field_id)

    return [field_id for field_id, *_ in fields if to_be_seen(field_id)]


def _places(flow: Flow, instances):
    """Yield each field: its id, its linkId, the instances around it, its parent field."""

    def walk(link_id, prefix, scope, parent):
        item = flow.items[link_id]
        if item.repeats and item.type is FieldKind.GROUP:
            for number in range(max(1, instances.get(prefix + link_id, 0))):
                field_id = f"{prefix}{link_id}[{number}]"
                inner = (*scope, (link_id, number))
                yield field_id, link_id, inner, parent
                for child in item.children:
                    yield from walk(child, field_id + ".", inner, field_id)
            return
        yield prefix + link_id, link_id, scope, parent
        for child in item.children:
            yield from walk(child, prefix, scope, prefix + link_id)

    for step in flow.steps:
        for link_id in step.item_ids:
            yield from walk(link_id, "", (), None)


def _conditions_hold(flow: Flow, item, seen) -> bool:
    results = [_holds(flow, one, seen(one)) for one in item.enable_when]
    if not results:
        return True
    return all(results) if item.enable_behavior == "all" else any(results)


def _holds(flow: Flow, condition, answers) -> bool:
    if condition.operator == "exists":
        return bool(answers) is condition.answer
    kind = _TYPES[flow.items[condition.question].type.value]
    comparable = [one for one in answers if type(one) is kind is type(condition.answer)]
    if condition.operator == "!=":
        return condition.answer not in comparable
    compare = _COMPARE[condition.operator]
    return any(compare(one, condition.answer) for one in comparable)


def _leads_to(flow: Flow, start: str, goal: str) -> bool:
    """Return whether the state of `start` depends on that of `goal`."""
    seen, waiting = set(), [start]
    while waiting:
        link_id = waiting.pop()
        if link_id == goal:
            return True
        if link_id not in seen:
            seen.add(link_id)
            item = flow.items[link_id]
            waiting += [one.question for one in item.enable_when]
            waiting += [item.parent] if item.parent else []
    return False


@st.composite
def filled(draw):
    """Draw a flow, answers to some of its fields, and counts of instances."""
    flow = draw(flows())
    instances = {}
    fields = []

    def walk(link_id, prefix):
        item = flow.items[link_id]
        if item.repeats and item.type is FieldKind.GROUP:
            count = draw(st.integers(0, 2))
            if count:
                instances[prefix + link_id] = count
            prefixes = [f"{prefix}{link_id}[{number}]." for number in range(max(1, count))]
        else:
            fields.append(prefix + link_id)
            prefixes = [prefix]
        for inner in prefixes:
            for child in item.children:
                walk(child, inner)

    for step in flow.steps:
        for link_id in step.item_ids:
            walk(link_id, "")
    answers = draw(st.dictionaries(st.sampled_from(fields), values)) if fields else {}
    groups = {name for name, item in flow.items.items() if item.type is FieldKind.GROUP}
    answers = {name: value for name, value in answers.items() if name.split(".")[-1] not in groups}
    return flow, answers, instances, fields


@given(filled())
def test_enablement_agrees_with_the_plain_definition(case):
    """Whatever the flow and the answers, exactly those fields are on that FHIR says."""
    flow, answers, instances, _ = case
    assert list(assess(flow, answers, instances).enabled_ids) == naive(flow, answers, instances)


@given(filled(), st.data())
def test_assessing_what_changed_is_assessing_all(case, data):
    """After any change, looking at what changed gives what looking at everything gives."""
    flow, answers, instances, fields = case
    before = assess(flow, answers, instances)
    changed = data.draw(st.lists(st.sampled_from(fields), max_size=3)) if fields else []
    after = dict(answers)
    for field_id in changed:
        value = data.draw(st.none() | values)
        if value is None:
            after.pop(field_id, None)
        else:
            after[field_id] = value
    again = before.after(changed, after, instances)
    fresh = assess(flow, after, instances)
    assert (again.on, again.states, again.steps) == (fresh.on, fresh.states, fresh.steps)


def _asked(kind: str, operator: str, answer_key: str, answer, **elements):
    condition = {"question": "q", "operator": operator, answer_key: answer}
    return flow_of(
        {"linkId": "q", "type": kind} | elements,
        {"linkId": "then", "type": "string", "enableWhen": [condition]},
    )


@pytest.mark.parametrize(
    ("kind", "operator", "key", "answer", "on", "off"),
    [
        ("date", "=", "answerDate", "2026-11-22", ["2026-11-22"], ["2026-11", "2026", "x"]),
        ("date", ">", "answerDate", "2026-11", ["2026-12-01", "2027"], ["2026-11-30", "2026"]),
        ("date", "<=", "answerDate", "2026-11", ["2026-11-30", "2026-11", "2025"], ["2026"]),
        ("dateTime", ">=", "answerDateTime", "2026-11-22T10:00:00Z",
         ["2026-11-22T12:00:00+02:00", "2026-11-22T10:00:00.5Z"], ["2026-11-22T12:00:00+02:30"]),
        ("dateTime", "<", "answerDate", "2026-11-22", ["2026-11-21T23:59:59Z"], ["2026-11-22"]),
        ("time", ">", "answerTime", "12:00:00", ["12:00:01"], ["12:00:00", "x", 5]),
        ("decimal", "=", "answerDecimal", 1, [1, 1.0], [1.5, "1", True]),
        ("integer", "!=", "answerInteger", 1, [None, 2, "1"], [1]),
        ("integer", "exists", "answerBoolean", False, [None, ""], [0]),
        ("string", "=", "answerString", "a", ["a"], ["A", "", None]),
        ("choice", "=", "answerCoding", {"code": "a", "system": "s"},
         [{"code": "a", "system": "s"}, {"code": "a"}], [{"code": "a", "system": "t"}, "a"]),
        ("choice", "!=", "answerCoding", {"code": "a"}, [None, {"code": "b"}, "a"],
         [{"code": "a", "system": "any"}]),
        ("choice", ">", "answerCoding", {"code": "a"}, [], [{"code": "b"}]),
        ("quantity", ">", "answerQuantity", {"value": 5, "code": "kg"},
         [6, {"value": 6}, {"value": 6, "code": "kg"}], [{"value": 6, "code": "lb"}, 5, None]),
        ("reference", "=", "answerReference", {"reference": "Patient/1"},
         ["Patient/1", {"reference": "Patient/1"}], ["Patient/2", {"display": "x"}]),
    ],
)  # fmt: skip
def test_operators_compare_each_type(*, kind, operator, key, answer, on, off):
    """Each operator compares as questionnaire-enable-operator says; other types never match."""
    flow = _asked(kind, operator, key, answer)
    for value in on:
        assert assess(flow, {"q": value}).is_enabled("then"), value
    for value in off:
        assert not assess(flow, {"q": value}).is_enabled("then"), value


def test_any_answer_of_a_repeating_question_counts():
    """`=` holds if one of several answers equals, `!=` if none does."""
    equal = _asked("string", "=", "answerString", "a", repeats=True)
    unequal = _asked("string", "!=", "answerString", "a", repeats=True)
    assert assess(equal, {"q": ["b", "a"]}).is_enabled("then")
    assert not assess(unequal, {"q": ["b", "a"]}).is_enabled("then")
    assert assess(unequal, {"q": ["b"]}).is_enabled("then")


def test_documents_signatures_and_readings_are_answers():
    """A condition on a document, a signature or a text sees whether it is there."""
    signature = {
        "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired",
        "valueCodeableConcept": {"text": "x"},
    }
    consent = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
    asked = [
        {"linkId": "photo", "type": "attachment"},
        {"linkId": "sign", "type": "display", "extension": [signature]},
        {"linkId": "read", "type": "display", "text": "All of it.", "extension": [consent]},
    ]
    then = [
        {
            "linkId": "after-" + one["linkId"],
            "type": "string",
            "enableWhen": [
                {"question": one["linkId"], "operator": "exists", "answerBoolean": True}
            ],
        }
        for one in asked
    ]
    flow = flow_of(*asked, *then)
    assert enabled_fields(flow, {})["photo"] == ("photo", "sign", "read")
    assessment = assess(
        flow,
        {},
        documents={"photo": "received"},
        signatures={"sign": "signed"},
        reading={"read": 0.995},
    )
    assert all(assessment.is_enabled(one["linkId"]) for one in then)


def test_hidden_items_are_never_shown_nor_required():
    """A hidden item keeps its value and its say in conditions, but no screen shows it."""
    hidden = {
        "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden",
        "valueBoolean": True,
    }
    flow = flow_of(
        {"linkId": "q", "type": "boolean", "required": True, "extension": [hidden]},
        {
            "linkId": "then",
            "type": "string",
            "enableWhen": [{"question": "q", "operator": "=", "answerBoolean": True}],
        },
    )
    assessment = assess(flow, {"q": True})
    assert list(assessment.enabled_ids) == ["then"]
    assert assess(flow, {}).complete
