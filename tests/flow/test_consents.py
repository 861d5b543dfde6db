"""A consent has words, and all of them are in the form: else it is refused, with its place."""

import base64
from typing import Any

import pytest

from schemas.questionnaire.consents import unreadable
from schemas.questionnaire.load import FlowError, load_flow
from schemas.questionnaire.model import Flow
from session_controller.forms.answers import consent_document
from tests.flow.filling import flow_of, form_path, here

_CONSENT = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
_SIGNED = {"url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired"}
_NOTICE = "We keep your data private.\r\n\r\n1. Wer fragt, bekommt Auskunft: ä.\n"


def _consent(text: str | None, **more: Any) -> dict[str, Any]:
    written = {} if text is None else {"text": text}
    return {"linkId": "terms", "type": "display", "extension": [_CONSENT], **written, **more}


def _signature(text: str | None = None, **more: Any) -> dict[str, Any]:
    written = {} if text is None else {"text": text}
    return {"linkId": "sign", "type": "display", "extension": [_SIGNED], **written, **more}


def _spanish(text: str) -> dict[str, Any]:
    parts = [{"url": "lang", "valueCode": "es"}, {"url": "content", "valueString": text}]
    url = "http://hl7.org/fhir/StructureDefinition/translation"
    return {"_text": {"extension": [{"url": url, "extension": parts}]}}


def _rendered(text: str) -> dict[str, Any]:
    url = "http://hl7.org/fhir/StructureDefinition/rendering-markdown"
    return {"_text": {"extension": [{"url": url, "valueMarkdown": text}]}}


def _problems(*items: dict[str, Any], **elements: Any) -> list[str]:
    with pytest.raises(FlowError) as caught:
        flow_of(*items, **elements)
    return [str(one) for one in caught.value.problems]


def _contained(data: bytes, kind: str = "text/plain") -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"resourceType": "Binary", "id": "notice", "contentType": kind, "data": encoded}


CONTAINED: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "contained",
    "status": "active",
    "language": "en",
    "contained": [_contained(_NOTICE.encode(), "text/markdown; charset=utf-8")],
    "item": [
        _consent("I accept the [Notice](#notice).", **_spanish("Acepto el [aviso](#notice).")),
        _signature("I agree."),
        {"linkId": "ask", "type": "boolean", "text": "Have you read the [Notice](#notice)?"},
    ],
}


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_a_consent_without_words_is_refused(text: str | None) -> None:
    """Nobody can agree to nothing; the place is named."""
    (problem,) = _problems(_consent(text))
    assert problem.startswith('Questionnaire.item[0].text (linkId "terms"): is missing: a consent')


def test_a_signature_needs_words_of_its_own_or_of_a_consent_on_its_step() -> None:
    """A consent of another step, or a hidden one, is not what it is given for."""
    said = "is missing, and no consent of this step has text: nothing to sign"
    (problem,) = _problems(_signature())
    assert problem.endswith(said)
    group = {"linkId": "other", "type": "group", "item": [_consent("All of it.")]}
    (problem,) = _problems(group, {"linkId": "g", "type": "group", "item": [_signature()]})
    assert problem.endswith(said)
    assert flow_of(_consent("All of it."), _signature()).items["sign"].text == ""
    assert flow_of(_signature("I agree.")).items["sign"].text == "I agree."


