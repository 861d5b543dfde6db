"""Convert an answer to the value of an element, according to the element's type.

    convert(element, answer, values) -> JSON | None

An answer that does not fit its element gives None, and stays in the QuestionnaireResponse only.
Nothing here raises on what a patient entered.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from schemas.questionnaire.model import Json
from session_controller.export.answer import Answer, text_of
from session_controller.export.fhir import resources as fhir
from session_controller.export.fhir.elements import ElementType

_CODED = frozenset({"state", "country"})
"""Strings for which a short code is usual."""

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def convert(element: ElementType, answer: Answer, values: Mapping[str, Json]) -> Json:
    """Return the element's value, or None; `values` translates certain answers."""
    stands_for = _name_in(values, answer)
    if stands_for is not None:
        if values[stands_for] is None:
            return None
        answer = _as_answer(values[stands_for])
    if element.name in _CODED and "valueCoding" in answer:
        return answer["valueCoding"].get("code") or text_of(answer)
    if get_origin(element.holds) is Literal:
        return _literal(get_args(element.holds), answer)
    maker = _MAKERS.get(_name(element.holds))
    return None if maker is None else maker(answer)


def fixed_value(element: ElementType | None, value: Json) -> Json:
    """Return a value set by a form or a mapping, or None if it does not fit the element."""
    if element is None or value is None:
        return None
    if element.model is not None and isinstance(value, dict):
        try:
            return element.model.model_validate(value).to_json()
        except ValidationError:
            pass
    return convert(element, _as_answer(value), {})


def as_concept(answer: Answer) -> Json:
    """Return a CodeableConcept: the answer's code if it has one, else its text."""
    if "valueCoding" in answer and answer["valueCoding"].get("code"):
        return {"coding": [dict(answer["valueCoding"])]}
    return {"text": text_of(answer)}


def _name_in(values: Mapping[str, Json], answer: Answer) -> str | None:
    """Return the key in `values` that matches an answer: by its code, else by its text."""
    names = (answer.get("valueCoding", {}).get("code"), text_of(answer))
    return next((name for name in names if name in values), None)


def _as_answer(value: Json) -> Answer:
    if isinstance(value, dict):
        return {"valueCoding": value}
    return {"valueBoolean": value} if isinstance(value, bool) else {"valueString": str(value)}


def _literal(allowed: tuple[str, ...], answer: Answer) -> Json:
    said = [answer.get("valueCoding", {}).get("code") or "", text_of(answer)]
    return next((one.lower() for one in said if one.lower() in allowed), None)


def _text(answer: Answer) -> Json:
    return text_of(answer).strip() or None


def _date(answer: Answer) -> Json:
    text = text_of(answer).partition("T")[0]
    return text if _DATE.fullmatch(text) else None


def _token(answer: Answer) -> Json:
    text = answer.get("valueCoding", {}).get("code") or text_of(answer)
    return text if text and not re.search(r"\s", text) else None


def _boolean(answer: Answer) -> Json:
    return answer.get("valueBoolean")


def _coding(answer: Answer) -> Json:
    coding = answer.get("valueCoding")
    return dict(coding) if coding else {"display": text_of(answer)}


def _reference(answer: Answer) -> Json:
    """Return a reference with a display only: the other system's ids are unknown here."""
    if "valueReference" in answer:
        return dict(answer["valueReference"])
    coding = answer.get("valueCoding", {})
    if coding.get("system") and coding.get("code"):
        known = {"system": coding["system"], "value": coding["code"]}
        return {"identifier": known, "display": text_of(answer)}
    return {"display": text_of(answer)}


def _contact_point(answer: Answer) -> Json:
    text = text_of(answer)
    return {"system": "email" if "@" in text else "phone", "value": text}


def _within(key: str) -> Callable[[Answer], Json]:
    return lambda answer: {key: text_of(answer)}


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else _PRIMITIVES.get(repr(kind), "")


_PRIMITIVES = {
    repr(kind): name
    for name, kind in (
        ("String", fhir.String),
        ("Code", fhir.Code),
        ("Uri", fhir.Uri),
        ("Date", fhir.Date),
        ("DateTime", fhir.DateTime),
    )
}

_MAKERS: Mapping[str, Callable[[Answer], Json]] = {
    "String": _text,
    "Code": _token,
    "Uri": _token,
    "Date": _date,
    "DateTime": _date,
    "bool": _boolean,
    "CodeableConcept": as_concept,
    "Coding": _coding,
    "Reference": _reference,
    "HumanName": _within("text"),
    "Address": _within("text"),
    "Identifier": _within("value"),
    "ContactPoint": _contact_point,
}
