"""What becomes of which answer: the types that a mapping file and a form's definitions give alike.

`session_controller.fhir.mapping_file` reads the one, `session_controller.fhir.definitions` the
other.
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Literal

from schemas.questionnaire import Coding, Json, Note
from session_controller.fhir.elements import Path

Scope = Literal["patient-privacy", "research", "treatment", "adr"]
"""What a consent is about (terminology.hl7.org/CodeSystem/consentscope)."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """An answer fills an element; `values` says what certain answers stand for."""

    path: Path
    link_id: str
    values: MappingOf[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FixedRule:
    """An element has this value wherever an answer fills what is around it."""

    path: Path
    value: Json


@dataclass(frozen=True, slots=True)
class CopyRule:
    """An element is as another resource has it, while a question is answered with yes."""

    path: Path
    role: str
    when: str


@dataclass(frozen=True, slots=True)
class Target:
    """A resource to be made, once for each instance of the repeating groups around its answers.

    `role` names it for ever: its identity is made of it. Of a Coverage, `subscriber` is the role
    of whom it belongs to, and `relationship_of` says whose relationship the form asks for: what
    the patient is to the subscriber (as FHIR has it), or the other way round.
    """

    role: str
    type: str
    fields: tuple[FieldRule, ...] = ()
    fixed: tuple[FixedRule, ...] = ()
    copies: tuple[CopyRule, ...] = ()
    groups: tuple[str, ...] = ()
    subscriber: str | None = None
    relationship_of: Literal["patient", "subscriber"] = "patient"
    order: int | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """All that is made of the answers of a flow."""

    targets: tuple[Target, ...] = ()
    documents: MappingOf[str, Coding] = field(default_factory=dict)
    """What kind of document an attachment is, by linkId."""
    consents: MappingOf[str, Scope] = field(default_factory=dict)
    """What a consent is about, by the linkId of its signature or of its yes-or-no question."""
    signers: MappingOf[str, str] = field(default_factory=dict)
    """The role of who signs for the patient, by step."""
    notes: tuple[Note, ...] = ()
    """What of the form's definitions is not honoured, and why."""
