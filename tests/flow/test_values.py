"""One value against one question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.questionnaire.load import load_flow
from session_controller.forms.validation import (
    Problem,
    TooLarge,
    WrongKind,
    canonical_value,
    check_value,
    is_empty,
)
from tests.flow.everything import EVERYTHING
from tests.flow.filling import flow_of
from tests.flow.strategies import any_json

_EXT = "http://hl7.org/fhir/StructureDefinition/"
_ITEMS = load_flow(EVERYTHING).items
_CODED = [{"valueCoding": {"code": "a", "system": "s", "display": "A"}}]


def _item(kind: str, *extensions, **elements):
    written = {"linkId": "q", "type": kind, "extension": list(extensions)} | elements
    return flow_of(written).items["q"]


def _ext(name, **value):
    return {"url": _EXT + name, **value}


@pytest.mark.parametrize(
    ("item", "good", "wrong"),
    [
        (_item("boolean"), [True, False], ["true", 1, 0, None, [], {}]),
        (_item("integer"), [0, -5, 7.0, 2**31 - 1], ["1", 1.5, True, 2**53, float("nan")]),
        (_item("decimal"), [0, 1.5, -2, 1e300], ["1", True, 2**64, float("inf"), None]),
        (_item("string"), ["", "x", "ñ" * 5_000, "👩‍⚕️"], [1, True, {}, [], "a\0b", "\ud800"]),
        (_item("text"), ["a\nb\tc\r\n", "x" * 16_000], [1, "\0"]),
        (_item("url"), ["", "https://example.org/a?b#c", "mailto:a@example.org"], [1, {}]),
        (_item("date"), ["", "2026", "2026-11", "2024-02-29"], [2026, {}, "20\0"]),
        (
            _item("dateTime"),
            ["2026", "2026-11-22", "2026-11-22T10:15:02Z", "2026-11-22T10:15:02.120-05:00"],
            [1],
        ),
        (_item("time"), ["", "00:00:00", "23:59:59.999"], [12]),
        (_item("choice", answerOption=_CODED), [{"code": "a"}, {"code": "a", "system": "s"}, ""],
         [1, True, [], {}, {"code": 1}, {"code": "a", "x": "y"}]),
        (_item("choice", answerOption=[{"valueString": "x"}]), ["x", ""], [1, {}]),
        (_item("choice", answerOption=[{"valueInteger": 3}]), [3], [True, 3.5]),
        (_item("choice"), ["x", {"code": "x"}, {"display": "X"}], [1, {}, {"system": "s"}]),
        (_item("open-choice", answerOption=_CODED), ["x", {"code": "a"}], [1]),
        (_item("quantity"), [1, 1.5, {"value": 1}, {"value": 0, "unit": "kg"}],
         ["1", {}, {"unit": "kg"}, {"value": "1"}, {"value": True}]),
        (_item("reference"), ["Patient/1", "", {"reference": "Patient/1"}, {"display": "Dr"}],
         [1, {}, {"reference": 1}]),
        (_item("string", repeats=True), [[], ["a", "a"]], ["a", [1], [None], [["a"]]]),
    ],
    ids=lambda one: getattr(one, "type", None),
)  # fmt: skip
def test_each_kind_has_its_json(item, good, wrong):
    """A value of a kind's JSON is taken; any other JSON is of the wrong kind."""
    for value in good:
        assert check_value(item, value) is None, value
    for value in wrong:
        assert isinstance(check_value(item, value), WrongKind), value


