"""Extensions of FHIR R4 and SDC: those that a flow honours, our own, and all others by name."""

from dataclasses import dataclass

from schemas.questionnaire import rules
from schemas.questionnaire.model import TODAY, Json
from schemas.questionnaire.rules import Rule

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
_OURS = "urn:handrail:fhir:"

# Ours: for what FHIR does not define.
SENSITIVE = _OURS + "sensitive"
CONSENT = _OURS + "consent"
MINIMUM_FRACTION = _OURS + "minimum-fraction"
SKIPPABLE = _OURS + "skippable"
SELF_PACED = _OURS + "self-paced"
SIGNS_ALL = _OURS + "signs-all-answers"
REVIEW = _OURS + "review"
ATTESTATION = _OURS + "attestation"

HIDDEN = _CORE + "questionnaire-hidden"
ITEM_CONTROL = _CORE + "questionnaire-itemControl"
CHOICE_ORIENTATION = _CORE + "questionnaire-choiceOrientation"
DISPLAY_CATEGORY = _CORE + "questionnaire-displayCategory"
SIGNATURE_REQUIRED = _CORE + "questionnaire-signatureRequired"
OPTION_PREFIX = _CORE + "questionnaire-optionPrefix"
OPTION_EXCLUSIVE = _CORE + "questionnaire-optionExclusive"
UNIT = _CORE + "questionnaire-unit"
UNIT_OPTION = _CORE + "questionnaire-unitOption"
MIN_OCCURS = _CORE + "questionnaire-minOccurs"
MAX_OCCURS = _CORE + "questionnaire-maxOccurs"
MIN_LENGTH = _CORE + "minLength"
MIN_VALUE = _CORE + "minValue"
MAX_VALUE = _CORE + "maxValue"
MIN_QUANTITY = _SDC + "sdc-questionnaire-minQuantity"
MAX_QUANTITY = _SDC + "sdc-questionnaire-maxQuantity"
MAX_DECIMAL_PLACES = _CORE + "maxDecimalPlaces"
MAX_SIZE = _CORE + "maxSize"
MIME_TYPE = _CORE + "mimeType"
REGEX = _CORE + "regex"
ENTRY_FORMAT = _CORE + "entryFormat"
TRANSLATION = _CORE + "translation"
XHTML = _CORE + "rendering-xhtml"
MARKDOWN = _CORE + "rendering-markdown"
VARIABLE = _CORE + "variable"
CONSTRAINT = _CORE + "questionnaire-constraint"
TARGET_CONSTRAINT = _CORE + "targetConstraint"
ORDINAL_VALUE = _CORE + "ordinalValue"
ITEM_WEIGHT = _CORE + "itemWeight"
CALCULATED = _SDC + "sdc-questionnaire-calculatedExpression"
INITIAL = _SDC + "sdc-questionnaire-initialExpression"
ENABLE_WHEN = _SDC + "sdc-questionnaire-enableWhenExpression"
ANSWERS = _SDC + "sdc-questionnaire-answerExpression"
TOGGLE = _SDC + "sdc-questionnaire-answerOptionsToggleExpression"
ENTRY_MODE = _SDC + "sdc-questionnaire-entryMode"
EXTRACTION_CONTEXT = _SDC + "sdc-questionnaire-itemExtractionContext"
EXTRACT = _SDC + "sdc-questionnaire-definitionExtract"
EXTRACT_VALUE = _SDC + "sdc-questionnaire-definitionExtractValue"

CALCULATED_VALUE = _CORE + "cqf-calculatedValue"
"""Of a bound alone."""

RESPONSE_SIGNATURE = _CORE + "questionnaireresponse-signature"


@dataclass(frozen=True, slots=True)
class Known:
    """An extension of FHIR core or SDC. `rule` is what is reported of it, or None: honoured."""

    url: str
    rule: Rule | None = None
    does: str = ""
    """What an honoured one does."""


