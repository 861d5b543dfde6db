"""The published form of a questionnaire: as interpreted, in canonical JSON."""

import json
from collections.abc import Iterator, Mapping

import rfc8785

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.assemble import MAX_CANONICAL, slug
from schemas.questionnaire.json_path import Cursor, Report
from schemas.questionnaire.model import Item, Json, Note

_STATUSES = {"draft", "active", "retired", "unknown"}


def understood(root: Cursor, items: Mapping[str, Item], flow_id: str) -> dict[str, Json]:
    """Return the Questionnaire as it is published, with missing elements filled in."""
    status = root.text("status")
    if status is None:
        root.note(rules.FILLED_IN, "status", "is missing; read as draft")
    elif status not in _STATUSES:
        root.note(rules.IGNORED, "status", "is not one of draft, active, retired, unknown; kept")
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
        return written  # one of them was rejected
    return [
        one | {"question": condition.question or one["question"]}
        for one, condition in zip(written, item.enable_when, strict=True)
    ]


def canonical_json(value: dict[str, Json], report: Report) -> bytes:
    """Return canonical JSON (RFC 8785); add a problem to `report` if that fails or is too large."""
    try:
        canonical = rfc8785.dumps(value)
        # 2^53 is accepted as a float but rejected as the integer that it is parsed as.
        rfc8785.dumps(json.loads(canonical))
    except (rfc8785.CanonicalizationError, ValueError) as error:
        report.problems.append(
            Note("Questionnaire", f"cannot be written as canonical JSON: {error}")
        )
        return b""
    if len(canonical) > MAX_CANONICAL:
        report.problems.append(
            Note(
                "Questionnaire",
                f"is {len(canonical)} bytes of canonical JSON; at most {MAX_CANONICAL} are allowed",
            )
        )
    return bytes(canonical)


def check_extensions(root: Cursor) -> None:
    """Report each known but unsupported extension by name, at any depth, and unknown ones once.

    Rejects modifier extensions: FHIR R4 (extensibility, 2.4.0.1) forbids processing an element
    with an unknown one, and none is known here.
    """
    if any(True for _ in root.extensions(ext.SIGNATURE_REQUIRED)):
        root.note(
            rules.RULE_IGNORED,
            "extension",
            "signatureRequired on the whole form is not supported; put it on an item",
        )
    unknown: dict[str, list[str]] = {}
    for place, key, url in _extensions(root.value, root.path, ""):
        if key == "modifierExtension":
            reason = f'modifier extension "{url}" is not known'
            root.report.problems.append(Note(place, reason, rules.UNKNOWN_MODIFIER))
            continue
        known = ext.known(url)
        if known is None:
            if ":" in url and not ext.is_ours(url):
                unknown.setdefault(url, []).append(place)
        elif known.rule is not None:
            note = Note(place, f"{ext.last_part(url)} is not supported", known.rule)
            is_error = known.rule.grade is rules.Grade.ERROR
            (root.report.problems if is_error else root.report.notes).append(note)
    for url, places in unknown.items():
        _note_unknown(root, url, places)


def _note_unknown(root: Cursor, url: str, places: list[str]) -> None:
    times = f", and {len(places) - 1} times more" if len(places) > 1 else ""
    remark = f'extension "{url}" is not known{times}'
    root.report.notes.append(Note(places[0], remark, rules.UNKNOWN_EXTENSION))


def with_known_names(root: Cursor) -> Cursor:
    """Return the form with each extension of HL7 under the URL that it has today.

    Several versions of SDC have had other ones. Each older URL is noted once.
    """
    older: dict[str, list[str]] = {}
    value = _renamed(root.value, root.path, older)
    for url, places in older.items():
        known = ext.known(url)
        times = f", {len(places)} times" if len(places) > 1 else ""
        remark = f'"{url}" is read as "{known.url if known else url}"{times}'
        root.report.notes.append(Note(places[0], remark, rules.OLDER_NAME))
    return Cursor(value, root.path, root.report)


