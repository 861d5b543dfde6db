"""What hypothesis draws from: any JSON, bent questionnaires, small random flows and answers."""

import copy

from hypothesis import strategies as st

from tests.flow.filling import flow_of

texts = st.text(max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["2026-02-30", "2026-11", "12:00:00", "\0", "\ud800", "x\ny", ""])
)
any_json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

KINDS = [
    "boolean",
    "decimal",
    "integer",
    "date",
    "dateTime",
    "time",
    "string",
    "text",
    "url",
    "choice",
    "open-choice",
    "attachment",
    "reference",
    "quantity",
    "display",
    "group",
]


@st.composite
def bent(draw, questionnaire):
    """Draw a questionnaire with a few of its parts replaced by any JSON, or dropped."""
    value = copy.deepcopy(questionnaire)
    for _ in range(draw(st.integers(1, 3))):
        _bend(draw, value)
    return value


def _bend(draw, value) -> None:
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if not isinstance(value[key], dict | list) or draw(st.integers(0, 3)) == 0:
            if draw(st.booleans()):
                value[key] = draw(any_json)
            else:
                del value[key]
            return
        value = value[key]


_ASKED = ("boolean", "integer", "string")
_ANSWERS = {
    "boolean": ("answerBoolean", st.booleans()),
    "integer": ("answerInteger", st.integers(0, 3)),
    "string": ("answerString", st.sampled_from("abc")),
}


@st.composite
def flows(draw):
    """Draw a small flow: nested groups and questions, some repeating, conditions at random."""
    count = draw(st.integers(2, 9))
    names = [f"i{number}" for number in range(count)]
    kinds = {name: draw(st.sampled_from(("group", *_ASKED, *_ASKED))) for name in names}
    items = {name: _item(draw, name, kinds) for name in names}
    roots = []
    for number, name in enumerate(names):
        above = draw(st.sampled_from([None, *names[:number]]))
        (roots if above is None else items[above].setdefault("item", [])).append(items[name])
    return flow_of(*roots)


def _item(draw, name, kinds):
    kind = kinds[name]
    item = {"linkId": name, "type": kind, "required": draw(st.booleans())}
    if kind == "group":
        item["repeats"] = draw(st.integers(0, 2)) == 0
    asked = [other for other, one in kinds.items() if one != "group"]
    conditions = draw(st.integers(0, 2)) if asked else 0
    if conditions:
        item["enableWhen"] = [_condition(draw, asked, kinds) for _ in range(conditions)]
        item["enableBehavior"] = draw(st.sampled_from(("any", "all")))
    return item


def _condition(draw, asked, kinds):
    question = draw(st.sampled_from(asked))
    key, values = _ANSWERS[kinds[question]]
    operator = draw(st.sampled_from(("exists", "=", "!=", ">", "<", ">=", "<=")))
    if operator == "exists":
        key, values = "answerBoolean", st.booleans()
    return {"question": question, "operator": operator, key: draw(values)}


values = st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b", "c", ""])
