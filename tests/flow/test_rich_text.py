"""Formatted words of a form: plain everywhere, and safe to be shown."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import FlowError
from schemas.questionnaire.rich_text import SAFE, from_markdown, plain, safe

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_CONSENT = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}


def _form(**item: Any) -> dict[str, Any]:
    first = {"linkId": "a", "type": "boolean", **item}
    return {"resourceType": "Questionnaire", "status": "active", "id": "f", "item": [first]}


def _said(name: str, text: str) -> dict[str, Any]:
    return {"extension": [{"url": f"{_CORE}rendering-{name}", "valueString": text}]}


@pytest.mark.parametrize(
    ("xhtml", "words", "formatted"),
    [
        (
            "<div>On my <b>left</b> knee.</div>",
            "On my left knee.",
            "<p>On my <strong>left</strong> knee.</p>",
        ),
        ("<p>Just words</p>", "Just words", None),
        ("<ul><li>one</li><li>two</li></ul>", "• one\n• two", "<ul><li>one</li><li>two</li></ul>"),
        ("a<br/>b", "a\nb", "a<br/>b"),
        ("<script>x()</script><b onclick='y()'>z</b>", "z", "<strong>z</strong>"),
        ("<b>open <i>x</b> y", "open x y", "<strong>open <em>x</em></strong> y"),
        ("<p>1 &lt; 2 &amp; 3</p>", "1 < 2 & 3", None),
        ("<img src='x' alt='y'/>", "", None),
    ],
)
def test_xhtml_is_plain_words_and_a_few_elements(
    xhtml: str, words: str, formatted: str | None
) -> None:
    """Nothing else of it comes through."""
    assert (plain(xhtml), safe(xhtml)) == (words, formatted)


def test_markdown_is_read_as_commonmark() -> None:
    """HTML within it is text."""
    xhtml = from_markdown("Take **one** pill\n\n* a\n* b <script>")
    assert plain(xhtml) == "Take one pill\n• a\n• b <script>"
    assert "<strong>one</strong>" in (safe(xhtml) or "")


@given(st.text(alphabet="<>/bip =\"'&;a-!", max_size=60))
def test_only_named_elements_come_through(text: str) -> None:
    """Whatever is written: names from the list, and no attribute but a link's target."""
    for name, attributes in re.findall(r"</?([a-zA-Z0-9]+)([^>]*)>", safe(text) or ""):
        assert name in SAFE | {"a"}
        assert attributes in {"", "/"} or name == "a"


@pytest.mark.parametrize("name", ["xhtml", "markdown"])
def test_words_that_are_formatted_alone_are_filled_in(name: str) -> None:
    """The published form has them as text, so that every screen and export has."""
    flow = load_flow(_form(_text=_said(name, "Have you eaten?"), required=True))
    assert flow.items["a"].text == "Have you eaten?"
    assert json.loads(flow.canonical)["item"][0]["text"] == "Have you eaten?"
    assert [note.rule.code for note in flow.notes] == ["filled-in"]
    assert load_flow(flow.canonical).notes == ()


def test_a_consent_in_xhtml_is_signed_with_its_words() -> None:
    """Not an empty text."""
    said = _said("xhtml", "<div>I agree to surgery on my <b>left</b> knee.</div>")
    flow = load_flow(_form(type="display", _text=said, extension=[_CONSENT]))
    assert flow.items["a"].text == "I agree to surgery on my left knee."


def test_a_consent_whose_formatting_points_outside_is_refused() -> None:
    """Whether or not it has plain words too."""
    said = _said("xhtml", "<div>See <a href='https://clinic.example/n.pdf'>it</a>.</div>")
    for text in ({}, {"text": "See it."}):
        with pytest.raises(FlowError, match="points to"):
            load_flow(_form(type="display", _text=said, extension=[_CONSENT], **text))


def test_a_link_that_nobody_can_follow_is_shown_by_its_title_and_named() -> None:
    """The patient would be asked to accept what cannot be read: a danger."""
    flow = load_flow(_form(text="I accept the [Notice](/notice.pdf)."))
    assert flow.items["a"].text == "I accept the Notice."
    assert flow.items["a"].links == ("/notice.pdf",)
    assert [note.rule.code for note in flow.notes] == ["link-left-out"]
