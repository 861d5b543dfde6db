"""The printed record: everything that the session holds, read out of the PDF."""

import io
import re
from dataclasses import replace
from datetime import timedelta

import pypdf
import pytest

from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import FieldKind
from schemas.wire.commands import DocumentFault
from schemas.wire.views import DocumentStatus, SessionStatus
from session_controller.engine.session import Session
from session_controller.engine.state import Document, Identification
from session_controller.export.printing import render
from session_controller.export.record import Record
from tests.flow.filling import flow_of, form_path, here, our_flow
from tests.printing import pictures
from tests.printing.making import BEGAN, document, filled_record, record_of, sha256


def pages_of(pdf: bytes) -> list[str]:
    """Read the text of each page, as a person would search in it."""
    return [_plain(page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def _plain(text: str) -> str:
    return " ".join(text.replace("\u200b", "").split())


def text_of(record: Record) -> str:
    """Print a record and read all of its text, past the feet of its pages."""
    return " ".join(_FOOT.sub("", page) for page in pages_of(render(record)))


_FOOT = re.compile(r"\S+ \S+ \S+ \d+ \w+ \d+ (Audit log|Registro) [0-9a-f]{16}$")


def holds(text: str, wanted: str) -> bool:
    """Return whether the text occurs, however its lines and pages are broken."""
    return "".join(wanted.split()) in "".join(text.split())


@pytest.fixture(scope="module")
def example() -> Record:
    """Return the record of the example, filled in."""
    return filled_record(our_flow("pre-registration"))


@pytest.fixture(scope="module")
def printed(example: Record) -> str:
    """Return its text."""
    return text_of(example)


def test_the_head_says_that_staff_identified_the_patient(example):
    """Who it is, who said so, on which device and when; in Spanish too."""
    stated = Identification(
        BEGAN, "desk-1", "Roe", ("Ana",), "1980-02-03", "female", staff_name="Sam Poe"
    )
    record = replace(example, state=example.state.but(identified=stated))
    printed = text_of(record)
    assert holds(printed, "Patient, as identified by staff Ana Roe, born 3 February 1980, female")
    assert holds(printed, "stated by Sam Poe, on Front desk (desk-1), 27 November 2026, 09:03 UTC")
    spanish = text_of(replace(record, language="es"))
    assert holds(spanish, "Ana Roe, nacimiento: 3 de febrero de 1980, femenino")


def test_the_head_says_what_and_whose_it_is(example, printed):
    """The first page names form, site, session, label, status, language and dates."""
    for wanted in (
        "Patient pre-registration",
        "Harbor Street Clinic",
        example.state.session,
        "Room 3",
        "Completed",
        "English (en)",
        "27 November 2026, 09:03 UTC",
        f"pre-registration, version {example.flow.version}",
    ):
        assert wanted in printed, wanted


def test_the_check_words_are_not_printed(printed):
    """Words that tell two screens apart are no part of a record."""
    assert "harbor lamp" not in printed


def answers_of(record: Record):
    """Yield each enabled text and choice, with its label."""
    for field_id in Session.of(record.flow, record.state).assessment.fields:
        item = record.flow.items[field_id.rpartition("].")[2]]
        value = record.state.answers.get(field_id)
        if isinstance(value, str) and item.type in {FieldKind.STRING, FieldKind.TEXT}:
            yield item.label, value
        elif isinstance(value, dict) and "display" in value:
            yield item.label, value["display"]


def test_every_answer_stands_beside_its_question(example, printed):
    """Each text and choice that is on is there, right after its label."""
    answers = list(answers_of(example))
    assert len(answers) > 15
    for label, value in answers:
        assert holds(printed, f"{label} {value}"), label


def test_what_is_off_is_not_printed():
    """A switched-off answer stays out."""
    flow = flow_of(
        {"linkId": "a", "type": "boolean", "text": "More?"},
        {
            "linkId": "b",
            "type": "string",
            "text": "Which",
            "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": True}],
        },
        {"linkId": "c", "type": "string", "text": "Concealed", "extension": [_HIDDEN]},
    )
    text = text_of(record_of(flow, {"a": False, "b": "switched off", "c": "not shown"}))
    assert "More? No" in text
    assert "switched off" not in text
    assert "not shown" not in text


_HIDDEN = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden",
    "valueBoolean": True,
}