_HONOURED = {
    HIDDEN: "never shown and never required; its value counts in conditions and is exported",
    ITEM_CONTROL: "how a screen shows the item; help and flyover belong to the question above",
    CHOICE_ORIENTATION: "options beside or below each other",
    DISPLAY_CATEGORY: "kept",
    SIGNATURE_REQUIRED: "the item is a signature",
    OPTION_PREFIX: "shown before the option",
    OPTION_EXCLUSIVE: "the option cannot be combined with others",
    UNIT: "the unit of a number",
    UNIT_OPTION: "the units of a quantity",
    MIN_OCCURS: "how many answers or instances at least",
    MAX_OCCURS: "how many answers or instances at most",
    MIN_LENGTH: "the least length of a text",
    MIN_VALUE: "the least answer; a quantity is compared by UCUM",
    MAX_VALUE: "the greatest answer; a quantity is compared by UCUM",
    MIN_QUANTITY: "the least quantity, by UCUM",
    MAX_QUANTITY: "the greatest quantity, by UCUM",
    MAX_DECIMAL_PLACES: "digits after the decimal point",
    MAX_SIZE: "the size of a document",
    MIME_TYPE: "the types of a document",
    REGEX: "the form of a text; it must match the whole answer",
    ENTRY_FORMAT: "shown as a hint",
    TRANSLATION: "the text in another language",
    XHTML: "the words, where the plain text is missing",
    MARKDOWN: "the words, where the plain text is missing",
    ENTRY_MODE: "kept",
    EXTRACTION_CONTEXT: "which resource is made of the answers below",
    EXTRACT: "which resource is made of the answers below",
    EXTRACT_VALUE: "a fixed value of that resource",
    VARIABLE: "a value that the expressions of the item and below it use",
    CONSTRAINT: "a rule over several answers, with its sentence; a warning does not block",
    TARGET_CONSTRAINT: "the same, under its later name",
    ORDINAL_VALUE: "the score of an option, for ordinal() and weight()",
    ITEM_WEIGHT: "the score of an option, for ordinal() and weight()",
    CALCULATED: "the answer follows from others; where it may be changed, it is a proposal",
    INITIAL: "the answer that the question begins with",
    ANSWERS: "the permitted answers; the first 200 of them",
    TOGGLE: "options that are offered only while an expression is true",
    ENABLE_WHEN: "the item is on while the expression is true",
    CALCULATED_VALUE: "a bound that is calculated",
}

