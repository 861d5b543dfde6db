"""Parser of `Questionnaire.item`: the FHIR R4 elements and extensions that a flow supports."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.conditions import WrittenCondition, read_behavior, read_conditions
from schemas.questionnaire.expressions import read_expressions
from schemas.questionnaire.extraction import read_extraction
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.linked import outside, with_documents, without_links
from schemas.questionnaire.model import STRUCTURE, TODAY, Coding, FieldKind, Item, Json
from schemas.questionnaire.options import initial_values, read_options, without_needless

MAX_DEPTH = 20
MAX_ITEMS = 2_000
MAX_LINK_ID = 255
"""The limit of FHIR R5; R4 has none, but every view contains field ids."""

_TYPES = {kind.value: kind for kind in FieldKind} | {"coding": None, "question": None}
_OURS_ONLY = {FieldKind.CONSENT, FieldKind.SIGNATURE}
_HINTS = {"help", "flyover"}


@dataclass(slots=True)
class Reading:
    """What is collected while parsing one questionnaire, in document order."""

    contained: dict[str, Cursor]
    accepted: bool = False
    """Whether its patterns were already checked."""
    items: dict[str, Item] = field(default_factory=dict)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    conditions: dict[str, tuple[WrittenCondition, ...]] = field(default_factory=dict)
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Around:
    """The position of an item in the form."""

    parent: Item | None = None
    depth: int = 1
    step_id: str = ""
    repeating: tuple[str, ...] = ()
    pages: list[list[str]] | None = None
    """Where the items of a divided group are collected as pages, by linkId; None: it is none."""


def read_item(cursor: Cursor, around: Around, reading: Reading) -> str | None:
    """Parse an item and its descendants into `reading`; return its linkId if it is usable."""
    reading.seen += 1
    if reading.seen > MAX_ITEMS or around.depth > MAX_DEPTH:
        _refuse_size(cursor, around, reading)
        return None
    nameless = Cursor(cursor.value, cursor.path, cursor.report)
    link_id = _link_id(nameless, reading)
    here = Cursor(cursor.value, cursor.path, cursor.report, link_id)
    kind = _type(here)
    if kind is None or link_id is None:
        _read_children(here, None, around, reading)
        return None
    item = _item(here, kind, link_id, around, reading)
    reading.items[link_id] = item
    reading.cursors[link_id] = here
    reading.conditions[link_id] = read_conditions(here)
    _remark(here, item, around)
    children = _read_children(here, item, around, reading)
    step_id = around.pages[0][0] if around.pages else item.step_id
    found = replace(item, children=children, step_id=step_id, **_hints(children, reading))
    reading.items[link_id] = found
    return link_id


def _refuse_size(cursor: Cursor, around: Around, reading: Reading) -> None:
    if around.depth > MAX_DEPTH:
        cursor.refuse("", f"is nested deeper than {MAX_DEPTH}")
    elif reading.seen == MAX_ITEMS + 1:
        cursor.refuse("", f"exceeds the limit of {MAX_ITEMS} items")


def _link_id(cursor: Cursor, reading: Reading) -> str | None:
    link_id = cursor.text("linkId")
    if not link_id:
        cursor.refuse("linkId", "is missing")
    elif link_id in reading.items:
        first = reading.cursors[link_id].path
        cursor.refuse("linkId", f'"{link_id}" is used twice; first at {first}')
    elif len(link_id) > MAX_LINK_ID or not link_id.isprintable():
        cursor.refuse("linkId", f"must be printable text of at most {MAX_LINK_ID} characters")
    else:
        return link_id
    return None


def _type(cursor: Cursor) -> FieldKind | None:
    written = cursor.text("type")
    kind = _TYPES.get(written or "")
    if kind is not None and kind not in _OURS_ONLY:
        return kind
    if written == "coding":
        cursor.refuse("type", '"coding" is FHIR R5; R4 uses "choice" or "open-choice"')
    elif not written:
        cursor.refuse("type", "is missing")
    else:
        cursor.refuse("type", f'"{written}" is not an item type of FHIR R4')
    return None


def _read_children(
    cursor: Cursor, item: Item | None, around: Around, reading: Reading
) -> tuple[str, ...]:
    repeating = around.repeating
    if item is not None and item.repeats and item.type is FieldKind.GROUP:
        repeating = (*repeating, item.link_id)
    below = Around(
        item, around.depth + 1, around.step_id or (item.link_id if item else ""), repeating
    )
    if around.pages is not None:
        return _read_pages(cursor, below, around.pages, reading)
    children = (read_item(child, below, reading) for child in cursor.each("item"))
    return tuple(child for child in children if child is not None)


def _read_pages(
    cursor: Cursor, below: Around, pages: list[list[str]], reading: Reading
) -> tuple[str, ...]:
    """Parse the items of a divided group: a page for each group, and for other items in a row."""
    children: list[str] = []
    loose = False
    for child in cursor.each("item"):
        is_group = child.value.get("type") == FieldKind.GROUP
        step_id = pages[-1][0] if loose and not is_group else str(child.value.get("linkId"))
        link_id = read_item(child, replace(below, step_id=step_id), reading)
        if link_id is None:
            continue
        children.append(link_id)
        if loose and not is_group:
            pages[-1].append(link_id)
        else:
            pages.append([link_id])
        loose = not is_group
    return tuple(children)


def _item(cursor: Cursor, kind: FieldKind, link_id: str, around: Around, reading: Reading) -> Item:
    options = None
    if kind not in {FieldKind.GROUP, FieldKind.DISPLAY, FieldKind.ATTACHMENT}:
        options = read_options(cursor, kind, reading.contained)
    offered = _offered(cursor, kind)
    return Item(
        link_id=link_id,
        type=kind,
        kind=offered,
        prefix=cursor.text("prefix"),
        required=_required(cursor, kind, offered),
        repeats=bool(cursor.flag("repeats")),
        read_only=bool(cursor.flag("readOnly")),
        options=options,
        open=kind is FieldKind.OPEN_CHOICE or _open(cursor),
        initial=initial_values(cursor, options),
        enable_behavior=read_behavior(cursor),
        codes=tuple(code.coding() for code in cursor.each("code")),
        definition=cursor.text("definition"),
        extraction=read_extraction(cursor),
        expressions=without_needless(cursor, kind, read_expressions(cursor)),
        parent=None if around.parent is None else around.parent.link_id,
        repeating_ancestors=around.repeating,
        step_id=around.step_id or link_id,
        **_texts_of(cursor, offered, reading),
        review=cursor.extension_flag(ext.REVIEW) and kind in STRUCTURE,
        attestation=cursor.extension_flag(ext.ATTESTATION) and kind is FieldKind.BOOLEAN,
        **_screen(cursor),
        **_limits(cursor, reading),
        **_units(cursor),
    )


def _texts_of(cursor: Cursor, offered: FieldKind, reading: Reading) -> dict[str, Json]:
    text, translations = cursor.text("text") or "", cursor.translations("text")
    if offered in _OURS_ONLY:
        found = {
            language: with_documents(one, reading.contained)
            for language, one in translations.items()
        }
        return {"text": with_documents(text, reading.contained), "translations": found}
    links = tuple(dict.fromkeys(one for t in (text, *translations.values()) for one in outside(t)))
    if without_links(text) != text:
        cursor.note(rules.LINK_LEFT_OUT, "text", f'points to "{", ".join(links)}"')
    found = {language: without_links(one) for language, one in translations.items()}
    return {"text": without_links(text), "translations": found, "links": links}


def _offered(cursor: Cursor, kind: FieldKind) -> FieldKind:
    if cursor.extension_flag(ext.CONSENT):
        return FieldKind.CONSENT
    if any(True for _ in cursor.extensions(ext.SIGNATURE_REQUIRED)):
        return FieldKind.SIGNATURE
    return kind


def _required(cursor: Cursor, kind: FieldKind, offered: FieldKind) -> bool:
    """Parse `required`. FHIR forbids it on display (que-6), where our kinds imply it.

    signatureRequired implies that a signature is required, unless `required` is `false`.
    """
    required = cursor.flag("required")
    if kind is FieldKind.DISPLAY:
        return offered in _OURS_ONLY
    if offered is FieldKind.SIGNATURE:
        return required is not False
    return bool(required)


def _open(cursor: Cursor) -> bool:
    """Parse FHIR R5's `answerConstraint`, which some R4 forms already use."""
    return cursor.text("answerConstraint") in {"optionsOrString", "optionsOrType"}


