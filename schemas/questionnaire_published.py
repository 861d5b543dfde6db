"""What is published of a questionnaire: itself as understood, as canonical JSON."""

import json
from collections.abc import Iterator, Mapping

import rfc8785

from schemas import questionnaire_extensions as ext
from schemas.questionnaire import Item, Json, Note
from schemas.questionnaire_assembly import MAX_CANONICAL, slug
from schemas.questionnaire_cursor import Cursor, Report

_STATUSES = {"draft", "active", "retired", "unknown"}


def understood(root: Cursor, items: Mapping[str, Item], flow_id: str) -> dict[str, Json]:
    """Give the Questionnaire as it is published: with what was missing filled in."""
    status = root.text("status")
    if status is None:
        root.note("status", "is missing; read as draft")
    elif status not in _STATUSES:
        root.note("status", "is none of draft, active, retired, unknown; kept")
    filled = {"id": flow_id, "status": "draft"} | {
        key: value for key, value in root.value.items() if value is not None
    }
    if not slug(str(filled["id"])):
        filled["id"] = flow_id
    if isinstance(root.value.get("item"), list):
        filled["item"] = [_understood_item(one, items) for one in root.value["item"]]
    return filled


def _understood_item(value: Json, items: Mapping[str, Item]) -> Json:
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    item = items.get(str(value.get("linkId")))
    if item is not None and item.enable_when:
        filled["enableWhen"] = _understood_conditions(item, value["enableWhen"])
        if len(item.enable_when) > 1:
            filled["enableBehavior"] = item.enable_behavior
    if isinstance(value.get("item"), list):
        filled["item"] = [_understood_item(one, items) for one in value["item"]]
    return filled


def _understood_conditions(item: Item, written: list[Json]) -> list[Json]:
    if len(written) != len(item.enable_when):
        return written  # one of them was refused
    return [
        one | {"question": condition.question or one["question"]}
        for one, condition in zip(written, item.enable_when, strict=True)
    ]


def canonical_json(value: dict[str, Json], report: Report) -> bytes:
    """Write it as RFC 8785 says; what cannot be written or is too large is told to `report`."""
    try:
        canonical = rfc8785.dumps(value)
        # 2^53 as a float is written, but as the integer that it reads like it is refused.
        rfc8785.dumps(json.loads(canonical))
    except (rfc8785.CanonicalizationError, ValueError) as error:
        report.problems.append(Note("Questionnaire", f"has no canonical JSON: {error}"))
        return b""
    if len(canonical) > MAX_CANONICAL:
        report.problems.append(
            Note(
                "Questionnaire",
                f"is {len(canonical)} bytes of canonical JSON, of {MAX_CANONICAL} at most",
            )
        )
    return bytes(canonical)


def check_extensions(root: Cursor) -> None:
    """Report by name each extension that is known but not kept, wherever it stands.

    Refuses modifier extensions: FHIR R4 (extensibility, 2.4.0.1) forbids to process an element
    that bears one which is not understood, and none is.
    """
    if any(True for _ in root.extensions(ext.SIGNATURE_REQUIRED)):
        root.note("extension", "signatureRequired of the whole form is not kept; put it on an item")
    for place, key, url in _extensions(root.value, root.path, ""):
        if key == "modifierExtension":
            root.report.problems.append(Note(place, f'modifier extension "{url}" is not known'))
            continue
        name = ext.unsupported_name(url)
        if name is not None:
            root.report.notes.append(Note(place, f"{name} is not supported"))


def _extensions(value: Json, path: str, link_id: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _extensions(one, f"{path}[{index}]", link_id)
    if not isinstance(value, dict):
        return
    link_id = str(value.get("linkId") or link_id)
    for key, below in value.items():
        if key in {"extension", "modifierExtension"} and isinstance(below, list):
            yield from _urls(below, f"{path}.{key}", key, link_id)
        if isinstance(below, list | dict):
            yield from _extensions(below, f"{path}.{key}", link_id)


def _urls(
    extensions: list[Json], path: str, key: str, link_id: str
) -> Iterator[tuple[str, str, str]]:
    suffix = f' (linkId "{link_id}")' if link_id else ""
    for index, extension in enumerate(extensions):
        url = extension.get("url") if isinstance(extension, dict) else None
        yield f"{path}[{index}]{suffix}", key, str(url)
