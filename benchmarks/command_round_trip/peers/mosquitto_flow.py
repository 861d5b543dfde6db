"""The part of a Questionnaire that the Mosquitto peer uses: steps, fields, enabling, validation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

Json = dict[str, Any]


@dataclass(eq=False, slots=True)
class Field:
    """A question of the flow."""

    name: str
    step: int
    kind: str
    required: bool
    conditions: list[Json]
    max_length: int
    pattern: re.Pattern[str] | None
    options: set[str | None]
    sensitive: bool

    def is_on(self, answers: Json) -> bool:
        """Return whether the answers enable it."""
        return all(_holds(item, answers) for item in self.conditions)

    def fault(self, value: Any) -> str | None:
        """Return what is wrong with a value, or None if it is valid."""
        if self.kind == "boolean":
            return None if isinstance(value, bool) else "Must be yes or no."
        if self.kind == "integer":
            return None if type(value) is int else "Must be a whole number."
        if self.kind == "date":
            return None if isinstance(value, str) and _is_date(value) else "Not a date."
        if self.kind == "choice":
            codes = [_code(each) for each in (value if isinstance(value, list) else [value])]
            known = all(not self.options or code in self.options for code in codes)
            return None if known else "Not one of the options."
        return self._fault_of_text(value)

    def _fault_of_text(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return None if self.kind == "open-choice" else "Not text."
        if len(value) > self.max_length:
            return "Too long."
        wrong = self.pattern is not None and not self.pattern.fullmatch(value)
        return "Does not match the required format." if wrong else None


def _code(value: Any) -> Any:
    return value.get("code") if isinstance(value, dict) else value


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _holds(item: Json, answers: Json) -> bool:
    verdicts = []
    for when in item["enableWhen"]:
        answer = answers.get(when["question"])
        if when["operator"] == "exists":
            verdicts.append((answer is not None) == when["answerBoolean"])
            continue
        wanted = next(_code(v) for k, v in when.items() if k.startswith("answer"))
        equal = wanted in map(_code, answer if isinstance(answer, list) else [answer])
        verdicts.append(equal if when["operator"] == "=" else answer is not None and not equal)
    return any(verdicts) if item.get("enableBehavior") == "any" else all(verdicts)


class Flow:
    """The steps and fields of a Questionnaire that this job uses."""

    def __init__(self, questionnaire: Json) -> None:
        self.steps: list[str] = []
        self.on_step: list[list[Field]] = []
        self.fields: dict[str, Field] = {}
        for item in questionnaire["item"]:
            self.steps.append(item["linkId"])
            self.on_step.append([])
            self._collect(item.get("item", []), [item] if "enableWhen" in item else [])

    def _collect(self, items: list[Json], outer: list[Json]) -> None:
        for item in items:
            conditions = [*outer, item] if "enableWhen" in item else outer
            if item["type"] == "group":
                if not item.get("repeats"):
                    self._collect(item.get("item", []), conditions)
            elif item["type"] != "display":
                self._add(item, conditions)
                self._collect(item.get("item", []), conditions)

    def _add(self, item: Json, conditions: list[Json]) -> None:
        more = {e["url"].rpartition("/")[2]: e for e in item.get("extension", [])}
        regex = more.get("regex", {}).get("valueString")
        made = Field(
            name=item["linkId"],
            step=len(self.steps) - 1,
            kind=item["type"],
            required=item.get("required", False),
            conditions=conditions,
            max_length=item.get("maxLength", 10_000),
            pattern=re.compile(regex) if regex else None,
            options={_code(o.get("valueCoding")) for o in item.get("answerOption", [])},
            sensitive=any(name.endswith(":sensitive") for name in more),
        )
        self.fields[made.name] = made
        self.on_step[-1].append(made)
