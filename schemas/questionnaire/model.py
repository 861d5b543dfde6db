"""A FHIR R4 Questionnaire as frozen values: items, options, conditions, steps, flows.

Loaded with `schemas.questionnaire.load.load_flow`; this module neither parses nor validates. An
`Item` is one `Questionnaire.item` (hl7.org/fhir/R4/questionnaire.html), linked to its parent and
children by `linkId`; a `Flow` contains all of them in document order. `Json` is any JSON value.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Any

from schemas.questionnaire.dates import Span, date_time_span
from schemas.questionnaire.rules import INVALID, Rule

Json = Any

_STEP = {"es": "Paso"}
"""What a step without words is called, by language; otherwise `Step`."""

WITHOUT_WORDS = "Question without words"

TODAY = "today()"
"""A bound that is the date of today, as FHIRPath has it."""

Translations = Mapping[str, str]
"""Language code (BCP 47, as written) to text."""


class FieldKind(StrEnum):
    """The input that a screen shows for an item: FHIR's item types, and two of ours."""

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
"""Kinds without an answer of their own."""

CHOICES = frozenset({FieldKind.CHOICE, FieldKind.OPEN_CHOICE})

WITHOUT_VALUE = STRUCTURE | {FieldKind.ATTACHMENT}
"""Kinds that ENTER_FIELD cannot fill."""


@dataclass(frozen=True, slots=True)
class Note:
    """A problem or a remark about a questionnaire, with its path and what it follows from."""

    place: str
    message: str
    rule: Rule = INVALID

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"

    def to_json(self) -> dict[str, Json]:
        """Return it with what it does and what to do, as commands and the wire have it."""
        rule = self.rule
        return {
            "place": self.place,
            "message": self.message,
            "rule": rule.code,
            "grade": rule.grade,
            "effect": rule.effect,
            "remedy": rule.remedy,
        }


class FlowError(ValueError):
    """The questionnaire cannot be used as a flow.

    `problems` lists every reason, `notes` what else was found.
    """

    def __init__(self, problems: tuple[Note, ...], notes: tuple[Note, ...] = ()) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.notes = notes


def translated(text: str, translations: Translations, language: str | None) -> str:
    """Return the text in `language`, in its base language (`es` for `es-MX`), or as written."""
    if language is None or not translations:
        return text
    base = language.partition("-")[0]
    return translations.get(language) or translations.get(base) or text


@dataclass(frozen=True, slots=True)
class Coding:
    """A FHIR Coding with the elements that answers need."""

    code: str | None = None
    system: str | None = None
    display: str | None = None

    def to_json(self) -> dict[str, str]:
        """Return it as protocol JSON."""
        parts = {"code": self.code, "system": self.system, "display": self.display}
        return {key: part for key, part in parts.items() if part is not None}