def _screen(cursor: Cursor) -> dict[str, Json]:
    return {
        "hidden": cursor.extension_flag(ext.HIDDEN),
        "sensitive": cursor.extension_flag(ext.SENSITIVE),
        "skippable": cursor.extension_flag(ext.SKIPPABLE),
        "self_paced": cursor.extension_flag(ext.SELF_PACED),
        "signs_all": cursor.extension_flag(ext.SIGNS_ALL),
        "item_control": cursor.extension_code(ext.ITEM_CONTROL),
        "choice_orientation": cursor.extension_text(ext.CHOICE_ORIENTATION),
        "entry_format": cursor.extension_text(ext.ENTRY_FORMAT),
        "minimum_fraction": _fraction(cursor),
    }


def _fraction(cursor: Cursor) -> float:
    found = cursor.extension(ext.MINIMUM_FRACTION)
    if found is None:
        return 1.0
    number = found[0].number(found[1])
    if number is not None and not 0 <= number <= 1:
        found[0].refuse(found[1], "must lie between 0 and 1")
    return 1.0 if number is None else float(number)


def _limits(cursor: Cursor, reading: Reading) -> dict[str, Json]:
    return {
        "max_length": cursor.count("maxLength"),
        "min_length": cursor.extension_count(ext.MIN_LENGTH),
        "min_value": _bound(cursor, ext.MIN_VALUE, ext.MIN_QUANTITY),
        "max_value": _bound(cursor, ext.MAX_VALUE, ext.MAX_QUANTITY),
        "max_decimal_places": cursor.extension_count(ext.MAX_DECIMAL_PLACES),
        "min_occurs": cursor.extension_count(ext.MIN_OCCURS),
        "max_occurs": cursor.extension_count(ext.MAX_OCCURS),
        "max_size": cursor.extension_count(ext.MAX_SIZE),
        "media_types": tuple(_texts(cursor, ext.MIME_TYPE)),
        "regex": _regex(cursor, reading),
    }


