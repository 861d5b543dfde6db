"""Extensions of FHIR R4 and SDC that a flow supports, our own, and the unsupported ones."""

from schemas.questionnaire.model import TODAY, Json

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
MAX_DECIMAL_PLACES = _CORE + "maxDecimalPlaces"
MAX_SIZE = _CORE + "maxSize"
MIME_TYPE = _CORE + "mimeType"
REGEX = _CORE + "regex"
ENTRY_FORMAT = _CORE + "entryFormat"
TRANSLATION = _CORE + "translation"
ENTRY_MODE = _SDC + "sdc-questionnaire-entryMode"
EXTRACTION_CONTEXT = _SDC + "sdc-questionnaire-itemExtractionContext"
EXTRACT = _SDC + "sdc-questionnaire-definitionExtract"
EXTRACT_VALUE = _SDC + "sdc-questionnaire-definitionExtractValue"

CALCULATED_VALUE = _CORE + "cqf-calculatedValue"
"""Of a bound alone, and the expression `today()` alone; anything else is reported."""

RESPONSE_SIGNATURE = _CORE + "questionnaireresponse-signature"

# Reported by name when a flow is loaded: each would change what a form asks, accepts or fills in.
_UNSUPPORTED_NAMES = {
    _CORE: (
        "targetConstraint",
        "questionnaire-constraint",
        "questionnaire-unitValueSet",
        "questionnaire-referenceResource",
        "questionnaire-referenceProfile",
        "questionnaire-referenceFilter",
        "questionnaire-fhirType",
        "questionnaire-usageMode",
        "questionnaire-supportLink",
        "terminology-server",
        "preferredTerminologyServer",
        "variable",
    ),
    _SDC: (
        "sdc-questionnaire-calculatedExpression",
        "sdc-questionnaire-enableWhenExpression",
        "sdc-questionnaire-initialExpression",
        "sdc-questionnaire-candidateExpression",
        "sdc-questionnaire-contextExpression",
        "sdc-questionnaire-answerExpression",
        "sdc-questionnaire-answerOptionsToggleExpression",
        "sdc-questionnaire-itemPopulationContext",
        "sdc-questionnaire-itemContext",
        "sdc-questionnaire-observationExtract",
        "sdc-questionnaire-launchContext",
        "sdc-questionnaire-sourceQueries",
        "sdc-questionnaire-sourceStructureMap",
        "sdc-questionnaire-targetStructureMap",
        "sdc-questionnaire-assembledFrom",
        "sdc-questionnaire-subQuestionnaire",
        "sdc-questionnaire-preferredTerminologyServer",
        "sdc-questionnaire-endpoint",
        "sdc-questionnaire-lookupQuestionnaire",
        "sdc-questionnaire-unitSupplementalSystem",
        "sdc-questionnaire-maxQuantity",
        "sdc-questionnaire-minQuantity",
        "sdc-questionnaire-constraint",
        "sdc-questionnaire-targetConstraint",
        "sdc-questionnaire-variable",
    ),
}

_UNSUPPORTED = {
    base + name: name.removeprefix("questionnaire-").removeprefix("sdc-questionnaire-")
    for base, names in _UNSUPPORTED_NAMES.items()
    for name in names
}


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


def unsupported_name(url: str) -> str | None:
    """Return the name of a known but unsupported extension, or None for any other."""
    name = _UNSUPPORTED.get(url)
    if name is None and url.startswith(_CORE + "cqf-"):
        name = url.removeprefix(_CORE)
    return name