@pytest.mark.parametrize(
    ("item", "value", "shown"),
    [
        ({"type": "boolean"}, True, "Yes"),
        ({"type": "boolean"}, False, "No"),
        ({"type": "integer"}, 3, "3"),
        ({"type": "decimal"}, 0.00001, "0.00001"),
        ({"type": "date"}, "1980-01-31", "31 January 1980"),
        ({"type": "date"}, "1980-01", "January 1980"),
        ({"type": "date"}, "1980", "1980"),
        ({"type": "dateTime"}, "2026-11-27T09:30:00+02:00", "27 November 2026, 09:30 (UTC+02:00)"),
        ({"type": "dateTime"}, "2026-11-27T09:30:15Z", "27 November 2026, 09:30:15 UTC"),
        ({"type": "time"}, "09:30:00", "09:30"),
        ({"type": "url"}, "https://example.org", "https://example.org"),
        ({"type": "quantity"}, {"value": 70.5, "unit": "kg"}, "70.5 kg"),
        ({"type": "reference"}, {"reference": "P/1", "display": "Dr. Who"}, "Dr. Who (P/1)"),
        ({"type": "choice"}, {"code": "x", "display": "The x"}, "The x"),
        (
            {"type": "choice", "answerOption": [{"valueCoding": {"code": "a", "display": "Ay"}}]},
            {"code": "a", "display": "another"},
            "Ay",
        ),
        ({"type": "text"}, "first line\nsecond line", "first line second line"),
        ({"type": "string", "repeats": True}, ["one", "two"], "one two"),
    ],
)
def test_each_kind_of_answer_is_shown_as_people_read_it(item, value, shown):
    """Booleans are words, dates have their month by name, choices their form's words."""
    flow = flow_of({"linkId": "q", "text": "The question"} | item)
    assert f"The question {shown}" in text_of(record_of(flow, {"q": value}))


def test_repeating_groups_are_numbered():
    """Each instance has its number; a group without any says so."""
    meds = {
        "linkId": "meds",
        "type": "group",
        "repeats": True,
        "text": "Medicines",
        "item": [{"linkId": "name", "type": "string", "text": "Name"}],
    }
    flow = flow_of({"linkId": "page", "type": "group", "text": "Health", "item": [meds]})
    record = record_of(flow, {"meds[0].name": "one", "meds[1].name": "two"})
    text = text_of(replace(record, state=record.state.but(instances={"meds": 2})))
    assert "Medicines · 1 Name one Medicines · 2 Name two" in text
    assert "Medicines None entered" in text_of(record_of(flow))


def test_gaps_and_faults_are_marked():
    """What is missing, invalid or still to be corrected is marked, and counted at the top."""
    flow = flow_of(
        {"linkId": "a", "type": "string", "text": "Name", "required": True},
        {"linkId": "b", "type": "date", "text": "Born"},
        {"linkId": "c", "type": "string", "text": "City"},
    )
    record = record_of(flow, {"b": "yesterday", "c": "Springfeld"})
    state = record.state.but(corrections={"c": "Please check"}, status=SessionStatus.CANCELLED)
    text = text_of(replace(record, state=state))
    assert "An answer is missing" in text
    assert "Born yesterday ▸ Breaks a rule of the form" in text
    assert "City Springfeld ▸ Still to be corrected: Please check" in text
    assert "3 of the questions are still open" in text
    assert "Cancelled" in text
    assert "ended without being submitted" in text


def test_consents_are_there_to_the_letter(example, printed):
    """The text that was bound is printed whole, with signer, time, meaning and hash."""
    (evidence,) = example.signatures
    assert holds(printed, evidence.text)
    for wanted in (
        evidence.printed_name,
        evidence.meaning,
        "27 November 2026, 09:15 UTC",
        "2026-11-27 09:15:26.563 UTC",
        "2026-11-27 09:14:12.345 UTC",
        "Dana Whitfield, on Front desk (desk-1)",
        "Kiosk 1 (kiosk-1)",
        "100 %; 96 seconds",
        "Revision of the session 83",
        evidence.document_sha256,
        evidence.flow_ref,
        evidence.chain,
        example.head.chain,
        "1841",
        "handrail 0.1.0",
    ):
        assert holds(printed, wanted), wanted


def test_a_text_that_was_only_read_is_printed_as_well(example, printed):
    """A consent text without a signature is printed with how far it was read."""
    assert holds(printed, example.flow.items["privacy-notice"].text)
    assert "Read to 100 %, without a signature" in printed


def test_declining_and_withdrawing_are_printed_with_their_reasons(example):
    """What was declined or withdrawn says why; a text that has stood already is not repeated."""
    (first,) = example.signatures
    declined = replace(first, outcome="declined", reason="I want to ask my son", strokes=())
    guardian = replace(first, relationship="Mother", printed_name="Rosa Delgado")
    withdrawn = replace(first, outcome="withdrawn", reason="Changed my mind")
    text = text_of(replace(example, signatures=(declined, guardian, withdrawn)))
    assert "Declined" in text
    assert "I want to ask my son" in text
    assert "Signs for the patient as Mother" in text
    assert "Rosa Delgado" in text
    assert "Withdrawn" in text
    assert "Changed my mind" in text
    assert text.count("Please read all of this before you sign.") == 1
    assert text.count("The text is exactly the same as that of signature 1.") == 2