@dataclass(frozen=True, slots=True)
class Option:
    """One permitted answer (`answerOption`, or a concept of a contained ValueSet).

    `type` is FHIR's: Coding, string, integer, date, time or Reference; `value` is a `Coding` for
    the first, the reference as text for the last. An `exclusive` option cannot be combined with
    other answers of a repeating question.
    """

    type: str
    value: Coding | str | int
    display: str | None = None
    prefix: str | None = None
    exclusive: bool = False
    initial: bool = False
    weight: float | None = None
    """Its score (ordinalValue, itemWeight)."""
    translations: Translations = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the answer that selects it, as protocol JSON."""
        if isinstance(self.value, Coding):
            return self.value.to_json()
        if self.type == "Reference":
            reference = {"reference": self.value}
            return reference | {"display": self.display} if self.display else reference
        return self.value

    @classmethod
    def from_json(cls, value: Json) -> "Option":
        """Return the option that an answer selects: the reverse of `to_json`."""
        if not isinstance(value, dict):
            return cls("integer" if isinstance(value, int) else "string", value)
        if "reference" in value:
            return cls("Reference", value["reference"], value.get("display"))
        coding = Coding(*(value.get(key) or None for key in ("code", "system", "display")))
        return cls("Coding", coding, coding.display)

    def label(self, language: str | None = None) -> str:
        """Return its text for display."""
        return translated(self.display or _bare(self.value), self.translations, language)


def _bare(value: Coding | str | int) -> str:
    if isinstance(value, Coding):
        return value.display or value.code or ""
    return str(value)


@dataclass(frozen=True, slots=True)
class Condition:
    """One `enableWhen`. `question` is a linkId, or None if it names no item of this flow.

    `raw`: the question and the item depend on each other in a cycle, so the answer counts
    whether or not the question itself is enabled.
    """

    question: str | None
    operator: str
    type: str
    answer: Json
    raw: bool = False


@dataclass(frozen=True, slots=True)
class ExtractedValue:
    """A fixed value that the form sets in an element of a resource."""

    definition: str
    value: Json


@dataclass(frozen=True, slots=True)
class Extraction:
    """How an item, or the form, extracts its answers into resources (SDC, extraction).

    `context` is the type of the resource made from the items below.
    """

    context: str | None = None
    values: tuple[ExtractedValue, ...] = ()


NO_EXTRACTION = Extraction()


@dataclass(frozen=True, slots=True)
class Constraint:
    """What has to be true of the answers (`constraint`, `targetConstraint`).

    `human` is the sentence that is shown while it is not, as written: a page has its translations.
    A warning does not block. `location` is the linkId of the item where it is shown, if given.
    """

    expression: str
    human: str
    is_warning: bool = False
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Toggle:
    """Options that are offered only while an expression is true, as in ENTER_FIELD."""

    expression: str
    options: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Expressions:
    """The FHIRPath of an item, or of the form. `variables` are by name, in order."""

    calculated: str | None = None
    initial: str | None = None
    enable_when: str | None = None
    answers: str | None = None
    """The permitted answers (`answerExpression`)."""
    toggles: tuple[Toggle, ...] = ()
    minimum: str | None = None
    maximum: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()


NO_EXPRESSIONS = Expressions()


@dataclass(frozen=True, eq=False)
class Item:
    """One item. `type` is FHIR's; `kind` is the input that a screen shows.

    `options` is None if the permitted answers are unknown (an external ValueSet, or a choice
    without options): then any Coding or string is accepted. `repeating_ancestors` are the linkIds
    of the enclosing repeating groups, outermost first. Sizes are in bytes, lengths in code points.
    `initial` contains JSON values as in ENTER_FIELD. `min_value` and `max_value` of a date may be
    `TODAY`.
    """

    link_id: str
    type: FieldKind
    kind: FieldKind
    text: str = ""
    links: tuple[str, ...] = ()
    """What its text points to that is not part of the form."""
    prefix: str | None = None
    help: str | None = None
    flyover: str | None = None
    required: bool = False
    repeats: bool = False
    read_only: bool = False
    hidden: bool = False
    sensitive: bool = False
    skippable: bool = False
    self_paced: bool = False
    signs_all: bool = False
    review: bool = False
    """Shows the answers of the other steps, for the patient to check; a group or a text."""
    attestation: bool = False
    """A yes-or-no question that has to be answered with yes."""
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
    expressions: Expressions = NO_EXPRESSIONS
    children: tuple[str, ...] = ()
    parent: str | None = None
    repeating_ancestors: tuple[str, ...] = ()
    step_id: str = ""
    translations: Translations = field(default_factory=dict)

    def text_in(self, language: str | None = None) -> str:
        """Return its text in a language, or else as written."""
        return translated(self.text, self.translations, language)

    @cached_property
    def label(self) -> str:
        """Return its text for people, or a substitute if it has none; never its linkId."""
        return self.words or WITHOUT_WORDS

    @property
    def words(self) -> str:
        """What it says to people, or an empty string."""
        return self.text or self.flyover or self.help or ""

    @cached_property
    def options_by_key(self) -> Mapping[Json, tuple[Option, ...]]:
        """The options by key: a Coding's code, or else its display; otherwise the value."""
        found: dict[Json, tuple[Option, ...]] = {}
        for option in self.options or ():
            value = option.value
            key = (value.code or value.display) if isinstance(value, Coding) else value
            found[key] = (*found.get(key, ()), option)
        return found

    @cached_property
    def takes_value(self) -> bool:
        """Whether ENTER_FIELD may fill it: a question, but not a document or signature."""
        return self.kind is not FieldKind.SIGNATURE and self.type not in WITHOUT_VALUE

    @cached_property
    def is_field(self) -> bool:
        """Whether it can be filled: a question, a document, a consent text or a signature."""
        return self.kind not in STRUCTURE

    @cached_property
    def fixed(self) -> bool:
        """Whether its value is read-only."""
        return self.read_only and bool(self.initial)


