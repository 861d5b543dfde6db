"""Reading what SDC says of extraction by definition: contexts and values of the form itself.

SDC 3 has `itemExtractionContext`, SDC 4 `definitionExtract` for the same
(hl7.org/fhir/uv/sdc/extraction.html); `definitionExtractValue` is SDC 4's.
"""

from collections.abc import Iterator

from schemas import questionnaire_extensions as ext
from schemas.questionnaire import ExtractedValue, Extraction
from schemas.questionnaire_cursor import Cursor

EXTRACTABLE = ("Patient", "RelatedPerson", "Coverage")
"""The resources that answers are made into."""


def read_extraction(cursor: Cursor) -> Extraction:
    """Read the context that an item (or the whole form) opens, and the values it gives."""
    contexts = [*_contexts(cursor), *_profiles(cursor)]
    if len(contexts) > 1:
        cursor.note("extension", "opens several contexts of extraction; the first is kept")
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
    """Read the type that a query asks for; which one it finds, only the server could say."""
    expression = extension.below(key)
    text = (expression.text("expression") or "") if expression else ""
    extension.note(key, "the query is not run; a new resource of its type is made")
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
        cursor.note("", f"extraction makes {', '.join(EXTRACTABLE)}; nothing else")


def _values(cursor: Cursor) -> Iterator[ExtractedValue]:
    for extension in cursor.extensions(ext.EXTRACT_VALUE):
        parts = {str(part.value.get("url")): part for part in extension.each("extension")}
        definition, fixed = parts.get("definition"), parts.get("fixed-value")
        name = None if definition is None else definition.text("valueUri")
        found = None if fixed is None else fixed.choice("value")
        if name is None or fixed is None or found is None:
            extension.note("", "only a definition with a fixed value is extracted")
            continue
        yield ExtractedValue(name, fixed.value[found[1]])
