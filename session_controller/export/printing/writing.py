"""Write a record as a sheet, with all of its parts."""

import re

from session_controller.export.printing.book import Book
from session_controller.export.printing.documents import Files, document_parts
from session_controller.export.printing.earlier import earlier_answers
from session_controller.export.printing.evidence import evidence_parts, person_on
from session_controller.export.printing.languages import language_text
from session_controller.export.printing.moments import date_text, moment
from session_controller.export.printing.sheet import Fact, Sheet
from session_controller.export.printing.signatures import signature_parts
from session_controller.export.printing.steps import step_parts
from session_controller.export.record import Record

_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:-[A-Za-z]{4})?(?:-([A-Za-z]{2}))?(?:-.*)?", re.ASCII)
"""Language and region of a BCP 47 tag; the typesetter accepts no other part."""

_ON_PAPER = (
    "record",
    "answers",
    "question",
    "answer",
    "documents",
    "no_documents",
    "not_shown",
    "more_pages",
    "consents",
    "no_consents",
    "evidence",
    "evidence_intro",
    "earlier",
    "earlier_intro",
    "fonts",
    "page",
    "session",
    "chain_short",
)
"""The words that do not depend on the record."""


def write(record: Record, paper: str) -> tuple[Sheet, Files]:
    """Write a record as a sheet, and return the files that it shows."""
    book, files = Book(record), Files()
    words, state = book.words, record.state
    language, region = language_of(record.language or words.language)
    sheet = Sheet(
        language=language,
        region=region,
        paper=paper,
        title=record.flow.title_in(record.language) or record.flow.flow_id,
        site=record.site,
        status=words.statuses[state.shown_status.value],
        tone="good" if state.status.value == "completed" else "care",
        facts=tuple(_facts(book)),
        notice=_notice(book),
        steps=step_parts(book),
        documents=document_parts(book, files),
        signatures=signature_parts(book, files),
        evidence=evidence_parts(book),
        earlier=earlier_answers(book),
        session=state.session,
        chain=record.head.chain,
        at=int(record.exported_at.timestamp()),
        words={name: getattr(words, name) for name in _ON_PAPER},
    )
    return sheet, files


def language_of(tag: str) -> tuple[str, str | None]:
    """Return language and region of a tag; English if the tag is invalid."""
    found = _LANGUAGE.fullmatch(tag)
    if found is None:
        return "en", None
    return found[1].lower(), found[2].lower() if found[2] else None


def _facts(book: Book) -> list[Fact]:
    record, words = book.record, book.words
    state, flow = record.state, record.flow
    version = words.form_version.format(version=flow.version) if flow.version else None
    facts = {
        words.label: state.label,
        words.session: state.session,
        words.opened: moment(state.opened_at, words),
        words.ended: moment(state.updated_at, words),
        words.spoken: record.language and language_text(record.language),
        words.form: ", ".join(one for one in (flow.flow_id, version) if one),
    }
    found = [Fact(label, (value,)) for label, value in facts.items() if value]
    return [*found, *_identified(book)]


def _identified(book: Book) -> list[Fact]:
    """Return who the patient is, if staff said so, and who did."""
    known, words = book.record.state.identified, book.words
    if known is None:
        return []
    name = " ".join((*known.given, known.family or "")).strip()
    born = known.birth_date and words.born.format(date=date_text(known.birth_date, words))
    parts = (name, born, known.gender and words.genders[known.gender])
    name_of_staff = book.record.staff_name(known.person, known.staff_name)
    who = person_on(book, name_of_staff, known.device)
    stated = words.identified_by.format(name=who, at=moment(known.at, words))
    return [Fact(words.identified, (", ".join(one for one in parts if one), stated))]


def _notice(book: Book) -> str | None:
    """Return why the record is not that of a complete session, or of a patient."""
    said = [book.words.test] if book.record.state.test else []
    if book.record.state.status.value != "completed":
        said.append(book.words.not_submitted)
    faults = len({fault.field_id for fault in book.session.assessment.faults})
    if faults:
        said.append(book.words.gaps.format(n=faults))
    return " ".join(said) or None