@pytest.mark.parametrize(
    ("item", "target"),
    [
        (_consent("I accept the [Notice](/notice.pdf)."), "/notice.pdf"),
        (_consent("I accept the [Notice](notice.pdf 'x')."), None),
        (_consent('The [Notice](<notice.pdf> "ours") is here.'), "notice.pdf"),
        (_consent("See [this](https://example.org/terms)."), "https://example.org/terms"),
        (_consent("See https://example.org/a/terms.PDF."), "https://example.org/a/terms.PDF"),
        (_consent('See <a class="x" href="/terms">this</a>.'), "/terms"),
        (_consent("See [this](#missing)."), "#missing"),
        (_consent("Yes.", **_spanish("El [aviso](/aviso.pdf).")), "/aviso.pdf"),
        (_consent("Yes.", **_rendered("The [notice](/notice.pdf).")), "/notice.pdf"),
        (_signature("I accept the [Notice](/notice.pdf)."), "/notice.pdf"),
        (_consent("I accept the [Notice][1].\n\n[1]: /notice.pdf"), "/notice.pdf"),
        (_consent("As told.\n\n[1]: below"), None),
        (_consent("Call [us](tel:+15550100), or see https://example.org."), None),
    ],
)
def test_a_consent_to_a_document_that_is_elsewhere_is_refused(
    item: dict[str, Any], target: str | None
) -> None:
    """By a link in Markdown or HTML, or the address of a file; in any language."""
    if target is None:
        assert flow_of(item).items
        return
    (problem,) = _problems(item)
    place = f'Questionnaire.item[0].text (linkId "{item["linkId"]}")'
    assert problem.startswith(f'{place}: points to "{target}", which is not part of the form')
    assert 'put its text into "contained"' in problem


@pytest.mark.parametrize("text", [" ", "\u200b", " \u2060\ufeff\n", "…", "***"])
def test_what_nobody_can_read_is_no_text(text: str) -> None:
    """Invisible characters and marks alone are no words to agree to."""
    (problem,) = _problems(_consent(text), _signature("I agree."))
    assert "a consent needs the words" in problem


@pytest.mark.parametrize("kind", ["text/plain", "text/markdown; charset=utf-8"])
@pytest.mark.parametrize("how", ["Binary", "DocumentReference"])
def test_the_words_of_a_contained_document_are_signed(kind: str, how: str) -> None:
    """They follow the text that points to it, in each language; the signature binds them."""
    contained = _contained(_NOTICE.encode(), kind)
    if how == "DocumentReference":
        attachment = {"contentType": kind, "data": contained["data"]}
        contained = {"resourceType": how, "id": "notice", "content": [{"attachment": attachment}]}
    text = _consent("I accept the [Notice](#notice).", **_spanish("Acepto el [aviso](#notice)."))
    flow = flow_of(text, _signature("I agree."), contained=[contained])
    words = "We keep your data private.\n\n1. Wer fragt, bekommt Auskunft: ä."
    assert flow.items["terms"].text == f"I accept the Notice.\n\n{words}"
    assert flow.items["terms"].text_in("es") == f"Acepto el aviso.\n\n{words}"
    signed = f"I accept the Notice.\n\n{words}\n\nI agree."
    assert consent_document(flow, "sign", {}).decode() == signed
    again = load_flow(flow.canonical)
    assert (again.flow_ref, again.items["terms"].text) == (flow.flow_ref, flow.items["terms"].text)


@pytest.mark.parametrize(
    "contained",
    [_contained(b"%PDF-1.7", "application/pdf"), _contained(b" \n"), _contained(b"\xff\xfe")],
)
def test_a_contained_document_that_cannot_be_shown_is_refused(contained: dict[str, Any]) -> None:
    """A PDF, an empty one, or bytes that are no text."""
    problems = _problems(_consent("The [Notice](#notice)."), contained=[contained])
    assert any('points to "#notice"' in one for one in problems)


def test_what_was_accepted_before_stays_readable() -> None:
    """A session of an older form can still be read and exported."""
    form = {
        "resourceType": "Questionnaire",
        "id": "form",
        "status": "active",
        "item": [_consent("The [Notice](/notice.pdf).")],
    }
    assert load_flow(form, accepted=True).items["terms"].text == "The [Notice](/notice.pdf)."


@pytest.mark.parametrize("name", here("ottehr-intake-paperwork"))
def test_a_question_that_points_elsewhere_is_no_consent(name: str) -> None:
    """As a question it loads; a mapping that makes it a consent is refused when it is added."""
    flow: Flow = load_flow(form_path(name).read_bytes())
    (problem,) = unreadable(flow.items["hipaa-acknowledgement"])
    assert problem.startswith('points to "/hipaa_notice_template.pdf"')
