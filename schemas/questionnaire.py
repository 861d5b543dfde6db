"""What a FHIR R4 Questionnaire says, as frozen values: items, options, conditions, steps, flows.

Read with `schemas.flow.load_flow`; nothing here reads or checks. An `Item` is one
`Questionnaire.item` (hl7.org/fhir/R4/questionnaire.html), linked to its parent and children by
`linkId`; a `Flow` holds them all in document order. `Json` is any JSON value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

Json = Any

Translations = Mapping[str, str]
"""Language code (BCP 47, as written) to text."""


class FieldKind(StrEnum):
    """What a screen has to offer for an item: FHIR's item types, and two of ours."""

    GROUP = "group"
    DISPLAY = "display"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE = "date"
    DATE_TIME = "dateTime"
    TIME = "time"
    STRING = "string"
    TEXT = "text"
    URL = "url"
    CHOICE = "choice"
    OPEN_CHOICE = "open-choice"
    ATTACHMENT = "attachment"
    REFERENCE = "reference"
    QUANTITY = "quantity"
    CONSENT = "consent"
    SIGNATURE = "signature"


STRUCTURE = frozenset({FieldKind.GROUP, FieldKind.DISPLAY})
"""Kinds that hold no answer of their own."""

CHOICES = frozenset({FieldKind.CHOICE, FieldKind.OPEN_CHOICE})

WITHOUT_VALUE = STRUCTURE | {FieldKind.ATTACHMENT}
"""FHIR types that ENTER_FIELD cannot fill."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a questionnaire, and where in it: a reason of refusal, or a remark."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class FlowError(ValueError):
    """The questionnaire cannot be a flow; `problems` lists every reason, not only the first."""

    def __init__(self, problems: tuple[Note, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def translated(text: str, translations: Translations, language: str | None) -> str:
    """Give the text in `language`, in its base language (`es` for `es-MX`), or as written."""
    if language is None or not translations:
        return text
    base = language.partition("-")[0]
    return translations.get(language) or translations.get(base) or text


@dataclass(frozen=True, slots=True)
class Coding:
    """A FHIR Coding as far as an answer needs it."""

    code: str | None = None
    system: str | None = None
    display: str | None = None

    def to_json(self) -> dict[str, str]:
        """Write it as the wire does."""
        parts = {"code": self.code, "system": self.system, "display": self.display}
        return {key: part for key, part in parts.items() if part is not None}


@dataclass(frozen=True, slots=True)
class Option:
    """One permitted answer (`answerOption`, or a concept of a contained ValueSet).

    `type` is FHIR's: Coding, string, integer, date, time or Reference; `value` is a `Coding` for
    the first, the reference as text for the last. An `exclusive` option stands alone among the
    answers of a repeating question.
    """

    type: str
    value: Coding | str | int
    display: str | None = None
    prefix: str | None = None
    exclusive: bool = False
    initial: bool = False
    translations: Translations = field(default_factory=dict)

    def to_json(self) -> Json:
        """Write it as the answer that picks it."""
        if isinstance(self.value, Coding):
            return self.value.to_json()
        if self.type == "Reference":
            reference = {"reference": self.value}
            return reference | {"display": self.display} if self.display else reference
        return self.value

    def label(self, language: str | None = None) -> str:
        """Give what a screen shows for it."""
        return translated(self.display or _bare(self.value), self.translations, language)


def _bare(value: Coding | str | int) -> str:
    if isinstance(value, Coding):
        return value.display or value.code or ""
    return str(value)


@dataclass(frozen=True, slots=True)
class Condition:
    """One `enableWhen`. `question` is a linkId, or None where it names no item of this flow.

    `raw`: the question and the item depend on each other in a circle, so the answer counts
    whether or not the question itself is switched on.
    """

    question: str | None
    operator: str
    type: str
    answer: Json
    raw: bool = False


@dataclass(frozen=True, slots=True)
class ExtractedValue:
    """A value that the form itself gives to an element of a resource: no answer has it."""

    definition: str
    value: Json


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an item, or the form, says of the resources that its answers make (SDC, extraction).

    `context` is the type of the resource that is made of what stands below.
    """

    context: str | None = None
    values: tuple[ExtractedValue, ...] = ()


NO_EXTRACTION = Extraction()