@pytest.mark.parametrize(
    ("item", "value", "code"),
    [
        (_item("string", maxLength=3), "four", "too_long"),
        (_item("string"), "x" * 5_001, "too_long"),
        (_item("text"), "x" * 16_001, "too_long"),
        (_item("string", _ext("minLength", valueInteger=3)), "ab", "too_short"),
        (_item("string", _ext("regex", valueString="[0-9]{5}")), "123456", "wrong_format"),
        (_item("string", _ext("regex", valueString="(a+)+$")), "a" * 40 + "b", "wrong_format"),
        (_item("integer", _ext("regex", valueString="[0-9]{2}")), 7, "wrong_format"),
        (_item("string"), "a\nb", "control_character"),
        (_item("text"), "a\x07b", "control_character"),
        (_item("string"), "a\x85b", "control_character"),
        (_item("string"), "a\u202eb", "control_character"),
        (_item("text"), "a\xadb", "control_character"),
        (_item("url"), "www.example.org", "not_a_url"),
        (_item("url"), "https://a b", "not_a_url"),
        (_item("integer"), 2**31, "out_of_range"),
        (_item("integer", _ext("minValue", valueInteger=5)), 4, "too_small"),
        (_item("decimal", _ext("maxValue", valueDecimal=5.5)), 5.6, "too_large"),
        (_item("decimal", _ext("maxDecimalPlaces", valueInteger=1)), 0.25, "too_precise"),
        (_item("quantity", _ext("maxValue", valueQuantity={"value": 3})), {"value": 4},
         "too_large"),
        (_item("date"), "2026-02-30", "not_a_date"),
        (_item("date"), "22.11.2026", "not_a_date"),
        (_item("date"), "2026-1-1", "not_a_date"),
        (_item("date"), "0000-01-01", "not_a_date"),
        (_item("date"), "\uff12\uff10\uff12\uff16", "not_a_date"),
        (_item("dateTime"), "2026-11-22T10:15", "not_a_date"),
        (_item("dateTime"), "2026-11-22T10:15:00", "not_a_date"),
        (_item("time"), "25:00:00", "not_a_date"),
        (_item("date", _ext("minValue", valueDate="2020-06-15")), "2020-05", "too_small"),
        (_item("date", _ext("maxValue", valueDate="2020")), "2021-01-01", "too_large"),
        (_item("time", _ext("minValue", valueTime="08:00:00")), "07:59:59", "too_small"),
        (_item("choice", answerOption=_CODED), {"code": "b"}, "not_an_option"),
        (_item("choice", answerOption=_CODED), {"code": "a", "system": "t"}, "not_an_option"),
        (_item("choice", answerOption=_CODED), "a", "not_an_option"),
        (_item("choice", answerOption=_CODED), "A", "not_an_option"),
        (_item("open-choice", answerOption=_CODED), {"code": "b"}, "not_an_option"),
        (_item("choice", answerOption=[{"valueInteger": 3}]), 4, "not_an_option"),
        (_item("string", answerOption=[{"valueString": "x"}]), "y", "not_an_option"),
        (_item("choice", answerOption=_CODED, repeats=True), [{"code": "a"}] * 2, "duplicate"),
        (_ITEMS["pick"], [{"code": "a"}, {"code": "none"}], "exclusive"),
        (_item("string", _ext("questionnaire-maxOccurs", valueInteger=1), repeats=True),
         ["a", "b"], "too_many"),
        (_item("string", _ext("questionnaire-minOccurs", valueInteger=2), repeats=True),
         ["a"], "too_few"),
        (_ITEMS["weight"], 70, "wrong_unit"),
        (_ITEMS["weight"], {"value": 70, "unit": "stone"}, "wrong_unit"),
    ],
)  # fmt: skip
def test_a_broken_rule_has_its_code(item, value, code):
    """An answer of the right JSON that breaks a rule is a Problem with a stable code."""
    problem = check_value(item, value)
    assert isinstance(problem, Problem), problem
    assert problem.code == code
    assert problem.message.endswith(".")


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (_item("date", _ext("minValue", valueDate="2020-06-15")), "2020"),
        (_item("date", _ext("maxValue", valueDate="2020-06-15")), "2020-06"),
        (_item("string", _ext("regex", valueString="^a|b$")), "b"),
        (_item("string", _ext("regex", valueString="(a+)+")), "a" * 40),
        (_item("string", maxLength=2), "👍👍"),
        (_ITEMS["weight"], {"value": 70, "unit": "kg"}),
    ],
)
def test_only_a_certain_breach_is_a_problem(item, value):
    """A partial date that may lie inside the bounds is taken; lengths count code points."""
    assert check_value(item, value) is None


@pytest.mark.parametrize("kind", ["string", "text", "choice", "reference"])
def test_what_is_too_long_to_keep_is_told_apart(kind):
    """Beyond 16 KiB a value is too large, however many characters that is."""
    assert isinstance(check_value(_item(kind), "x" * 16_385), TooLarge)
    assert isinstance(check_value(_item(kind), "😀" * 4_097), TooLarge)