_NAMED: dict[str, dict[Rule, tuple[str, ...]]] = {
    _CORE: {
        rules.RULE_IGNORED: (
            "questionnaire-referenceResource",
            "questionnaire-referenceProfile",
            "questionnaire-referenceFilter",
            "questionnaire-optionRestriction",
            "questionnaire-fhirType",
            "questionnaire-baseType",
            "cqf-constraint",
        ),
        rules.VALUE_MISSING: ("cqf-expression", "cqf-initialValue"),
        rules.OPTIONS_UNKNOWN: (
            "questionnaire-unitValueSet",
            "terminology-server",
            "preferredTerminologyServer",
        ),
        rules.NOT_SHOWN: (
            "questionnaire-usageMode",
            "questionnaire-supportLink",
            "questionnaire-sliderStepValue",
            "rendering-style",
            "rendering-styleSensitive",
            "rendered-value",
        ),
        rules.IGNORED: (
            "designNote",
            "questionnaire-studyprotocolIdentifier",
            "cqf-library",
            "cqf-initiatingOrganization",
            "cqf-qualityOfEvidence",
            "questionnaire-derivationType",
            "data-absent-reason",
            "valueset-reference",
            "valueset-label",
            "valueset-concept-comments",
            "codesystem-label",
            "resource-effectivePeriod",
            "artifact-versionAlgorithm",
            "structuredefinition-wg",
            "structuredefinition-standards-status",
            "structuredefinition-fmm",
        ),
    },
    _SDC: {
        rules.ADAPTIVE: ("sdc-questionnaire-questionnaireAdaptive",),
        rules.ASSEMBLED: ("sdc-questionnaire-subQuestionnaire",),
        rules.VALUE_MISSING: (
            "sdc-questionnaire-itemPopulationContext",
            "sdc-questionnaire-itemContext",
            "sdc-questionnaire-contextExpression",
            "sdc-questionnaire-launchContext",
            "sdc-questionnaire-sourceQueries",
            "sdc-questionnaire-sourceStructureMap",
            "sdc-questionnaire-observationLinkPeriod",
        ),
        rules.OPTIONS_UNKNOWN: (
            "sdc-questionnaire-candidateExpression",
            "sdc-questionnaire-lookupQuestionnaire",
            "sdc-questionnaire-preferredTerminologyServer",
            "sdc-questionnaire-unitSupplementalSystem",
            "sdc-questionnaire-unitOpen",
        ),
        rules.EXTRACTION_MISSING: (
            "sdc-questionnaire-observationExtract",
            "sdc-questionnaire-observationExtractCategory",
            "sdc-questionnaire-observation-extract-category",
            "sdc-questionnaire-observationExtractEntry",
            "sdc-questionnaire-observation-extract-entry",
            "sdc-questionnaire-targetStructureMap",
            "sdc-questionnaire-templateExtract",
            "sdc-questionnaire-templateExtractBundle",
            "sdc-questionnaire-templateExtractContext",
            "sdc-questionnaire-templateExtractValue",
            "sdc-questionnaire-extractAllocateId",
        ),
        rules.NOT_SHOWN: (
            "sdc-questionnaire-itemMedia",
            "sdc-questionnaire-itemAnswerMedia",
            "sdc-questionnaire-choiceColumn",
            "sdc-questionnaire-columnCount",
            "sdc-questionnaire-collapsible",
            "sdc-questionnaire-keyboard",
            "sdc-questionnaire-openLabel",
            "sdc-questionnaire-optionalDisplay",
            "sdc-questionnaire-shortText",
            "sdc-questionnaire-width",
        ),
        rules.IGNORED: (
            "sdc-questionnaire-performerType",
            "sdc-questionnaire-isSubject",
            "sdc-questionnaire-endpoint",
            "sdc-questionnaire-referencesContained",
            "sdc-questionnaire-assemble-expectation",
            "sdc-questionnaire-assembledFrom",
            "sdc-questionnaire-assembleContext",
            "sdc-questionnaire-library",
            "servicerequest-questionnaire",
        ),
    },
}


def last_part(url: str) -> str:
    """Return what an extension is called in every version of FHIR and SDC."""
    name = url.rpartition("/")[2]
    return name.removeprefix("sdc-").removeprefix("questionnaire-")


KNOWN: dict[str, Known] = {
    last_part(url): Known(url, None, does) for url, does in _HONOURED.items()
} | {
    last_part(base + name): Known(base + name, rule)
    for base, named in _NAMED.items()
    for rule, names in named.items()
    for name in names
}
"""By `last_part`: a name is unique among FHIR core and SDC."""


def known(url: str) -> Known | None:
    """Return what an extension of HL7 is, under any of the addresses that it has had; or None."""
    if "//hl7.org/fhir" not in url:
        return None
    return KNOWN.get(last_part(url))


def is_ours(url: str) -> bool:
    """Return whether an extension is one of Handrail's own."""
    return url in _OWN


_OWN = {SENSITIVE, CONSENT, MINIMUM_FRACTION, SKIPPABLE, SELF_PACED, SIGNS_ALL, REVIEW, ATTESTATION}


def is_today(bound: dict[str, Json]) -> bool:
    """Return whether a minValue or maxValue is calculated as `today()` (SDC, form behavior)."""
    siblings = [bound.get(key) for key in ("_valueDate", "_valueDateTime")]
    found = [one.get("extension") for one in siblings if isinstance(one, dict)]
    inner = [one for ones in found if isinstance(ones, list) for one in ones]
    return any(_calculates_today(one) for one in inner if isinstance(one, dict))


def _calculates_today(extension: dict[str, Json]) -> bool:
    """Return whether an extension says `today()`; its value is a string in R4, then Expression."""
    expression = extension.get("valueExpression")
    said = expression.get("expression") if isinstance(expression, dict) else None
    said = said or extension.get("valueString")
    return extension.get("url") == CALCULATED_VALUE and said == TODAY
