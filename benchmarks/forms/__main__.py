"""Measures one answer in a form of 2,000 items with 300 expressions: `./run bench --forms`.

The rules alone, in one process: what an answer costs without expressions, with 300 that name the
questions that they depend on, and in a form a tenth as large. The three are taken in turns.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.base import Role
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import Flow
from session_controller.engine.calculating import calculated
from session_controller.engine.events import Event, Fact, FieldEntered, SessionOpened
from session_controller.engine.evolve import evolve
from session_controller.engine.history import before_the_first
from session_controller.engine.session import Session

_CALCULATED = (
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"
)
_START = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
_GOAL_MS = 50.0


def _form(groups: int, expressions: int) -> Flow:
    """Build a form: in each group 84 questions, and so many sums of two of them."""
    items = [
        {
            "linkId": f"g{g}",
            "type": "group",
            "text": f"Group {g}",
            "item": [
                *({"linkId": f"g{g}q{n}", "type": "integer", "text": "Q"} for n in range(84)),
                *(_sum(g, n, calculates=n < expressions) for n in range(15)),
            ],
        }
        for g in range(groups)
    ]
    return load_flow(
        {"resourceType": "Questionnaire", "id": "bench", "status": "active", "item": items}
    )


def _sum(group: int, number: int, *, calculates: bool) -> dict[str, Any]:
    parts = (f"%resource.descendants().where(linkId='g{group}q{number + n}')" for n in range(2))
    text = " + ".join(f"{part}.answer.value" for part in parts)
    value = {"language": "text/fhirpath", "expression": text}
    extension = [{"url": _CALCULATED, "valueExpression": value}] if calculates else []
    item = {"linkId": f"g{group}c{number}", "type": "integer", "text": "Sum"}
    return item | ({"extension": extension} if extension else {})


class _Play:
    """A session of a form."""

    def __init__(self, flow: Flow) -> None:
        opened = SessionOpened(
            flow_ref=flow.flow_ref,
            label=None,
            check_words=("acorn", "boat"),
            host="desk",
            host_role=Role.FACILITY,
            host_online=True,
        )
        self.session: Session = before_the_first(flow, "s", opened, _START)
        self.happen(opened)

    def happen(self, fact: Fact) -> None:
        revision = self.session.state.revision + 1
        event = Event("s", revision, _START + timedelta(seconds=revision), fact, None, None)
        before, self.session = self.session, evolve(self.session, event)
        results = calculated(before, self.session, fact, lambda: lambda: False)
        if results is not None:
            self.happen(results)

    def answer(self, number: int) -> None:
        """Answer one of the questions that two sums of the first group depend on."""
        field_id = f"g0q{1 + number % 13}"
        self.happen(FieldEntered(field_id=field_id, value=number))


def _timed(do: Callable[[], None]) -> float:
    start = time.perf_counter()
    do()
    return (time.perf_counter() - start) * 1_000


def main() -> int:
    """Measure, and print the medians."""
    parser = argparse.ArgumentParser(prog="./run bench --forms", description=__doc__)
    parser.add_argument("--answers", type=int, default=200, metavar="N", help="default: 200")
    parser.add_argument("--json", action="store_true", help="print all medians as JSON")
    order = parser.parse_args()
    plays = {
        "2,000 items": _Play(_form(20, 0)),
        "2,000 items, 300 expressions": _Play(_form(20, 15)),
        "200 items, 30 expressions": _Play(_form(2, 15)),
    }
    taken: dict[str, list[float]] = {name: [] for name in plays}
    for number in range(order.answers):
        for name, play in plays.items():
            taken[name].append(_timed(lambda play=play, number=number: play.answer(number)))
    medians = {name: round(statistics.median(times), 2) for name, times in taken.items()}
    slowest = {name: round(max(times), 1) for name, times in taken.items()}
    if order.json:
        print(json.dumps({"median_ms": medians, "slowest_ms": slowest}))
        return 0
    print(f"one answer, ms; median of {order.answers}, and the slowest (goal: {_GOAL_MS:.0f})")
    for name, median in medians.items():
        print(f"  {name:32} {median:8.2f} {slowest[name]:8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
