"""Definition-based extraction (SDC): contexts and fixed values of the form.

SDC 3 has `itemExtractionContext`, SDC 4 `definitionExtract` for the same
(hl7.org/fhir/uv/sdc/extraction.html); `definitionExtractValue` is SDC 4's.
"""

from collections.abc import Iterator

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.model import ExtractedValue, Extraction

EXTRACTABLE = ("Patient", "RelatedPerson", "Coverage")
"""The resource types that answers can be extracted into."""


def read_extraction(cursor: Cursor) -> Extraction:
    """Parse the context and the fixed values of an item or of the whole form."""
    contexts = [*_contexts(cursor), *_profiles(cursor)]
    if len(contexts) > 1:
        cursor.note(
            rules.FIRST_ALONE_IS_KEPT,
            "extension",
            "has several extraction contexts; the first is kept",
        )
    return Extraction(contexts[0] if contexts else None, tuple(_values(cursor)))


def _contexts(cursor: Cursor) -> Iterator[str]:
    for extension in cursor.extensions(ext.EXTRACTION_CONTEXT):
        found = extension.choice("value")
        if found is None:
            extension.refuse("value[x]", "is missing")
        elif found[0] == "code":
            yield from _known(extension, extension.text(found[1]))
        else:
            yield from _queried(extension, found[1])


def _queried(extension: Cursor, key: str) -> Iterator[str]:
    """Return the resource type of a query; only a server could run the query itself."""
    expression = extension.below(key)
    text = (expression.text("expression") or "") if expression else ""
    extension.note(
        rules.EXTRACTION_MISSING, key, "the query is not run; a new resource of its type is created"
    )
    yield from _known(extension, text.partition("?")[0])


def _profiles(cursor: Cursor) -> Iterator[str]:
    for extension in cursor.extensions(ext.EXTRACT):
        for part in extension.each("extension"):
            found = part.choice("value")
            if part.value.get("url") == "definition" and found is not None:
                yield from _known(part, (part.text(found[1]) or "").rpartition("/")[2])


def _known(cursor: Cursor, name: str | None) -> Iterator[str]:
    if name in EXTRACTABLE:
        yield name
    else:
        cursor.note(rules.EXTRACTION_MISSING, "", f"only {', '.join(EXTRACTABLE)} can be extracted")


def _values(cursor: Cursor) -> Iterator[ExtractedValue]:
    for extension in cursor.extensions(ext.EXTRACT_VALUE):
        parts = {str(part.value.get("url")): part for part in extension.each("extension")}
        definition, fixed = parts.get("definition"), parts.get("fixed-value")
        name = None if definition is None else definition.text("valueUri")
        found = None if fixed is None else fixed.choice("value")
        if name is None or fixed is None or found is None:
            extension.note(
                rules.EXTRACTION_MISSING, "", "only a definition with a fixed value is extracted"
            )
            continue
        yield ExtractedValue(name, fixed.value[found[1]])
