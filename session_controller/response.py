"""What was entered, as a FHIR R4 QuestionnaireResponse (hl7.org/fhir/R4, 9.5).

    questionnaire_response(flow, answers, instances, *, status, authored, ...) -> dict

Only what is on is exported, and only answers that keep their question's rules. Groups and
questions nest as in the questionnaire; what hangs below a question stands in its first answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas import questionnaire_extensions as ext
from schemas.questionnaire import CHOICES, FieldKind, Flow, Item, Json
from session_controller.assessment import Assessment, assess
from session_controller.choices import find_option, find_unit
from session_controller.layout import Node
from session_controller.values import check_value, is_empty, settle

_NONE: Mapping[str, Json] = {}


def questionnaire_response(
    flow: Flow,
    answers: Mapping[str, Json],
    instances: Mapping[str, int] = _NONE,
    *,
    status: str,
    authored: str,
    attachments: Mapping[str, Mapping[str, Json]] = _NONE,
    signatures: Mapping[str, Mapping[str, Json]] = _NONE,
    reading: Mapping[str, float] = _NONE,
    identifier: Mapping[str, Json] | None = None,
    subject: Mapping[str, Json] | None = None,
    author: Mapping[str, Json] | None = None,
    source: Mapping[str, Json] | None = None,
    language: str | None = None,
) -> dict[str, Json]:
    """Write the response.

    `status` is in-progress, completed, amended, entered-in-error or stopped; `authored` a FHIR
    dateTime. `attachments` holds a FHIR Attachment for each document that is there (contentType,
    size, title, url …), `signatures` a FHIR Signature for each that was given: both by field id.
    """
    assessment = assess(
        flow,
        answers,
        instances,
        documents=dict.fromkeys(attachments, "received"),
        signatures=dict.fromkeys(signatures, "signed"),
        reading=reading,
    )
    writer = _Writer(assessment, attachments, signatures, language)
    head = {
        "resourceType": "QuestionnaireResponse",
        "identifier": identifier,
        "language": language,
        "questionnaire": _canonical(flow),
        "status": status,
        "subject": subject,
        "authored": authored,
        "author": author,
        "source": source,
        "item": writer.items(writer.top()),
    }
    return {
        key: dict(value) if isinstance(value, Mapping) else value
        for key, value in head.items()
        if value
    }


def _canonical(flow: Flow) -> str:
    """Name the questionnaire; one without a url by its flow_ref, which no other has."""
    url = flow.url or f"urn:handrail:flow:{flow.flow_ref}"
    return f"{url}|{flow.version}" if flow.version else url


@dataclass(frozen=True, slots=True)
class _Writer:
    assessment: Assessment
    attachments: Mapping[str, Mapping[str, Json]]
    signatures: Mapping[str, Mapping[str, Json]]
    language: str | None

    def top(self) -> Iterable[Node]:
        """Give the nodes of the top level."""
        return (node for node in self.assessment.layout.nodes if node.parent < 0)

    def below(self, node: Node) -> Iterable[Node]:
        """Give the nodes right below another."""
        nodes = self.assessment.layout.nodes
        index = node.index + 1
        while index < node.end:
            yield nodes[index]
            index = nodes[index].end

    def items(self, nodes: Iterable[Node]) -> list[Json]:
        """Write those of the nodes that hold anything."""
        written = (self.item(node) for node in nodes if self.assessment.on[node.index])
        return [one for one in written if one is not None]

    def item(self, node: Node) -> dict[str, Json] | None:
        """Write one item; None where it holds nothing."""
        item = node.item
        answers = self.answers(node)
        below = self.items(self.below(node))
        signature = self.signatures.get(node.field_id)
        written: dict[str, Json] = {"linkId": item.link_id}
        if signature is not None and item.kind is FieldKind.SIGNATURE:
            extension = {"url": ext.RESPONSE_SIGNATURE, "valueSignature": dict(signature)}
            written = {"extension": [extension]} | written
        elif not answers and not (below and item.type is FieldKind.GROUP):
            return None
        if item.text:
            written["text"] = item.text_in(self.language)
        if item.type is FieldKind.GROUP:
            return written | ({"item": below} if below else {})
        if answers and below:
            answers[0]["item"] = below
        return written | ({"answer": answers} if answers else {})

    def answers(self, node: Node) -> list[dict[str, Json]]:
        """Write the answers of a question."""
        item = node.item
        if item.type is FieldKind.ATTACHMENT:
            attachment = self.attachments.get(node.field_id)
            return [] if attachment is None else [{"valueAttachment": dict(attachment)}]
        return answers_to(item, self.assessment.held.answers.get(node.field_id))


def answers_to(item: Item, value: Json) -> list[dict[str, Json]]:
    """Write what was entered as FHIR answers; none where it keeps not all of its question's rules.

    An attachment has no value, and its answer is not made here.
    """
    if not item.takes_value or is_empty(value):
        return []
    if check_value(item, value) is not None and not item.fixed:
        return []
    value = settle(item, value)
    values = value if isinstance(value, list) else [value]
    return [answer_of(item, one) for one in values if not is_empty(one)]


_ANSWER_KEYS = {
    FieldKind.BOOLEAN: "valueBoolean",
    FieldKind.DECIMAL: "valueDecimal",
    FieldKind.DATE: "valueDate",
    FieldKind.DATE_TIME: "valueDateTime",
    FieldKind.TIME: "valueTime",
    FieldKind.STRING: "valueString",
    FieldKind.TEXT: "valueString",
    FieldKind.URL: "valueUri",
}

_OPTION_KEYS = {"date": "valueDate", "time": "valueTime", "string": "valueString"}


def answer_of(item: Item, value: Json) -> dict[str, Json]:
    """Write one answer with the `value[x]` of its question's type."""
    if item.type is FieldKind.INTEGER:
        return {"valueInteger": int(value)}
    if isinstance(value, dict):
        value = {key: part for key, part in value.items() if part != ""}
    if item.type in CHOICES:
        return _choice(item, value)
    if item.type is FieldKind.QUANTITY:
        return {"valueQuantity": _quantity(item, value)}
    if item.type is FieldKind.REFERENCE:
        return {"valueReference": _reference(value)}
    return {_ANSWER_KEYS[item.type]: value}


def _choice(item: Item, value: Json) -> dict[str, Json]:
    if isinstance(value, dict):
        return {"valueReference" if "reference" in value else "valueCoding": value}
    if isinstance(value, int):
        return {"valueInteger": value}
    option = find_option(item, value)
    if option is not None and option.type == "Reference":
        return {"valueReference": option.to_json()}
    if option is not None or item.open:
        return {_OPTION_KEYS["string" if option is None else option.type]: value}
    # A choice is answered with a Coding; what its unknown list would have had, words stand for.
    return {"valueCoding": {"display": value}}


def _quantity(item: Item, value: Json) -> dict[str, Json]:
    written = dict(value) if isinstance(value, dict) else {"value": value}
    unit = find_unit(item, written)
    if unit is None:
        return written
    known = {"unit": unit.display, "system": unit.system, "code": unit.code}
    return written | {key: part for key, part in known.items() if part}


def _reference(value: Json) -> dict[str, Json]:
    """Write a reference; what is no literal one is the display of whom it means."""
    if isinstance(value, dict):
        return value
    literal = "/" in value or value.startswith(("#", "urn:"))
    return {"reference": value} if literal and " " not in value else {"display": value}
