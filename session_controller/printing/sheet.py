"""What is on the paper, as plain values: between a `Record` and the typesetter.

The typesetter gets it as JSON (`template/record.typ` reads it), so whatever a person typed is data
there and never markup. Text in it is shown as it stands, line breaks included.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a small table; several values stand below one another."""

    label: str
    values: tuple[str, ...]
    code: bool = False
    """A hash: in letters of one width."""


@dataclass(frozen=True, slots=True)
class Link:
    """Points at a document or signature; `text` holds `{page}`."""

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
    """How many headings of groups it stands under."""


@dataclass(frozen=True, slots=True)
class StepPart:
    """The answers of one step."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that the typesetter can show, and what it is in words."""

    file: str
    alt: str


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """One document, and what is known of it; its file is shown as far as it can be."""

    id: str
    title: str
    file: str
    alt: str
    """Of each picture of it; where these are pages of a PDF, `{n}` is the page."""
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class SignaturePart:
    """One consent as it was shown, and what came of it."""

    id: str
    title: str
    outcome: str
    tone: str
    """good, care or plain"""
    language: str | None
    text: str | None
    """None where it has stood already."""
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
    """A record, ready to be set. `words` are those that the template itself says."""

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
    session: str
    chain: str
    at: int
    """When the record was made: the date of the PDF, in seconds since 1970."""
    words: Mapping[str, str] = field(default_factory=dict)