_TEXT_BOUNDS = {"date", "dateTime", "time", "instant"}
_DATED = {"date", "dateTime"}


def _bound(cursor: Cursor, *urls: str) -> Json:
    for extension in (one for url in urls for one in cursor.extensions(url)):
        found = extension.choice("value")
        if ext.is_today(extension.value):
            if cursor.value.get("type") in _DATED:
                return TODAY
            extension.note(rules.RULE_IGNORED, "value[x]", "today() bounds a date only; ignored")
        elif found is None:
            _note_absent(extension)
        elif found[0] in _TEXT_BOUNDS:
            return extension.text(found[1])
        elif found[0] == "Quantity":
            return _quantity(extension, found[1])
        elif found[0] != "Expression":
            return extension.number(found[1])
    return None


def _note_absent(extension: Cursor) -> None:
    """Report a bound without a value, unless it is calculated (cqf-calculatedValue)."""
    siblings = (extension.below(key) for key in extension.value if key.startswith("_value"))
    if any(one and any(one.extensions(ext.CALCULATED_VALUE)) for one in siblings):
        return
    extension.note(rules.RULE_IGNORED, "value[x]", "is missing; the bound is ignored")


def _quantity(extension: Cursor, key: str) -> Json:
    below = extension.below(key)
    if below is None or below.number("value") is None:
        return None
    parts = {part: below.text(part) for part in ("unit", "system", "code")}
    return {"value": below.number("value")} | {k: v for k, v in parts.items() if v}


