"""What an expression sees: the form, and the part of the response that it depends on."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.questionnaire import extensions as ext
from schemas.questionnaire.model import FieldKind, Flow, Item, Json
from session_controller.forms.assessment import Assessment
from session_controller.forms.choices import find_option
from session_controller.forms.layout import Node
from session_controller.forms.response import answers_to


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The published form, and its items by linkId."""

    resource: Json
    items: Mapping[str, Json]


def questionnaire_of(flow: Flow) -> Questionnaire:
    """Return the form as JSON; cached on it."""
    found: Questionnaire | None = flow.cache.get("questionnaire")
    if found is None:
        resource = json.loads(flow.canonical)
        items = {item["linkId"]: item for item in _all_items(resource)}
        found = flow.cache["questionnaire"] = Questionnaire(resource, items)
    return found


def _all_items(above: Json) -> Iterator[Json]:
    for item in above.get("item", ()):
        yield item
        yield from _all_items(item)


class Response:
    """The part of the QuestionnaireResponse that an expression sees."""

    def __init__(self, assessment: Assessment, sees: frozenset[str] | None) -> None:
        self.assessment = assessment
        self.sees = sees
        self.items: dict[int, Json] = {}
        self.resource: dict[str, Json] = {
            "resourceType": "QuestionnaireResponse",
            "status": "in-progress",
            "item": [],
        }
        for node in assessment.layout.nodes:
            if assessment.on[node.index] and (sees is None or node.item.link_id in sees):
                self._place(node)

    def node(self, node: Node | None) -> Any:
        """Return the item of a node, as expressions are evaluated at it; None: the response."""
        from session_controller.forms.fhirpath import node_at  # noqa: PLC0415 - 0.3 s

        if node is None:
            return node_at(self.resource, "QuestionnaireResponse")
        item = self.items.get(node.index, {"linkId": node.item.link_id})
        return node_at(item, "QuestionnaireResponse.item")

    def _place(self, node: Node) -> Json:
        """Return the item of a node, which its parents hold."""
        known = self.items.get(node.index)
        if known is not None:
            return known
        written = self.items[node.index] = {"linkId": node.item.link_id}
        if node.item.text:
            written["text"] = node.item.text
        answers = self._answers(node)
        if answers:
            written["answer"] = answers
        if node.parent < 0:
            self.resource["item"].append(written)
            return written
        above = self._place(self.assessment.layout.nodes[node.parent])
        holder = above["answer"][0] if above.get("answer") else above
        holder.setdefault("item", []).append(written)
        return written

    def _answers(self, node: Node) -> list[Json]:
        held = self.assessment.held
        if node.item.kind is FieldKind.ATTACHMENT:
            there = held.documents.get(node.field_id) in {"received", "accepted"}
            return [{"valueAttachment": {"title": node.field_id}}] if there else []
        answers = answers_to(node.item, held.answers.get(node.field_id), held.today)
        return [_weighed(node.item, answer) for answer in answers]


def _weighed(item: Item, answer: dict[str, Json]) -> dict[str, Json]:
    """Return an answer with the score of its option."""
    coding = answer.get("valueCoding")
    option = find_option(item, coding) if coding and item.options else None
    chosen = None if option is None else option.to_json()
    if option is None or option.weight is None or not isinstance(chosen, dict):
        return answer
    scores = [
        {"url": url, "valueDecimal": option.weight} for url in (ext.ORDINAL_VALUE, ext.ITEM_WEIGHT)
    ]
    return {"valueCoding": chosen | {"extension": scores}}
