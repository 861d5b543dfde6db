"""Screening forms that add up: the scores and bands that their authors published."""

from typing import Any

import pytest

from tests.engine.play import Play, flow_of, item

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"


def _options(*weights: int) -> list[dict[str, Any]]:
    return [
        {
            "valueCoding": {"system": "urn:answers", "code": f"a{n}", "display": f"Answer {n}"},
            "extension": [{"url": _CORE + "ordinalValue", "valueDecimal": weight}],
        }
        for n, weight in enumerate(weights)
    ]


def _calculated(text: str) -> list[dict[str, Any]]:
    value = {"language": "text/fhirpath", "expression": text}
    return [{"url": _SDC + "calculatedExpression", "valueExpression": value}]


def _screening(questions: int, weights: tuple[int, ...], bands: str) -> Play:
    """Open a session of a form whose answers weigh, with their sum and what it means."""
    asked = [
        item(f"q{n}", "choice", answerOption=_options(*weights), required=True)
        for n in range(1, questions + 1)
    ]
    named = " or ".join(f"linkId = 'q{n}'" for n in range(1, questions + 1))
    total = f"%resource.item.where({named}).answer.value.ordinal().sum()"
    sum_of_all = "%resource.item.where(linkId = 'total').answer.value"
    results = [
        item("total", "integer", readOnly=True, extension=_calculated(total)),
        item(
            "band",
            "string",
            readOnly=True,
            extension=_calculated(bands.replace("%total", sum_of_all)),
        ),
    ]
    return Play(flow_of(*asked, *results))


PHQ_9 = (
    "iif(%total >= 20, 'severe', iif(%total >= 15, 'moderately severe', "
    "iif(%total >= 10, 'moderate', iif(%total >= 5, 'mild', 'minimal'))))"
)
_MODERATE = "iif(%total >= 10, 'moderate', iif(%total >= 5, 'mild', 'minimal'))"
GAD_7 = f"iif(%total >= 15, 'severe', {_MODERATE})"
AUDIT_C = "iif(%total >= 4, 'positive', 'negative')"
"""Of men; Bush 1998."""
TALLY = "iif(%total >= 4, 'high', 'low')"
"""As PRAPARE's risk tally counts: one point for each need."""


@pytest.mark.parametrize(
    ("questions", "weights", "bands", "given", "result"),
    [
        (9, (0, 1, 2, 3), PHQ_9, [0] * 9, (0, "minimal")),
        (9, (0, 1, 2, 3), PHQ_9, [1, 1, 1, 1, 1, 0, 0, 0, 0], (5, "mild")),
        (9, (0, 1, 2, 3), PHQ_9, [3, 3, 3, 3, 2, 0, 0, 0, 0], (14, "moderate")),
        (9, (0, 1, 2, 3), PHQ_9, [3, 3, 3, 3, 3, 0, 0, 0, 0], (15, "moderately severe")),
        (9, (0, 1, 2, 3), PHQ_9, [3] * 9, (27, "severe")),
        (7, (0, 1, 2, 3), GAD_7, [1, 1, 1, 1, 0, 0, 0], (4, "minimal")),
        (7, (0, 1, 2, 3), GAD_7, [2, 2, 2, 2, 2, 0, 0], (10, "moderate")),
        (7, (0, 1, 2, 3), GAD_7, [3] * 7, (21, "severe")),
        (3, (0, 1, 2, 3, 4), AUDIT_C, [1, 1, 1], (3, "negative")),
        (3, (0, 1, 2, 3, 4), AUDIT_C, [4, 4, 4], (12, "positive")),
        (8, (0, 1), TALLY, [1, 1, 1, 1, 0, 0, 0, 0], (4, "high")),
    ],
)
def test_scores_are_as_published(
    questions: int,
    weights: tuple[int, ...],
    bands: str,
    given: list[int],
    result: tuple[int, str],
) -> None:
    """The sum of the answers' weights, and the band that it falls into."""
    play = _screening(questions, weights, bands)
    for number, chosen in enumerate(given, 1):
        play.enter(f"q{number}", {"system": "urn:answers", "code": f"a{chosen}"})
    fields = play.staff_view.fields
    assert (fields["total"].value, fields["band"].value) == result
