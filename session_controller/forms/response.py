"""Answers as a FHIR R4 QuestionnaireResponse (hl7.org/fhir/R4, 9.5).

    questionnaire_response(flow, answers, instances, *, status, authored, ...) -> dict

Only enabled items with valid answers are exported. Groups and questions nest as in the
questionnaire; children of a question are nested in its first answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.questionnaire import extensions as ext
from schemas.questionnaire.dates import Span
from schemas.questionnaire.model import CHOICES, FieldKind, Flow, Item, Json
from session_controller.forms.assessment import Assessment, assess
from session_controller.forms.choices import find_option, find_unit
from session_controller.forms.field_status import as_computed
from session_controller.forms.layout import Node
from session_controller.forms.validation import canonical_value, check_value, is_empty

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
    today: Span | None = None,
    computed: Mapping[str, Mapping[str, Json]] = _NONE,
    identifier: Mapping[str, Json] | None = None,
    subject: Mapping[str, Json] | None = None,
    author: Mapping[str, Json] | None = None,
    source: Mapping[str, Json] | None = None,
    language: str | None = None,
) -> dict[str, Json]:
    """Return the response.

    `status` is in-progress, completed, amended, entered-in-error or stopped; `authored` a FHIR
    dateTime. `attachments` has a FHIR Attachment for each present document (contentType, size,
    title, url …), `signatures` a FHIR Signature for each signature given: both by field id.
    """
    assessment = assess(
        flow,
        answers,
        instances,
        documents=dict.fromkeys(attachments, "received"),
        signatures=dict.fromkeys(signatures, "signed"),
        reading=reading,
        today=today,
        computed=computed,
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
    """Return the questionnaire's canonical url, or a URN of its unique flow_ref if it has none."""
    url = flow.url or f"urn:handrail:flow:{flow.flow_ref}"
    return f"{url}|{flow.version}" if flow.version else url


@dataclass(frozen=True, slots=True)
class _Writer:
    assessment: Assessment
    attachments: Mapping[str, Mapping[str, Json]]
    signatures: Mapping[str, Mapping[str, Json]]
    language: str | None

    def top(self) -> Iterable[Node]:
        """Return the nodes of the top level."""
        return (node for node in self.assessment.layout.nodes if node.parent < 0)

    def below(self, node: Node) -> Iterable[Node]:
        """Return the children of a node."""
        nodes = self.assessment.layout.nodes
        index = node.index + 1
        while index < node.end:
            yield nodes[index]
            index = nodes[index].end

    def items(self, nodes: Iterable[Node]) -> list[Json]:
        """Return the items of nodes that have content."""
        written = (self.item(node) for node in nodes if self.assessment.on[node.index])
        return [one for one in written if one is not None]

    def item(self, node: Node) -> dict[str, Json] | None:
        """Return the item of a node, or None if it is empty."""
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
        """Return the answers of a question."""
        held = self.assessment.held
        item = as_computed(node.item, held.computed.get(node.field_id))
        if item.type is FieldKind.ATTACHMENT:
            attachment = self.attachments.get(node.field_id)
            return [] if attachment is None else [{"valueAttachment": dict(attachment)}]
        return answers_to(item, held.answers.get(node.field_id), held.today)


def answers_to(item: Item, value: Json, today: Span | None = None) -> list[dict[str, Json]]:
    """Return an entry as FHIR answers, or none if it breaks any of its question's rules.

    An attachment has no value; its answer is not created here.
    """
    if not item.takes_value or is_empty(value):
        return []
    if check_value(item, value, today) is not None and not item.fixed:
        return []
    value = canonical_value(item, value)
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
    """Return one answer with the `value[x]` of its question's type."""
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
        # A choice needs a Coding; for a value that is not listed, use its text as the display.
    return {"valueCoding": {"display": value}}


def _quantity(item: Item, value: Json) -> dict[str, Json]:
    written = dict(value) if isinstance(value, dict) else {"value": value}
    unit = find_unit(item, written)
    if unit is None:
        return _coded(written)
    known = {"unit": unit.display or unit.code, "system": unit.system, "code": unit.code}
    return _coded(written | {key: part for key, part in known.items() if part})


def _coded(quantity: dict[str, Json]) -> dict[str, Json]:
    """Return a quantity that obeys qty-3: a code needs its system, else the unit's name stays."""
    if quantity.get("system") or "code" not in quantity:
        return quantity
    code = quantity.pop("code")
    return {**quantity, "unit": quantity.get("unit") or code}


def _reference(value: Json) -> dict[str, Json]:
    """Return a reference; anything but a literal one becomes its display."""
    if isinstance(value, dict):
        return value
    literal = "/" in value or value.startswith(("#", "urn:"))
    return {"reference": value} if literal and " " not in value else {"display": value}