def test_long_lists_are_too_large_before_they_are_slow():
    """A list of thousands of answers is refused by its size."""
    many = [{"code": "a"}] * 5_000
    item = _item("choice", answerOption=_CODED, repeats=True)
    assert isinstance(check_value(item, many), TooLarge)


@pytest.mark.parametrize("name", ["page", "photo", "consent", "sign"])
def test_what_is_not_entered_takes_no_value(name):
    """Groups, documents, texts and signatures take no value at all."""
    assert isinstance(check_value(_ITEMS[name], "x"), WrongKind)


@given(st.sampled_from(sorted(_ITEMS)), any_json)
def test_any_json_gets_a_verdict(name, value):
    """Whatever a patient's device sends, the check answers and does not raise."""
    verdict = check_value(_ITEMS[name], value)
    assert verdict is None or isinstance(verdict, WrongKind | TooLarge | Problem)
    canonical_value(_ITEMS[name], value)
    is_empty(value)


_MARK = "Zq7Xw9Kj"


@given(
    st.sampled_from(sorted(_ITEMS)),
    st.recursive(
        st.text(max_size=6).map(lambda text: text + _MARK),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["code", "display", "value", _MARK]), inner)
        ),
        max_leaves=5,
    ),
)
def test_no_message_holds_the_value(name, value):
    """A value never appears in what is said about it."""
    assert _MARK not in str(check_value(_ITEMS[name], value))


@pytest.mark.parametrize(
    ("item", "typed", "stored"),
    [
        (_item("string", _ext("regex", valueString="[0-9]{5}")), "12345 ", "12345"),
        (_item("string", _ext("regex", valueString="[0-9]{5}")), "\xa012345\u200b", "12345"),
        (_item("string", _ext("regex", valueString="[()0-9 -]+")), "\u202a(555) 555\u202c",
         "(555) 555"),
        (_item("string", maxLength=3), "  abc\ufeff\n", "abc"),
        (_item("string", maxLength=3), "a b", "a b"),
        (_item("text"), "  one\n\n two \r\n", "one\n\n two"),
        (_item("url"), " https://example.org\u2003", "https://example.org"),
        (_item("string", repeats=True), ["a ", "\tb"], ["a", "b"]),
        (_item("string"), "\u0647\u200d", "\u0647\u200d"),
        (_item("choice", answerOption=[{"valueString": "Tea"}]), "Tea ", "Tea"),
        (_item("choice", answerOption=[{"valueString": "Tea "}]), "Tea ", "Tea "),
        (_item("string", answerOption=[{"valueString": "x"}]), " x", "x"),
        (_item("open-choice", answerOption=_CODED), " Cat ", "Cat"),
        (_item("reference"), "Dr. Ito ", "Dr. Ito"),
    ],
)  # fmt: skip
def test_space_around_a_text_breaks_no_rule_and_is_not_kept(item, typed, stored):
    """Nobody sees it: neither plain spaces nor zero-width ones nor marks of direction."""
    assert check_value(item, typed) is None
    assert canonical_value(item, typed) == stored
    assert check_value(item, stored) is None


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\xa0", "\u200b\ufeff", "\u200e"])
def test_a_text_of_spaces_is_no_answer(blank):
    """It is empty, and breaks no rule of its question."""
    item = _item("string", _ext("regex", valueString="[0-9]{5}"), _ext("minLength", valueInteger=5))
    assert is_empty(blank)
    assert canonical_value(item, blank) == ""
    assert check_value(item, blank) is None
    assert check_value(_item("url"), blank) is None
    assert check_value(_item("choice", answerOption=[{"valueString": "Tea"}]), blank) is None


def test_a_choice_is_kept_as_its_option_spells_it():
    """Words that a device puts beside a code are replaced by the form's own."""
    item = _ITEMS["pick"]
    settled = canonical_value(item, [{"code": "a", "display": "I consent to anything"}, "b"])
    assert settled == [{"code": "a", "system": "s", "display": "A"}, "b"]
