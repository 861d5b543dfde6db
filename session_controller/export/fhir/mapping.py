"""How answers map to resources: the types shared by mapping files and a form's definitions.

`mapping_file` reads the former, `definitions` the latter.
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Literal

from schemas.questionnaire.model import Coding, Json, Note
from session_controller.export.fhir.elements import Path

Scope = Literal["patient-privacy", "research", "treatment", "adr"]
"""The scope of a consent (terminology.hl7.org/CodeSystem/consentscope)."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Maps an answer to an element; `values` translates certain answers."""

    path: Path
    link_id: str
    values: MappingOf[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FixedRule:
    """Sets an element to a fixed value wherever an answer fills the element around it."""

    path: Path
    value: Json


@dataclass(frozen=True, slots=True)
class CopyRule:
    """Copies an element of another resource, while a question is answered with yes."""

    path: Path
    role: str
    when: str


@dataclass(frozen=True, slots=True)
class Target:
    """A resource to create, once for each instance of the repeating groups around its answers.

    `role` must never change: its id is derived from it. For a Coverage, `subscriber` is the role
    of the subscriber, and `relationship_of` says whose relationship the form asks for: the
    patient's to the subscriber (as in FHIR), or the reverse.
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
    """How the answers of a flow map to resources."""

    targets: tuple[Target, ...] = ()
    documents: MappingOf[str, Coding] = field(default_factory=dict)
    """The type of each attachment's document, by linkId."""
    consents: MappingOf[str, Scope] = field(default_factory=dict)
    """The scope of each consent, by the linkId of its signature or boolean question."""
    signers: MappingOf[str, str] = field(default_factory=dict)
    """The role of the person who signs for the patient, by step."""
    notes: tuple[Note, ...] = ()
    """Unsupported definitions of the form, each with the reason."""