def _regex(cursor: Cursor, reading: Reading) -> str | None:
    pattern = cursor.extension_text(ext.REGEX)
    if pattern is None or reading.accepted:
        return pattern
    import regex  # noqa: PLC0415 - for flows that have patterns

    try:
        regex.compile(pattern)
    except (regex.error, ValueError, OverflowError, RecursionError, KeyError, IndexError):
        cursor.refuse("extension(regex)", "is not a supported regular expression")
        return None
    return pattern


def _texts(cursor: Cursor, url: str) -> Iterator[str]:
    for extension in cursor.extensions(url):
        found = extension.choice("value")
        text = None if found is None else extension.text(found[1])
        if text:
            yield text


def _units(cursor: Cursor) -> dict[str, Json]:
    found = tuple(_codings(cursor, ext.UNIT))
    return {
        "unit": found[0] if found else None,
        "unit_options": tuple(_codings(cursor, ext.UNIT_OPTION)),
    }


def _codings(cursor: Cursor, url: str) -> Iterator[Coding]:
    for extension in cursor.extensions(url):
        found = extension.choice("value")
        below = None if found is None else extension.below(found[1])
        if below is None:
            continue
        coding = below.coding()
        if coding.code and not coding.system:
            remark = f'"{coding.code}" has no system'
            below.note(rules.UNIT_WITHOUT_SYSTEM, "system", remark)
        yield coding


def _remark(cursor: Cursor, item: Item, around: Around) -> None:
    parent = around.parent
    if parent is not None and parent.type is FieldKind.DISPLAY:
        cursor.note(
            rules.REINTERPRETED,
            "",
            "is below a display item, which has no items in FHIR (que-1); kept",
        )
    asked = item.type is not FieldKind.DISPLAY
    if parent is not None and parent.repeats and parent.type is not FieldKind.GROUP and asked:
        cursor.note(
            rules.REINTERPRETED, "", "is below a repeating question; it belongs to the first answer"
        )
    _remark_values(cursor, item)


def _remark_values(cursor: Cursor, item: Item) -> None:
    if cursor.extension_flag(ext.REVIEW) and not item.review:
        cursor.note(
            rules.IGNORED,
            "extension(review)",
            "only a group or a display item shows answers; ignored",
        )
    if cursor.extension_flag(ext.ATTESTATION) and not item.attestation:
        cursor.note(
            rules.IGNORED, "extension(attestation)", "only a boolean can be an attestation; ignored"
        )
    if item.skippable and item.parent is not None:
        cursor.note(
            rules.IGNORED, "extension(skippable)", "only a top-level group can be skipped; ignored"
        )
    if item.self_paced and item.parent is not None:
        cursor.note(
            rules.IGNORED, "extension(self-paced)", "only a top-level group can be passed; ignored"
        )
    if item.kind is FieldKind.CONSENT and item.type is FieldKind.GROUP:
        cursor.note(
            rules.FILLED_IN,
            "extension(consent)",
            "on a group: the group's text is what the patient reads",
        )
    if item.type is FieldKind.DISPLAY and (cursor.value.get("required") or item.repeats):
        cursor.note(
            rules.IGNORED,
            "",
            "is a display item with required or repeats (FHIR rule que-6); ignored",
        )
    if item.initial and len(item.initial) > 1 and not item.repeats:
        cursor.note(
            rules.FIRST_ALONE_IS_KEPT,
            "initial",
            "has several values, but repeats is false; the first is kept",
        )


def _hints(children: tuple[str, ...], reading: Reading) -> dict[str, Json]:
    """Return the help and flyover texts, which FHIR puts below a question as display items."""
    found: dict[str, list[str]] = {"help": [], "flyover": []}
    for child in children:
        below = reading.items[child]
        control = below.item_control
        if below.type is FieldKind.DISPLAY and control in _HINTS and below.text:
            found[str(control)].append(below.text)
    return {name: "\n".join(texts) or None for name, texts in found.items()}
