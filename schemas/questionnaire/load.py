"""Loads a FHIR R4 Questionnaire as a flow.

    load_flow(source, fallback_id=None) -> Flow    JSON bytes, or the object already parsed
    parse_json(source, place) -> dict              strict JSON: no duplicate keys, no NaN

Both raise `FlowError`, whose `problems` list every error with its path; reinterpreted or
unsupported features are listed in `flow.notes`. Loading `flow.canonical` again yields the same
`flow_ref`. The types (`Flow`, `Step`, `Item`, `Option`, `Condition`, `FieldKind`, `Note`) are in
`schemas.questionnaire.model`.
"""

import hashlib
import json

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.assemble import (
    MAX_CANONICAL,
    bind_conditions,
    find_flow_id,
    find_languages,
    read_contained,
    read_steps,
)
from schemas.questionnaire.canonical import (
    canonical_json,
    check_extensions,
    understood,
    with_known_names,
    with_plain_words,
    with_texts_as_texts,
)
from schemas.questionnaire.consents import check_consents
from schemas.questionnaire.dates import date_time_span
from schemas.questionnaire.expressions import check_circles, read_expressions
from schemas.questionnaire.extraction import read_extraction
from schemas.questionnaire.items import Reading
from schemas.questionnaire.json_path import Cursor, Report
from schemas.questionnaire.model import (
    Coding,
    Condition,
    FieldKind,
    Flow,
    FlowError,
    Item,
    Json,
    Note,
    Option,
    Step,
)
from schemas.questionnaire.source import text_of

__all__ = [
    "MAX_CANONICAL",
    "Coding",
    "Condition",
    "FieldKind",
    "Flow",
    "FlowError",
    "Item",
    "Note",
    "Option",
    "Step",
    "load_flow",
    "parse_json",
]

_MAX_SOURCE = 8 * MAX_CANONICAL
"""Bytes; indented JSON is at most about 8 times as large as canonical JSON."""


def parse_json(source: bytes, place: str = "Questionnaire") -> dict[str, Json]:
    """Parse strict JSON; `place` names it in messages. Raises `FlowError`."""
    if len(source) > _MAX_SOURCE:
        raise _broken(f"is larger than {_MAX_SOURCE} bytes", place)
    try:
        text = text_of(source)
    except ValueError as error:
        raise _broken(str(error), place) from None
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _broken(f"is not JSON: {_said(error)}", place) from error
    if not isinstance(value, dict):
        raise _broken("must be a JSON object", place)
    return value


def _said(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{twice}" occurs twice in one object')
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


def _broken(reason: str, place: str = "Questionnaire") -> FlowError:
    return FlowError((Note(place, reason),))


def load_flow(
    source: bytes | dict[str, Json], *, fallback_id: str | None = None, accepted: bool = False
) -> Flow:
    """Load a questionnaire; `fallback_id` (a file's stem) is used if it has no id of its own.

    Raises `FlowError` with all problems found. The patterns and consents of a questionnaire that
    was `accepted` before are not checked again: sessions of it stay readable, and patterns would
    import `regex`, which an idle box does not need.
    """
    value = parse_json(source) if isinstance(source, bytes) else source
    if value.get("resourceType") != "Questionnaire":
        raise FlowError((Note("Questionnaire.resourceType", 'must be "Questionnaire"'),))
    try:
        return _load(value, fallback_id, accepted=accepted)
    except RecursionError as error:
        raise _broken("is nested too deeply") from error


def _load(value: dict[str, Json], fallback_id: str | None, *, accepted: bool) -> Flow:
    report = Report()
    root = Cursor(value, "Questionnaire", report)
    if not accepted:
        from schemas.questionnaire.elements import check_elements  # noqa: PLC0415 - of new flows

        root = with_texts_as_texts(with_plain_words(with_known_names(root)))
        check_elements(root)
    reading = Reading(read_contained(root), accepted)
    steps = read_steps(root, reading)
    items, order = bind_conditions(reading)
    check_consents(reading)
    expressions = read_expressions(root)
    check_circles(items, expressions.variables, reading.cursors)
    flow_id = find_flow_id(root, fallback_id)
    if not accepted:
        check_extensions(root)
    title = root.text("title") or root.text("name") or flow_id
    version, url, language = root.text("version"), root.text("url"), root.text("language")
    canonical = canonical_json(understood(root, items, flow_id), report)
    if report.problems:
        raise FlowError(tuple(report.problems), tuple(report.notes))
    return Flow(
        flow_id=flow_id,
        flow_ref=f"{flow_id}-{hashlib.sha256(canonical).hexdigest()[:12]}",
        canonical=canonical,
        title=title,
        version=version,
        url=url,
        language=language,
        languages=find_languages(root, items),
        steps=steps,
        items=items,
        notes=tuple(report.notes),
        evaluation_order=order,
        retired=root.text("status") == "retired",
        effective_until=_effective_until(root),
        entry_mode=root.extension_text(ext.ENTRY_MODE),
        translations=root.translations("title"),
        extraction=read_extraction(root),
        expressions=expressions,
    )


def _effective_until(root: Cursor) -> str | None:
    period = root.below("effectivePeriod")
    end = None if period is None else period.text("end")
    if period is not None and end is not None and date_time_span(end) is None:
        period.note(rules.IGNORED, "end", f'"{end}" is not a date')
    return end
