"""An independent judge of a QuestionnaireResponse: it reads two JSON resources and nothing else.

Written from FHIR R4's text, without the project's own rules, so that a mistake in these is not
repeated here. `problems(questionnaire, response)` lists every rule that is broken.
"""

import re
from collections.abc import Iterator

_ANSWER = {
    "boolean": {"valueBoolean"},
    "decimal": {"valueDecimal"},
    "integer": {"valueInteger"},
    "date": {"valueDate"},
    "dateTime": {"valueDateTime"},
    "time": {"valueTime"},
    "string": {"valueString"},
    "text": {"valueString"},
    "url": {"valueUri"},
    "attachment": {"valueAttachment"},
    "reference": {"valueReference"},
    "quantity": {"valueQuantity"},
    "choice": {"valueCoding", "valueString", "valueInteger", "valueDate", "valueTime"},
    "open-choice": {"valueCoding", "valueString", "valueInteger", "valueDate", "valueTime"},
}
_PYTHON = {
    "valueBoolean": bool,
    "valueInteger": int,
    "valueDecimal": (int, float),
    "valueCoding": dict,
    "valueQuantity": dict,
    "valueReference": dict,
    "valueAttachment": dict,
}
_EXT = "http://hl7.org/fhir/StructureDefinition/"


def problems(questionnaire: dict, response: dict) -> list[str]:
    """List what is wrong with the response."""
    judge = _Judge(questionnaire, response)
    return list(judge.level(questionnaire["item"], response.get("item", [])))