@dataclass(frozen=True, eq=False)
class Item:
    """One item. `type` is FHIR's; `kind` is what a screen offers.

    `options` is None where the permitted answers are not known here (an external ValueSet, or a
    choice without any): then any Coding or string is taken. `repeating_ancestors` are the
    linkIds of the repeating groups around it, outermost first, without itself. Sizes in bytes,
    lengths in code points. `initial` holds JSON values as ENTER_FIELD would bring them.
    """

    link_id: str
    type: FieldKind
    kind: FieldKind
    text: str = ""
    prefix: str | None = None
    help: str | None = None
    flyover: str | None = None
    required: bool = False
    repeats: bool = False
    read_only: bool = False
    hidden: bool = False
    sensitive: bool = False
    skippable: bool = False
    minimum_fraction: float = 1.0
    max_length: int | None = None
    min_length: int | None = None
    min_value: Json = None
    max_value: Json = None
    max_decimal_places: int | None = None
    regex: str | None = None
    entry_format: str | None = None
    min_occurs: int | None = None
    max_occurs: int | None = None
    options: tuple[Option, ...] | None = None
    open: bool = False
    item_control: str | None = None
    choice_orientation: str | None = None
    unit: Coding | None = None
    unit_options: tuple[Coding, ...] = ()
    media_types: tuple[str, ...] = ()
    max_size: int | None = None
    enable_when: tuple[Condition, ...] = ()
    enable_behavior: str = "any"
    initial: tuple[Json, ...] = ()
    codes: tuple[Coding, ...] = ()
    definition: str | None = None
    extraction: Extraction = NO_EXTRACTION
    children: tuple[str, ...] = ()
    parent: str | None = None
    repeating_ancestors: tuple[str, ...] = ()
    step_id: str = ""
    translations: Translations = field(default_factory=dict)

    def text_in(self, language: str | None = None) -> str:
        """Give its text in that language, else as the questionnaire has it."""
        return translated(self.text, self.translations, language)

    @cached_property
    def label(self) -> str:
        """Name it for a person: its text, or what stands in for a missing one."""
        return self.text or self.flyover or self.help or self.link_id

    @cached_property
    def options_by_key(self) -> Mapping[Json, tuple[Option, ...]]:
        """The options by what tells them: code, else display, of a Coding; else the value."""
        found: dict[Json, tuple[Option, ...]] = {}
        for option in self.options or ():
            value = option.value
            key = (value.code or value.display) if isinstance(value, Coding) else value
            found[key] = (*found.get(key, ()), option)
        return found

    @cached_property
    def takes_value(self) -> bool:
        """ENTER_FIELD may fill it: a question that is neither a document nor a signature."""
        return self.kind is not FieldKind.SIGNATURE and self.type not in WITHOUT_VALUE

    @cached_property
    def is_field(self) -> bool:
        """It can be filled at all: a question, a document, a consent text or a signature."""
        return self.kind not in STRUCTURE

    @cached_property
    def fixed(self) -> bool:
        """It bears a value that nobody may change."""
        return self.read_only and bool(self.initial)


@dataclass(frozen=True, slots=True)
class Step:
    """One page of the flow: a top-level group, or loose top-level items in a row."""

    step_id: str
    index: int
    title: str
    item_ids: tuple[str, ...]
    skippable: bool
    translations: Translations = field(default_factory=dict)

    def title_in(self, language: str | None = None) -> str:
        """Give its title in that language, else as the questionnaire has it."""
        return translated(self.title, self.translations, language)


@dataclass(frozen=True, eq=False)
class Flow:
    """A questionnaire that has been read. Equal to another when `flow_ref` is equal.

    `canonical` is what is published on `flows/{flow_ref}`: RFC 8785 JSON of the Questionnaire as
    understood. `items` is in document order. `evaluation_order` lists the linkIds so that each
    comes after all whose state it depends on (its parent, the questions of its conditions).
    """

    flow_id: str
    flow_ref: str
    canonical: bytes
    title: str
    version: str | None
    url: str | None
    language: str | None
    languages: tuple[str, ...]
    steps: tuple[Step, ...]
    items: Mapping[str, Item]
    notes: tuple[Note, ...]
    evaluation_order: tuple[str, ...]
    entry_mode: str | None = None
    translations: Translations = field(default_factory=dict)
    extraction: Extraction = NO_EXTRACTION

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flow) and self.flow_ref == other.flow_ref

    def __hash__(self) -> int:
        return hash(self.flow_ref)

    def title_in(self, language: str | None = None) -> str:
        """Give its title in that language, else as the questionnaire has it."""
        return translated(self.title, self.translations, language)

    @cached_property
    def step_of(self) -> Mapping[str, Step]:
        """Each step by its id."""
        return {step.step_id: step for step in self.steps}

    @cached_property
    def cache(self) -> dict[str, Any]:
        """Room for what others derive from this flow once; never part of its value."""
        return {}
