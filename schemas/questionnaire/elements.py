"""The elements of Questionnaire in FHIR R4 (hl7.org/fhir/R4/questionnaire.html), and all others.

A form that was made for another version of FHIR, or by hand, has elements that R4 does not have.
What they say does not hold, so each is reported with the nearest that exists.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.rules import Rule

_EVERYWHERE = frozenset({"id", "extension", "modifierExtension"})
_ROOT = frozenset(
    {
        *("resourceType", "meta", "implicitRules", "language", "text", "contained", "url"),
        *("identifier", "version", "name", "title", "derivedFrom", "status", "experimental"),
        *("subjectType", "date", "publisher", "contact", "description", "useContext"),
        *("jurisdiction", "purpose", "copyright", "approvalDate", "lastReviewDate"),
        *("effectivePeriod", "code", "item"),
    }
)
_ITEM = frozenset(
    {
        *("linkId", "definition", "code", "prefix", "text", "type", "enableWhen"),
        *("enableBehavior", "required", "repeats", "readOnly", "maxLength", "answerValueSet"),
        *("answerOption", "initial", "item", "answerConstraint"),
    }
)
"""With R5's `answerConstraint`, which is honoured."""

_BELOW: Mapping[str, tuple[frozenset[str], str]] = {
    "enableWhen": (frozenset({"question", "operator"}), "answer"),
    "answerOption": (frozenset({"initialSelected"}), "value"),
    "initial": (frozenset(), "value"),
}
"""The elements of an item's parts, and the stem of their choice of types."""

_STU3 = {
    "option": "answerOption",
    "options": "answerValueSet",
    "hasAnswer": 'operator "exists"',
    "initialBoolean": "initial.valueBoolean",
    "initialDecimal": "initial.valueDecimal",
    "initialInteger": "initial.valueInteger",
    "initialDate": "initial.valueDate",
    "initialDateTime": "initial.valueDateTime",
    "initialTime": "initial.valueTime",
    "initialString": "initial.valueString",
    "initialUri": "initial.valueUri",
    "initialAttachment": "initial.valueAttachment",
    "initialCoding": "initial.valueCoding",
    "initialQuantity": "initial.valueQuantity",
    "initialReference": "initial.valueReference",
}
"""Elements of STU3 that R4 has in another place."""

_R5 = {
    "disabledDisplay": "R4 has no element for it",
    "versionAlgorithmString": "R4 has no element for it",
    "versionAlgorithmCoding": "R4 has no element for it",
    "copyrightLabel": "copyright",
}

_SIMILAR = 0.72


def check_elements(root: Cursor) -> None:
    """Report each element that FHIR R4 does not have, at its place."""
    _check(root, _ROOT)
    for item in _items(root):
        _check(item, _ITEM)
        for key, (names, stem) in _BELOW.items():
            for part in _parts(item, key):
                _check(part, names, stem)


def _items(above: Cursor) -> Iterator[Cursor]:
    for one in _parts(above, "item"):
        here = Cursor(one.value, one.path, one.report, _link_id(one))
        yield here
        yield from _items(here)


def _parts(above: Cursor, key: str) -> Iterator[Cursor]:
    """Yield the objects of a list; what is none was reported where it was read."""
    values = above.value.get(key)
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, dict):
            path = f"{above.path}.{key}[{index}]"
            yield Cursor(value, path, above.report, above.link_id)


def _link_id(item: Cursor) -> str | None:
    link_id = item.value.get("linkId")
    return link_id if isinstance(link_id, str) else None


def _check(cursor: Cursor, names: frozenset[str], stem: str | None = None) -> None:
    for key in cursor.value:
        name = key.removeprefix("_")
        if name in names or name in _EVERYWHERE or name == "fhir_comments":
            continue
        if stem is not None and name.startswith(stem) and name != stem:
            continue
        if key in _STU3:
            reason = f"is an element of STU3; R4 has {_STU3[key]}"
            cursor.refuse(key, reason, rules.OTHER_VERSION)
            continue
        rule, said = _said(name, names)
        cursor.note(rule, key, f"is not an element of FHIR R4{said}")


def _said(name: str, names: frozenset[str]) -> tuple[Rule, str]:
    """Return how much an unknown element matters, and the nearest that exists."""
    if name in _R5:
        return rules.UNKNOWN_ELEMENT, f" but of R5; {_R5[name]}"
    of_extension = ext.KNOWN.get(name)
    if of_extension is not None:
        return rules.UNKNOWN_ELEMENT, f'; it is the extension "{of_extension.url}"'
    near = _nearest(name, names)
    if near is not None:
        return rules.UNKNOWN_ELEMENT, f'; the nearest is "{near}"'
    return rules.UNKNOWN_EXTENSION, ""


@cache
def _nearest(name: str, names: frozenset[str]) -> str | None:
    by_lower = {one.lower(): one for one in names | _EVERYWHERE}
    found = get_close_matches(name.lower(), by_lower, 1, _SIMILAR)
    if found:
        return by_lower[found[0]]
    extensions = {one.lower(): known.url for one, known in ext.KNOWN.items()}
    found = get_close_matches(name.lower(), extensions, 1, _SIMILAR)
    return extensions[found[0]] if found else None
