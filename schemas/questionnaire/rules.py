"""What can be found in a questionnaire: rules with their grade, their effect and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How much a finding matters, the worst first."""

    ERROR = "error"
    """It cannot be a flow."""
    DANGER = "danger"
    """A rule of the form does not hold; something can never be asked, or always is."""
    LOSS = "loss"
    """A value, a score or an extraction is missing."""
    COSMETIC = "cosmetic"
    """It looks different from what its author meant."""


GRADES = tuple(Grade)


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding. `effect` is on a patient or on the record, `remedy` what to do."""

    code: str
    grade: Grade
    effect: str
    remedy: str
    dead_end: bool = False
    """Whether a patient may not be able to complete the form."""


def _danger(code: str, effect: str, remedy: str, *, dead_end: bool = False) -> Rule:
    return Rule(code, Grade.DANGER, effect, remedy, dead_end)


def _loss(code: str, effect: str, remedy: str) -> Rule:
    return Rule(code, Grade.LOSS, effect, remedy)


def _cosmetic(code: str, effect: str, remedy: str) -> Rule:
    return Rule(code, Grade.COSMETIC, effect, remedy)


INVALID = Rule("invalid", Grade.ERROR, "The form cannot be used.", "Correct it at this place.")
UNKNOWN_MODIFIER = Rule(
    "unknown-modifier",
    Grade.ERROR,
    "FHIR forbids to use an element with a modifier extension that is not known (R4, 2.4.0.1).",
    "Remove the extension, or say in another way what it says.",
)
OTHER_VERSION = Rule(
    "other-version",
    Grade.ERROR,
    "The form is not FHIR R4; read as R4, its options or values would be missing.",
    "Convert it: handrail flow check FILE --fix OUT.",
)
ADAPTIVE = Rule(
    "adaptive",
    Grade.ERROR,
    "An adaptive form asks a server for each next question; without it there is nothing to ask.",
    "Use a form that holds all of its questions.",
)
ASSEMBLED = Rule(
    "assembled",
    Grade.ERROR,
    "Parts of the form are in other files; what they ask would be missing.",
    "Assemble the form first (SDC, modular forms: $assemble), and use the result.",
)

CALCULATED_FROM_ITSELF = Rule(
    "calculated-from-itself",
    Grade.ERROR,
    "Values that depend on each other have no result.",
    "Calculate one of them from answers alone.",
)

NEVER_ASKED = _danger(
    "never-asked",
    "It can never be asked: its condition can never hold.",
    "Compare with an answer that the question can have.",
)
ALWAYS_ASKED = _danger(
    "always-asked",
    "It is asked of everybody: its condition always holds.",
    "Compare with an answer that the question can have, or remove the condition.",
)
NEVER_HOLDS = _danger(
    "never-holds",
    "A condition can never hold, so it does not let the item be asked.",
    "Compare with an answer that the question can have, or remove the condition.",
)
ALWAYS_HOLDS = _danger(
    "always-holds",
    "A condition always holds, so it does not limit who is asked.",
    "Compare with an answer that the question can have, or remove the condition.",
)
UNANSWERABLE = _danger(
    "unanswerable",
    "No answer is possible, but one is required: nobody can complete the form.",
    "Correct the bounds, or do not require an answer.",
    dead_end=True,
)
NO_ANSWER_FITS = _danger(
    "no-answer-fits",
    "No answer is possible.",
    "Correct the bounds.",
)
DEAD_END = _danger(
    "dead-end",
    "With answers that fit, the form could not be completed when it was tried.",
    "Look at the rules of the questions that are named, and try it: handrail simulate.",
    dead_end=True,
)
CIRCLE = _danger(
    "circle",
    "What is asked depends on itself, so it can change while nobody answers.",
    "Let conditions ask about earlier questions only.",
)
RULE_IGNORED = _danger(
    "rule-ignored",
    "A rule of the form does not hold: more may be asked or accepted than it means.",
    "Write it with enableWhen, minValue, maxValue, regex or required where that says the same.",
)
EXPRESSION_IGNORED = _danger(
    "expression-ignored",
    "The expression is not evaluated: its rule does not hold, or its value stays empty.",
    "Write it in FHIRPath (text/fhirpath), in a way that can be evaluated.",
)
SENSITIVE_SHOWN = _danger(
    "sensitive-shown",
    "Staff see what follows from an answer that they are not to see.",
    "Mark this question as sensitive too, or do not calculate it from that answer.",
)
NOT_TRIED = _danger(
    "not-tried",
    "Whether the expressions of the form can be evaluated is not known.",
    "Try all of them: handrail flow check FILE.",
)
UNKNOWN_ELEMENT = _danger(
    "unknown-element",
    "FHIR R4 has no such element, so what it says does not hold.",
    "Use the element or extension of FHIR R4 that is named.",
)
UNIT_NOT_COMPARABLE = _danger(
    "unit-not-comparable",
    "An answer in that unit is refused, whatever it is.",
    "Give the bound in a unit that UCUM converts, or do not offer the unit.",
)
LINK_LEFT_OUT = _danger(
    "link-left-out",
    "The patient cannot read what the text points to, and may be asked to accept it.",
    'Put the document into "contained" (text/plain or text/markdown), link to "#its-id", and mark '
    "the question as a consent.",
)
INITIAL_IS_NO_OPTION = _danger(
    "initial-is-no-option",
    "The question begins with an answer that it does not permit.",
    "Use one of its options.",
)
RETIRED = _danger(
    "retired",
    "Its author says that it is not to be used: it is not offered for new sessions.",
    "Use a newer version of the form, or correct status and effectivePeriod.",
)

OPTIONS_UNKNOWN = _loss(
    "options-unknown",
    "The permitted answers are not known: the question takes any text, without a code.",
    "Add the value set: handrail flow add FILE --valueset VALUESET.",
)
NO_OPTIONS = _loss(
    "no-options",
    "The question takes any text, without a code.",
    "List its answers in answerOption.",
)
VALUE_MISSING = _loss(
    "value-missing",
    "A value that the form would fill in stays empty.",
    "Give it with initial, or ask for it.",
)
EXTRACTION_MISSING = _loss(
    "extraction-missing",
    "Nothing is extracted from the answers in this way; the QuestionnaireResponse is complete.",
    "Map the answers with definition, or with a mapping file (handrail flow add --mapping).",
)
UNIT_WITHOUT_SYSTEM = _loss(
    "unit-without-system",
    "The unit is exported by its name alone: a code without a system is not valid (qty-3).",
    'Give the unit its system, such as "http://unitsofmeasure.org".',
)
FIRST_ALONE_IS_KEPT = _loss(
    "first-alone-is-kept",
    "Only the first of several values is used.",
    "Set repeats, or give one value.",
)
REINTERPRETED = _loss(
    "reinterpreted",
    "It is read as is said here.",
    "Write it so.",
)
NOT_SHOWN = _cosmetic(
    "not-shown",
    "It is not shown.",
    "Say it in the text of the item where it matters.",
)
NO_WORDS = _loss(
    "no-words",
    "Nobody can see what is asked: the item has no words.",
    "Give it a text.",
)
UNKNOWN_EXTENSION = _cosmetic(
    "unknown-extension",
    "It is not understood, and kept in the published form.",
    "Nothing, if it is meant for another program.",
)
OLDER_NAME = _cosmetic(
    "older-name",
    "It is read as the extension of today.",
    "Use the URL of today.",
)
IGNORED = _cosmetic(
    "ignored",
    "It has no effect.",
    "Remove it.",
)
FILLED_IN = _cosmetic(
    "filled-in",
    "It is read as is said here.",
    "Write it so.",
)
