"""The content of the printed record as plain values, from a `Record` for the typesetter.

The typesetter reads it as JSON (`template/record.typ`), so what a person typed is data and never
markup. Text is shown as it is, including line breaks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a small table; several values are stacked."""

    label: str
    values: tuple[str, ...]
    code: bool = False
    """Whether it is a hash, in monospaced type."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a document or signature; `text` contains `{page}`."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a step: a question with its answers, a heading, or a text."""

    kind: str
    """answer, heading or note"""
    label: str
    values: tuple[str, ...] = ()
    mark: str | None = None
    """What is wrong with it."""
    links: tuple[Link, ...] = ()
    empty: bool = False
    depth: int = 0
    """The number of group headings above it."""


@dataclass(frozen=True, slots=True)
class StepPart:
    """The answers of one step."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that the typesetter can show, with its text alternative."""

    file: str
    alt: str


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A document with its metadata; its file is shown if possible."""

    id: str
    title: str
    file: str
    alt: str
    """Text alternative of each picture; `{n}` is the page if these are pages of a PDF."""
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class SignaturePart:
    """A consent as shown, and its outcome."""

    id: str
    title: str
    outcome: str
    tone: str
    """good, care or plain"""
    language: str | None
    text: str | None
    """None if it has already been printed."""
    note: str | None
    picture: Picture | None
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class EvidencePart:
    """One table of the evidence."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A record ready for typesetting. `words` are those of the template itself."""

    language: str
    region: str | None
    paper: str
    title: str
    site: str
    status: str
    tone: str
    facts: tuple[Fact, ...]
    notice: str | None
    steps: tuple[StepPart, ...]
    documents: tuple[DocumentPart, ...]
    signatures: tuple[SignaturePart, ...]
    evidence: tuple[EvidencePart, ...]
    earlier: tuple[Fact, ...]
    """Answers that were replaced."""
    session: str
    chain: str
    at: int
    """When the record was created: the date of the PDF, in seconds since 1970."""
    words: Mapping[str, str] = field(default_factory=dict)
