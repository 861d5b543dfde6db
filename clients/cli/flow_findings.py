"""What is found in a questionnaire file: collected, graded, printed, in JSON and in SARIF."""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clients.cli.flow_file import read_source
from clients.cli.flow_trial import dead_ends, too_slow
from clients.cli.output import print_facts
from schemas.questionnaire import rules
from schemas.questionnaire.dates import days_around
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import Flow, FlowError, Note
from schemas.questionnaire.patterns import check_patterns
from schemas.questionnaire.rules import Grade, Rule
from session_controller.forms.contradictions import contradictions

_NAMED = 5
"""How many places of one kind of finding are printed; --json has all."""

_LEVELS = {
    Grade.ERROR: "error",
    Grade.DANGER: "error",
    Grade.LOSS: "warning",
    Grade.COSMETIC: "note",
}
"""Of SARIF 2.1.0, 3.27.10."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A questionnaire and all findings, the worst first. `flow` is None if it cannot be one."""

    flow: Flow | None
    notes: tuple[Note, ...]

    @property
    def usable(self) -> bool:
        """Whether it can be a flow that every patient can complete."""
        return self.flow is not None and not any(note.rule.dead_end for note in self.notes)

    @property
    def matters(self) -> bool:
        """Whether more than its looks is not as its author meant."""
        return any(note.rule.grade is not Grade.COSMETIC for note in self.notes)

    @property
    def problems(self) -> tuple[Note, ...]:
        """The errors."""
        return tuple(note for note in self.notes if note.rule.grade is Grade.ERROR)

    @property
    def others(self) -> tuple[Note, ...]:
        """All findings but the errors."""
        return tuple(note for note in self.notes if note.rule.grade is not Grade.ERROR)

    @property
    def verdict(self) -> str:
        """Whether it is usable, in words."""
        if self.flow is None:
            return "no"
        if not self.usable:
            return "no: a patient can get stuck"
        dangers = self.count(Grade.DANGER)
        if dangers:
            return f"yes, with {dangers} danger{'s' if dangers > 1 else ''}"
        return "yes"

    def count(self, grade: Grade) -> int:
        """Return how many findings have a grade."""
        return sum(note.rule.grade is grade for note in self.notes)


def checked(file: Path, value_sets: Iterable[Path] = ()) -> Checked:
    """Check a questionnaire file, with value sets of further files. Raises OSError."""
    try:
        source = read_source(file, value_sets)
        check_patterns(source.questionnaire, time.process_time)
        flow = load_flow(source.questionnaire, fallback_id=file.stem)
    except FlowError as error:
        return Checked(None, _sorted((*error.problems, *error.notes)))
    today = days_around(datetime.now(UTC))
    found = [*flow.notes, *contradictions(flow, today, lambda: False)]
    found += [Note("answerValueSet", one, rules.OPTIONS_UNKNOWN) for one in source.missing]
    slow = too_slow(flow)
    found += [Note(f'linkId "{one}"', "takes too long", rules.EXPRESSION_IGNORED) for one in slow]
    if not slow and not any(note.rule.dead_end for note in found):
        found += _stuck(flow)
    return Checked(flow, _sorted(found))


def _stuck(flow: Flow) -> Iterator[Note]:
    for fault in dead_ends(flow):
        yield Note(f'linkId "{fault.field_id}"', fault.message, rules.DEAD_END)


def _sorted(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Return findings, the worst first: of the dangers, those in which a patient gets stuck."""

    def rank(note: Note) -> tuple[int, bool]:
        return rules.GRADES.index(note.rule.grade), not note.rule.dead_end

    return tuple(sorted(notes, key=rank))


# -- for people --------------------------------------------------------------------------------


def print_findings(notes: Sequence[Note]) -> None:
    """Print findings by kind: what it does, what to do, and where."""
    kinds: dict[Rule, list[Note]] = {}
    for note in _sorted(notes):
        kinds.setdefault(note.rule, []).append(note)
    for rule, found in kinds.items():
        lines = [rule.effect, *(str(note) for note in found[:_NAMED])]
        if len(found) > _NAMED:
            lines.append(f"and {len(found) - _NAMED} more; --json lists all")
        print_facts({rule.grade.value: "\n".join([*lines, f"What to do: {rule.remedy}"])})


# -- for programs ------------------------------------------------------------------------------


def as_json(checked: Checked) -> dict[str, Any]:
    """Return the verdict and all findings."""
    listed = [note.to_json() for note in checked.notes]
    return {
        "usable": checked.usable,
        "verdict": checked.verdict,
        "grades": {grade.value: checked.count(grade) for grade in rules.GRADES},
        "problems": [one for one in listed if one["grade"] == Grade.ERROR],
        "notes": [one for one in listed if one["grade"] != Grade.ERROR],
    }


def sarif(checked: Checked, file: Path) -> dict[str, Any]:
    """Return the findings in SARIF 2.1.0 (OASIS)."""
    kinds = {note.rule.code: note.rule for note in checked.notes}
    lines = _lines(file)
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "handrail",
                        "version": version("handrail"),
                        "rules": [_rule_as_sarif(rule) for rule in kinds.values()],
                    }
                },
                "results": [_as_sarif(note, file, lines) for note in checked.notes],
            }
        ],
    }


def _rule_as_sarif(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.effect},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": _LEVELS[rule.grade]},
        "properties": {"grade": rule.grade.value},
    }


def _as_sarif(note: Note, file: Path, lines: Mapping[str, int]) -> dict[str, Any]:
    link_id = re.search(r'linkId "(.*)"', note.place)
    line = lines.get(link_id[1], 1) if link_id else 1
    return {
        "ruleId": note.rule.code,
        "level": _LEVELS[note.rule.grade],
        "message": {"text": f"{note.message}. {note.rule.effect} {note.rule.remedy}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": file.as_posix()},
                    "region": {"startLine": line},
                },
                "logicalLocations": [{"fullyQualifiedName": note.place}],
            }
        ],
    }


def _lines(file: Path) -> dict[str, int]:
    """Return the line of each linkId, from 1."""
    found: dict[str, int] = {}
    if file.name.lower().endswith("gz"):
        return found
    text = file.read_text("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        for written in re.findall(r'"?linkId"?\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\s]+)', line):
            name = json.loads(written) if written.startswith('"') else written
            found.setdefault(str(name), number)
    return found
