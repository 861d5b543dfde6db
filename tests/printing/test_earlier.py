"""The record's appendix of earlier answers."""

from dataclasses import replace
from datetime import timedelta

from schemas.questionnaire.load import load_flow
from session_controller.engine.field_history import FieldChange
from session_controller.export.printing.writing import write
from tests.printing.making import BEGAN, record_of
from tests.printing.test_record import text_of

FLOW = load_flow(
    {
        "resourceType": "Questionnaire",
        "id": "form",
        "status": "active",
        "item": [
            {"linkId": "name", "type": "string", "text": "Last name"},
            {"linkId": "tall", "type": "boolean", "text": "Tall?"},
            {"linkId": "card", "type": "attachment", "text": "Card"},
        ],
    }
)


def _change(field_id: str, before: object, after: object, minutes: int = 3) -> FieldChange:
    return FieldChange(
        field_id=field_id,
        link_id=field_id,
        revision=minutes,
        at=BEGAN + timedelta(minutes=minutes),
        device="kiosk-1",
        before=before,
        after=after,
        entered_at=BEGAN,
        entered_on="kiosk-1" if field_id == "name" else None,
    )


def test_the_record_prints_what_was_replaced_by_whom_and_when() -> None:
    """The question, its earlier answer, the screen and both times; a removed one is said so."""
    changes = (
        _change("name", "Roe", "Doe"),
        _change("tall", True, None, 4),
        _change("card", {"sha256": "ab" * 32}, {"sha256": "cd" * 32}, 5),
    )
    text = text_of(replace(record_of(FLOW, {"name": "Doe"}), history=changes))
    for words in (
        "Earlier answers",
        "Last name",
        "Roe",
        "Entered 27 November 2026, 09:03 UTC, Kiosk 1",
        "Replaced 27 November 2026, 09:06 UTC, Kiosk 1",
        "Removed 27 November 2026, 09:07 UTC, Kiosk 1",
        "the form itself",
    ):
        assert words in text, words
    sheet, _ = write(replace(record_of(FLOW), history=changes), "letter")
    assert [fact.values[0] for fact in sheet.earlier][:2] == ["Roe", "Yes"]
    assert "ab" * 32 in sheet.earlier[2].values[0]


def test_a_record_without_changes_has_no_such_part() -> None:
    """First entries, and what was still being typed, are no earlier answers."""
    typed = replace(_change("name", "Ro", "Roe"), at=BEGAN + timedelta(seconds=1))
    record = replace(record_of(FLOW), history=(_change("name", None, "Ro"), typed))
    assert write(record, "letter")[0].earlier == ()
    assert "Earlier answers" not in text_of(record)