@dataclass(frozen=True, slots=True)
class StepTitle:
    """What an item is called as the title of its step."""

    text: str
    hidden: bool
    translations: Translations


@dataclass(frozen=True, slots=True)
class Step:
    """One page of the flow: a top-level group, or loose top-level items in a row."""

    step_id: str
    index: int
    titles: Mapping[str, StepTitle]
    """By linkId of each of its items; of loose ones, the first that is shown names the step."""
    item_ids: tuple[str, ...]
    skippable: bool
    self_paced: bool = False
    """Whether the patient may pass it alone once it is complete."""

    @property
    def title(self) -> str:
        """Its title as written, while everything that is not hidden is on."""
        return self.title_in()

    def title_in(self, language: str | None = None, shown: Container[str] = ()) -> str:
        """Return its title in a language, or else as written.

        `shown` is what is on, by linkId: the first of its items there names the step.
        """
        of_shown = (self.titles[one] for one in self.item_ids if one in shown)
        not_hidden = (one for one in self.titles.values() if not one.hidden)
        first = next(chain(of_shown, not_hidden, self.titles.values()))
        title = translated(first.text, first.translations, language)
        return title or f"{_STEP.get((language or '').partition('-')[0], 'Step')} {self.index + 1}"


@dataclass(frozen=True, eq=False)
class Flow:
    """A loaded questionnaire. Flows are equal if their `flow_ref` is equal.

    `canonical` is what is published on `flows/{flow_ref}`: RFC 8785 JSON of the Questionnaire as
    interpreted. `items` is in document order. `evaluation_order` lists the linkIds so that each
    follows its dependencies (its parent, and the questions of its conditions).
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
    retired: bool = False
    effective_until: str | None = None
    """The end of `effectivePeriod`, a dateTime."""
    translations: Translations = field(default_factory=dict)
    extraction: Extraction = NO_EXTRACTION
    expressions: Expressions = NO_EXPRESSIONS

    @cached_property
    def has_expressions(self) -> bool:
        """Whether anything of it is calculated."""
        everywhere = (item.expressions for item in self.items.values())
        return any(one is not NO_EXPRESSIONS for one in (self.expressions, *everywhere))

    def not_offered(self, today: Span) -> str | None:
        """Return why no new session may use it, or None; `today` is the days that may be today."""
        if self.retired:
            return "is retired"
        end = date_time_span(self.effective_until) if self.effective_until else None
        if end is not None and end[1] < today[0]:
            return f"was to be used until {self.effective_until}"
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flow) and self.flow_ref == other.flow_ref

    def __hash__(self) -> int:
        return hash(self.flow_ref)

    def title_in(self, language: str | None = None) -> str:
        """Return its title in a language, or else as written."""
        return translated(self.title, self.translations, language)

    @cached_property
    def step_of(self) -> Mapping[str, Step]:
        """Each step by its id."""
        return {step.step_id: step for step in self.steps}

    @cached_property
    def cache(self) -> dict[str, Any]:
        """Cache for values derived from this flow; not part of its value."""
        return {}