def test_documents_are_shown_with_their_hashes():
    """Pictures and the pages of a PDF are shown; what cannot be is named by its hash."""
    flow = flow_of(
        *({"linkId": one, "type": "attachment", "text": one} for one in ("card", "letter", "odd"))
    )
    documents = (
        document("card", pictures.card("Cigna"), "image/png"),
        document("letter", pictures.letter(), "application/pdf", accepted=False),
        document("odd", b"\xff\xd8 no picture", "image/jpeg"),
    )
    pdf = render(replace(record_of(flow), documents=documents))
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert sum(len(page.images) for page in reader.pages) == 3
    text = " ".join(pages_of(pdf))
    for one in documents:
        assert holds(text, one.sha256)
        assert holds(text, one.original_sha256)
    assert text.count("Accepted by staff") == 2
    assert "Not reviewed" in text
    assert text.count("This file cannot be shown on paper") == 1


def test_a_document_that_was_sent_back_says_so():
    """Where a document is missing, the record says what became of it."""
    flow = flow_of({"linkId": "card", "type": "attachment", "text": "Card", "required": True})
    record = record_of(flow)
    gone = Document(
        "u", 9, sha256("x"), "image/png", 9, DocumentStatus.REJECTED, DocumentFault.GLARE
    )
    for reason, told in ((None, "light reflects on it"), ("dark", "light reflects on it; dark")):
        documents = {"card": replace(gone, reason=reason)}
        text = text_of(replace(record, state=record.state.but(documents=documents)))
        assert f"Not accepted by staff: {told}" in text


def test_each_page_bears_session_number_and_chain(example):
    """The foot of each page has the session's id, its number of all, and the chain's hash."""
    pages = pages_of(render(example))
    assert len(pages) > 3
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text
        assert f"Session {example.state.session}" in text
        assert example.head.chain[:16] in text


def test_a_spanish_session_has_a_spanish_record():
    """The record speaks the session's language, as far as form and program do."""
    record = filled_record(our_flow("pre-registration"), language="es-MX")
    (evidence,) = record.signatures
    record = replace(record, signatures=(replace(evidence, relationship="parent"),))
    text = text_of(record)
    assert "Firma por el paciente como Padre o madre" in text
    for wanted in ("Respuestas", "Documentos", "Firmado", "Apellidos", "27 de noviembre de 2026"):
        assert wanted in text, wanted
    assert holds(text, record.signatures[0].text)
    for english in ("Answers", "Signed", "Page 1", "Last name", "Completed"):
        assert english not in text, english


def test_an_unknown_language_is_answered_in_english():
    """Where the record has no words in a language, its own are English."""
    record = record_of(flow_of({"linkId": "a", "type": "string"}), language="no such language")
    assert "Answers" in text_of(record)
    assert "Answers" in text_of(replace(record, language=None))


def test_an_empty_session_is_a_record_too():
    """A session in which nothing happened prints without a gap."""
    flow = flow_of({"linkId": "a", "type": "display"})
    state = record_of(flow).state.but(label=None, status=SessionStatus.EXPIRED)
    text = text_of(replace(record_of(flow), state=state, devices=()))
    assert "Expired" in text
    assert "No documents were submitted." in text
    assert "This session has no consents." in text


@pytest.mark.parametrize("name", here("paperwork", "ottehr-intake-paperwork"))
def test_the_reference_form_is_printed_whole(name):
    """A long form prints with all its answers."""
    record = filled_record(load_flow(form_path(name).read_bytes(), fallback_id=name))
    text, answers = text_of(record), list(answers_of(record))
    assert len(answers) > 25
    for label, value in answers:
        assert holds(text, f"{label} {value}"), label


def test_the_moment_of_the_record_is_its_date():
    """The PDF bears no other date than that of the export."""
    flow = flow_of({"linkId": "a", "type": "string"})
    record = replace(record_of(flow), exported_at=BEGAN + timedelta(days=3))
    found = pypdf.PdfReader(io.BytesIO(render(record))).metadata
    assert found is not None
    assert found.creation_date == (BEGAN + timedelta(days=3)).replace(microsecond=0)


def test_strokes_are_drawn_as_lines(example):
    """A signature is a vector drawing: it adds no picture of pixels to the PDF."""
    reader = pypdf.PdfReader(io.BytesIO(render(replace(example, documents=()))))
    assert sum(len(page.images) for page in reader.pages) == 0
    assert example.signatures[0].strokes
