"""One answer to a question, as FHIR has it."""

from collections.abc import Mapping

from schemas.questionnaire.model import Json

Answer = Mapping[str, Json]
"""A FHIR answer: `value[x]`."""


def text_of(answer: Answer) -> str:
    """Return an answer as text, as a screen would show it."""
    ((key, value),) = ((k, v) for k, v in answer.items() if k.startswith("value"))
    if key == "valueCoding":
        return str(value.get("display") or value.get("code") or "")
    if key == "valueReference":
        return str(value.get("display") or value.get("reference") or "")
    if key == "valueQuantity":
        return " ".join(str(value[part]) for part in ("value", "unit") if part in value)
    if key == "valueAttachment":
        return str(value.get("title") or value.get("contentType") or "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