def with_plain_words(root: Cursor) -> Cursor:
    """Return the form with plain text wherever it has formatted text alone, and note where."""
    from schemas.questionnaire.rich_text import with_words  # noqa: PLC0415 - of new flows

    words = with_words(root.value, root.path)
    for place in words.filled:
        note = Note(place, "is missing; its words are those of the formatted text", rules.FILLED_IN)
        root.report.notes.append(note)
    return Cursor(words.form, root.path, root.report)


_SAYS = frozenset({"help", "flyover", "inline", "prompt", "unit", "lower", "upper", "legal"})
"""Item controls of texts (questionnaire-item-control): what bears one asks nothing."""
_ASKING = frozenset({"required", "repeats", "readOnly", "maxLength", "answerOption", "initial"})


def with_texts_as_texts(root: Cursor) -> Cursor:
    """Return the form with each item that is a help, or another text, as one, whatever its type."""
    found = {**root.value}
    if isinstance(found.get("item"), list):
        found["item"] = [_as_text(item) for item in root.each("item")]
    return Cursor(found, root.path, root.report)


def _as_text(item: Cursor) -> Json:
    found = {**item.value}
    if isinstance(found.get("item"), list):
        found["item"] = [_as_text(child) for child in item.each("item")]
    written = found.get("type")
    if written in ("display", "group", None) or _control(item) not in _SAYS:
        return found
    found = {key: value for key, value in found.items() if key not in _ASKING}
    found["type"] = "group" if found.get("item") else "display"
    here = Cursor(item.value, item.path, item.report, str(item.value.get("linkId")))
    remark = f'"{written}" is read as "{found["type"]}": its itemControl says that it asks nothing'
    here.note(rules.REINTERPRETED, "type", remark)
    return found


def _control(item: Cursor) -> str | None:
    """Return the item control; what is wrong with it is reported when the item is read."""
    extensions = item.value.get("extension")
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, dict) and one.get("url") == ext.ITEM_CONTROL:
            concept = one.get("valueCodeableConcept")
            coding = concept.get("coding") if isinstance(concept, dict) else None
            first = coding[0] if isinstance(coding, list) and coding else None
            code = first.get("code") if isinstance(first, dict) else None
            return code if isinstance(code, str) else None
    return None


def _renamed(value: Json, path: str, older: dict[str, list[str]]) -> Json:
    if isinstance(value, list):
        return [_renamed(one, f"{path}[{index}]", older) for index, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    renamed = {key: _renamed(below, f"{path}.{key}", older) for key, below in value.items()}
    url = value.get("url")
    known = ext.known(url) if isinstance(url, str) and _is_extension(path) else None
    if known is not None and known.url != url:
        older.setdefault(str(url), []).append(path)
        renamed["url"] = known.url
    return renamed


def _is_extension(path: str) -> bool:
    return path.rpartition(".")[2].startswith("extension[")


def _extensions(value: Json, path: str, link_id: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _extensions(one, f"{path}[{index}]", link_id)
    if not isinstance(value, dict):
        return
    if value.get("url") in (ext.MIN_VALUE, ext.MAX_VALUE) and ext.is_today(value):
        return
    link_id = str(value.get("linkId") or link_id)
    for key, below in value.items():
        if key in {"extension", "modifierExtension"} and isinstance(below, list):
            yield from _urls(below, f"{path}.{key}", key, link_id)
        if isinstance(below, list | dict) and key != "contained":
            yield from _extensions(below, f"{path}.{key}", link_id)


def _urls(
    extensions: list[Json], path: str, key: str, link_id: str
) -> Iterator[tuple[str, str, str]]:
    suffix = f' (linkId "{link_id}")' if link_id else ""
    for index, extension in enumerate(extensions):
        url = extension.get("url") if isinstance(extension, dict) else None
        yield f"{path}[{index}]{suffix}", key, str(url)
