"""Value sets that IT has as files: expanded as FHIR says, and put into the form."""

from typing import Any

import pytest

from schemas.questionnaire.load import load_flow
from schemas.questionnaire.value_sets import with_value_sets

SET = "http://clinic.example/ValueSet/animals"
SYSTEM = "http://clinic.example/CodeSystem/animals"


def _code(code: str, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    entry = {"code": code, "display": code.capitalize(), **more}
    return entry | ({"concept": list(below)} if below else {})


ANIMALS = {
    "resourceType": "CodeSystem",
    "url": SYSTEM,
    "content": "complete",
    "concept": [
        _code("mammal", _code("cat"), _code("dog", _code("poodle"))),
        _code("bird", property=[{"code": "flies", "valueBoolean": True}]),
    ],
}


def _set(*include: dict[str, Any], exclude: Any = (), url: str = SET) -> dict[str, Any]:
    compose = {"include": list(include)} | ({"exclude": list(exclude)} if exclude else {})
    return {"resourceType": "ValueSet", "url": url, "version": "1", "compose": compose}


def _form(url: str = SET) -> dict[str, Any]:
    item = {"linkId": "q", "type": "choice", "text": "Q", "answerValueSet": url}
    return {"resourceType": "Questionnaire", "status": "active", "id": "f", "item": [item]}


def _codes(*resources: dict[str, Any], url: str = SET) -> list[str] | str:
    form, missing = with_value_sets(_form(url), resources)
    if missing:
        return missing[0]
    options = load_flow(form).items["q"].options
    return "unknown" if options is None else [one.to_json()["code"] for one in options]


def _is(op: str, value: str, name: str = "concept") -> dict[str, Any]:
    return {"system": SYSTEM, "filter": [{"property": name, "op": op, "value": value}]}


@pytest.mark.parametrize(
    ("value_set", "codes"),
    [
        (_set({"system": SYSTEM}), ["mammal", "cat", "dog", "poodle", "bird"]),
        (_set({"system": SYSTEM, "concept": [{"code": "cat"}]}), ["cat"]),
        (_set(_is("is-a", "dog")), ["dog", "poodle"]),
        (_set(_is("descendent-of", "mammal")), ["cat", "dog", "poodle"]),
        (_set(_is("is-not-a", "mammal")), ["bird"]),
        (_set(_is("=", "true", "flies")), ["bird"]),
        (_set(_is("in", "cat, bird", "code")), ["cat", "bird"]),
        (_set({"system": SYSTEM}, exclude=[_is("is-a", "mammal")]), ["bird"]),
        (
            {
                "resourceType": "ValueSet",
                "url": SET,
                "expansion": {
                    "contains": [
                        {
                            "system": SYSTEM,
                            "code": "x",
                            "abstract": True,
                            "contains": [{"system": SYSTEM, "code": "y"}],
                        },
                    ]
                },
            },
            ["y"],
        ),
    ],
)
def test_a_value_set_is_expanded(value_set: dict[str, Any], codes: list[str]) -> None:
    """Includes, filters over a hierarchy, excludes, and an expansion as it is."""
    assert _codes(value_set, ANIMALS) == codes


def test_what_several_value_sets_of_one_include_share_is_taken() -> None:
    """And a set may refer to another, with its version."""
    cats = _set({"system": SYSTEM, "concept": [{"code": "cat"}]}, url="http://x/cats")
    both = _set({"system": SYSTEM, "valueSet": ["http://x/cats|1"]})
    assert _codes(both, cats, ANIMALS) == ["cat"]
    assert _codes(both, cats, ANIMALS, url=f"{SET}|1") == ["cat"]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ((_set({"system": SYSTEM}),), f'{SET} needs the code system "{SYSTEM}"'),
        ((_set(_is("regex", "c.*", "code")), ANIMALS), 'has a filter "code regex"'),
        ((_set({"valueSet": ["http://x/none"]}), ANIMALS), 'needs the value set "http://x/none"'),
        ((_set({"valueSet": [SET]}), ANIMALS), "refers to itself"),
        ((_set(_is("is-a", "fish")), ANIMALS), "lists no concepts"),
    ],
)
def test_what_cannot_be_expanded_is_said(resources: tuple[Any, ...], said: str) -> None:
    """With the url, and what is missing."""
    assert said in str(_codes(*resources))


def test_names_in_other_languages_and_scores_come_along() -> None:
    """Designations, translations and weights of the concepts."""
    weight = {"url": "http://hl7.org/fhir/StructureDefinition/itemWeight", "valueDecimal": 3}
    cat = _code("cat", designation=[{"language": "es", "value": "Gato"}], extension=[weight])
    form, _ = with_value_sets(_form(), (_set({"system": SYSTEM}), ANIMALS | {"concept": [cat]}))
    (option,) = load_flow(form).items["q"].options or ()
    assert (option.label("es"), option.weight) == ("Gato", 3)


def test_a_form_without_such_questions_is_left_alone() -> None:
    """What it does not need is not put into it."""
    form = _form()
    del form["item"][0]["answerValueSet"]
    assert with_value_sets(form, (_set({"system": SYSTEM}), ANIMALS)) == (form, ())
