"""JSON reader that tracks the path for error messages.

A `Cursor` is at one JSON object of a Questionnaire. Its methods return the value of an element, or
None if absent; a value of the wrong type is reported and treated as absent, so that one pass finds
all problems.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

from schemas.base import CODES
from schemas.questionnaire import extensions as ext
from schemas.questionnaire.model import Coding, Json, Note, Translations
from schemas.questionnaire.rules import INVALID, Rule

_PRIMITIVES = {
    name[0].upper() + name[1:]: name
    for name in (
        *("boolean", "decimal", "integer", "date", "dateTime", "time", "string"),
        *("uri", "url", "code", "id", "instant", "canonical", "markdown", "positiveInt"),
    )
}
"""FHIR's primitive types begin with a lower-case letter, but a capital in `value[x]`."""
_CONTROL = re.compile(f"[{CODES}]")


@dataclass(slots=True)
class Report:
    """The findings of one parse: problems make the questionnaire unusable, notes do not."""

    problems: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cursor:
    """One JSON object, its path, and the report for findings."""

    value: dict[str, Json]
    path: str
    report: Report
    link_id: str | None = None

    def place(self, key: str = "") -> str:
        """Return the path of an element of this object."""
        path = f"{self.path}.{key}" if key else self.path
        return path if self.link_id is None else f'{path} (linkId "{self.link_id}")'

    def refuse(self, key: str, reason: str, rule: Rule = INVALID) -> None:
        """Report a problem that makes the questionnaire unusable."""
        self.report.problems.append(Note(self.place(key), reason, rule))

    def note(self, rule: Rule, key: str, remark: str) -> None:
        """Report a note for the author."""
        self.report.notes.append(Note(self.place(key), remark, rule))

    def text(self, key: str) -> str | None:
        """Return a string element, or None if absent."""
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(key, "must be a string")
            return None
        if _CONTROL.search(value):
            self.refuse(key, "must not contain control characters")
            return None
        return value

    def flag(self, key: str) -> bool | None:
        """Return a boolean element, or None if absent."""
        value = self.value.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(key, "must be true or false")
        return None

    def count(self, key: str) -> int | None:
        """Return an integer element of 0 or more, also if written as 10.0, or None if absent."""
        number = self.number(key)
        if number is None:
            return None
        if number < 0 or number != int(number):
            self.refuse(key, "must be a whole number, 0 or more")
            return None
        return int(number)

    def number(self, key: str) -> int | float | None:
        """Return a finite number, or None if absent."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            self.refuse(key, "must be a number")
            return None
        return value

    def below(self, key: str) -> "Cursor | None":
        """Return a cursor at an object element, or None if absent."""
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse(key, "must be an object")
            return None
        return Cursor(value, f"{self.path}.{key}", self.report, self.link_id)

    def each(self, key: str) -> Iterator["Cursor"]:
        """Yield a cursor at each object of a list element."""
        values = self.value.get(key)
        if values is None:
            return
        if not isinstance(values, list):
            self.refuse(key, "must be a list")
            return
        for index, value in enumerate(values):
            place = f"{key}[{index}]"
            if isinstance(value, dict):
                yield Cursor(value, f"{self.path}.{place}", self.report, self.link_id)
            else:
                self.refuse(place, "must be an object")

    def choice(self, stem: str) -> tuple[str, str] | None:
        """Return the element of a choice type, such as `("Coding", "valueCoding")` for `value`."""
        for key, value in self.value.items():
            if key.startswith(stem) and len(key) > len(stem) and value is not None:
                written = key[len(stem) :]
                return _PRIMITIVES.get(written, written), key
        return None

    def extensions(self, url: str) -> Iterator["Cursor"]:
        """Yield a cursor at each extension with a URL."""
        for extension in self.each("extension"):
            if extension.value.get("url") == url:
                yield extension

    def extension(self, url: str) -> tuple["Cursor", str] | None:
        """Return the first extension with a URL that has a value, and the value's key."""
        for extension in self.extensions(url):
            found = extension.choice("value")
            if found is not None:
                return extension, found[1]
            extension.refuse("value[x]", "is missing")
        return None

    def extension_text(self, url: str) -> str | None:
        """Return the string value of an extension, or None if absent."""
        found = self.extension(url)
        return None if found is None else found[0].text(found[1])

    def extension_flag(self, url: str) -> bool:
        """Return the boolean value of an extension, or False if absent."""
        found = self.extension(url)
        return found is not None and bool(found[0].flag(found[1]))

    def extension_count(self, url: str) -> int | None:
        """Return the integer value of an extension, or None if absent."""
        found = self.extension(url)
        return None if found is None else found[0].count(found[1])

    def extension_code(self, url: str) -> str | None:
        """Return the first code of an extension's CodeableConcept, or None if absent."""
        found = self.extension(url)
        concept = None if found is None else found[0].below(found[1])
        if concept is None:
            return None
        return next((coding.text("code") for coding in concept.each("coding")), None)

    def coding(self) -> Coding:
        """Return this object as a Coding."""
        return Coding(self.text("code"), self.text("system"), self.text("display"))

    def translations(self, key: str) -> Translations:
        """Return a primitive's translations: the extension `translation` on its `_` sibling."""
        sibling = self.below("_" + key)
        if sibling is None:
            return {}
        pairs = (_translation(extension) for extension in sibling.extensions(ext.TRANSLATION))
        return {language: content for language, content in pairs if language and content}


def _translation(extension: Cursor) -> tuple[str | None, str | None]:
    parts: dict[str, str | None] = {}
    for part in extension.each("extension"):
        found = part.choice("value")
        if found is not None:
            parts[str(part.value.get("url"))] = part.text(found[1])
    return parts.get("lang"), parts.get("content")