class _Judge:
    def __init__(self, questionnaire: dict, response: dict) -> None:
        self.contained = {one["id"]: one for one in questionnaire.get("contained", [])}
        self.given: dict[str, list] = {}
        self._collect(response.get("item", []))

    def _collect(self, items: list) -> None:
        for one in items:
            for answer in one.get("answer", []):
                (value,) = [answer[key] for key in answer if key.startswith("value")]
                self.given.setdefault(one["linkId"], []).append(value)
                self._collect(answer.get("item", []))
            self._collect(one.get("item", []))

    def level(self, asked: list, given: list) -> Iterator[str]:
        """Judge the items of one level: known, in order, enabled, complete."""
        order = [one["linkId"] for one in asked]
        found = [one["linkId"] for one in given]
        for link_id in found:
            if link_id not in order:
                yield f"{link_id}: does not belong here"
        places = [order.index(one) for one in found if one in order]
        if places != sorted(places):
            yield f"{found}: not in the questionnaire's order"
        for item in asked:
            mine = [one for one in given if one["linkId"] == item["linkId"]]
            yield from self.item(item, mine)

    def item(self, item: dict, mine: list) -> Iterator[str]:
        """Judge one item with all that the response has for it."""
        link_id = item["linkId"]
        if not self.enabled(item):
            if mine:
                yield f"{link_id}: is disabled, but in the response"
            return
        if len(mine) > 1 and not (item["type"] == "group" and item.get("repeats")):
            yield f"{link_id}: stands {len(mine)} times"
        if not mine and self._wanted(item):
            yield f"{link_id}: is required and missing"
        if not mine and item["type"] == "group" and not item.get("repeats"):
            yield from self.level(item.get("item", []), [])
        for one in mine:
            yield from self._content(item, one)

    def _wanted(self, item: dict) -> bool:
        if item.get("readOnly") or _extension(item, "questionnaire-hidden") is True:
            return False
        if any(e["url"] == _EXT + "questionnaire-signatureRequired" for e in _extensions(item)):
            return True
        return bool(item.get("required"))

    def _content(self, item: dict, one: dict) -> Iterator[str]:
        link_id, kind = item["linkId"], item["type"]
        answers = one.get("answer", [])
        if kind in {"group", "display"}:
            if answers:
                yield f"{link_id}: a {kind} has answers"
            yield from self.level(item.get("item", []), one.get("item", []))
            return
        if one.get("item"):
            yield f"{link_id}: a question's children stand outside its answer"
        if not answers and self._wanted(item) and not one.get("extension"):
            yield f"{link_id}: is required and has no answer"
        if len(answers) > 1 and not item.get("repeats"):
            yield f"{link_id}: has several answers"
        for number, answer in enumerate(answers):
            yield from self._answer(item, answer)
            below = answer.get("item", [])
            if number == 0 or below:
                yield from self.level(item.get("item", []), below)

    def _answer(self, item: dict, answer: dict) -> Iterator[str]:
        link_id, kind = item["linkId"], item["type"]
        (key,) = [one for one in answer if one.startswith("value")]
        value = answer[key]
        if key not in _ANSWER[kind]:
            yield f"{link_id}: {key} does not answer a {kind}"
        if not isinstance(value, _PYTHON.get(key, str)) or (
            isinstance(value, bool) and key != "valueBoolean"
        ):
            yield f"{link_id}: {key} is a {type(value).__name__}"
        options = self._options(item)
        if options and not any(_equal(option, value) for option in options):
            free = kind == "open-choice" and key == "valueString"
            if not free:
                yield f"{link_id}: {value} is none of the options"
        yield from _limits(item, value)

    def _options(self, item: dict) -> list:
        listed = [
            next(value for key, value in one.items() if key.startswith("value"))
            for one in item.get("answerOption", [])
        ]
        reference = item.get("answerValueSet", "")
        if not reference.startswith("#"):
            return listed
        return [
            {"code": concept["code"], "system": part.get("system")}
            for part in self.contained[reference[1:]]["compose"]["include"]
            for concept in part["concept"]
        ]

    def enabled(self, item: dict) -> bool:
        """Evaluate enableWhen by the answers of the response alone."""
        results = [self._holds(one) for one in item.get("enableWhen", [])]
        if not results:
            return True
        return all(results) if item.get("enableBehavior") == "all" else any(results)

    def _holds(self, condition: dict) -> bool:
        answers = self.given.get(condition["question"], [])
        (wanted,) = [value for key, value in condition.items() if key.startswith("answer")]
        operator = condition["operator"]
        if operator == "exists":
            return bool(answers) == wanted
        if operator == "=":
            return any(_equal(wanted, one) for one in answers)
        if operator == "!=":
            return not any(_equal(wanted, one) for one in answers)
        compare = {
            ">": lambda a: a > wanted,
            "<": lambda a: a < wanted,
            ">=": lambda a: a >= wanted,
            "<=": lambda a: a <= wanted,
        }[operator]
        return any(compare(one) for one in answers)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        systems = {one.get("system"), other.get("system")} - {None}
        return one.get("code") == other.get("code") and len(systems) < 2
    return type(one) is type(other) and one == other


def _extensions(item: dict) -> list[dict]:
    return item.get("extension", [])


def _extension(item: dict, name: str) -> object:
    for one in _extensions(item):
        if one["url"] == _EXT + name:
            # None where it is calculated: what is calculated depends on the day.
            return next((value for key, value in one.items() if key.startswith("value")), None)
    return None


def _limits(item: dict, value: object) -> Iterator[str]:
    link_id = item["linkId"]
    if isinstance(value, str):
        if not value or value != value.strip("\0"):
            yield f"{link_id}: an empty string"
        if len(value) > item.get("maxLength", 10**6):
            yield f"{link_id}: longer than maxLength"
        if len(value) < (_extension(item, "minLength") or 0):
            yield f"{link_id}: shorter than minLength"
        pattern = _extension(item, "regex")
        if pattern is not None and not re.fullmatch(str(pattern), value):
            yield f"{link_id}: does not match its regex"
    low, high = _extension(item, "minValue"), _extension(item, "maxValue")
    if low is not None and value < low:
        yield f"{link_id}: below minValue"
    if high is not None and value > high:
        yield f"{link_id}: above maxValue"
