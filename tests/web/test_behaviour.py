"""What the pages promise beside a session that goes well."""

import re
from typing import Any

import pytest

from schemas.flow import load_flow, parse_json
from tests.conftest import QUESTIONNAIRES
from tests.web import example
from tests.web.conftest import TABLET, Screens

_HOSTILE = "<script>window.hit=1</script><img src=x onerror=window.hit=1>"


def test_unplugged_and_back(screens: Screens) -> None:
    """What is entered while unplugged is kept, and sent once the box is back, in order."""
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Patient pre-registration"), url=cable.url)
    patient.fill("first-name", "Ma")
    desk.page.wait_for_function(_shows("first-name", "Ma"))
    cable.pull()
    patient.page.get_by_text("Reconnecting. Your answers are kept.").wait_for()
    patient.fill("first-name", "María")
    patient.fill("last-name", "González")
    patient.choose("sex", "Female")
    patient.page.get_by_text("still to be sent").wait_for()
    desk.page.get_by_text("The patient's screen is away.").wait_for()
    cable.plug()
    desk.page.wait_for_function(_shows("first-name", "María"))
    desk.page.wait_for_function(_shows("last-name", "González"))
    patient.page.get_by_text("Reconnecting").wait_for(state="detached")
    assert patient.field("first-name").locator("input").input_value() == "María"


def test_a_reload_while_unplugged_loses_nothing(screens: Screens) -> None:
    """A page that is loaded anew goes on where it was, with what was not sent yet."""
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Patient pre-registration"), url=cable.url)
    cable.pull()
    patient.page.get_by_text("Reconnecting").wait_for()
    patient.fill("first-name", "María")
    patient.page.get_by_text("1 still to be sent").wait_for()
    cable.plug()
    patient.page.reload()
    desk.page.wait_for_function(_shows("first-name", "María"))
    patient.title("About you")


def _shows(field_id: str, value: str) -> str:
    where = f'.mirror [data-field="{field_id}"] :is(input, textarea)'
    return f"() => document.querySelector('{where}')?.value === {value!r}"


def test_signing_locks_the_page(screens: Screens) -> None:
    """While a signature is asked for, neither Escape nor Back nor Tab leads out of it."""
    screens.clinic.admin.add_flow(_SIGNING)
    desk, patient = screens.pair("Signing")
    desk.press("Ask to sign")
    patient.title("Please sign")
    assert patient.page.locator('[data-field="remark"]').count() == 0
    patient.page.keyboard.press("Escape")
    patient.page.keyboard.press("Escape")
    patient.page.go_back()
    patient.title("Please sign")
    assert patient.page.get_by_role("button", name="Ask for help").count() == 0
    desk.press("Cancel signing")
    patient.field("remark").wait_for()
    desk.press("Ask to sign")
    patient.title("Please sign")
    patient.page.get_by_role("button", name="I do not want to sign").click()
    patient.page.get_by_label("Why?").fill("I want to ask my daughter first.")
    patient.page.get_by_role("button", name="Do not sign", exact=True).click()
    patient.page.get_by_text("You chose not to sign.").wait_for()
    desk.page.locator(".actions").get_by_text("Declined").wait_for()


_SIGNING: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "signing",
    "title": "Signing",
    "status": "active",
    "item": [
        {
            "linkId": "step",
            "type": "group",
            "text": "Sign",
            "item": [
                {"linkId": "remark", "type": "string", "text": "Remark"},
                {
                    "linkId": "sign",
                    "type": "display",
                    "text": "I agree.",
                    "extension": [
                        {
                            "url": "http://hl7.org/fhir/StructureDefinition/"
                            "questionnaire-signatureRequired",
                            "valueCodeableConcept": {
                                "coding": [{"code": "1.2.840.10065.1.12.1.1"}]
                            },
                        }
                    ],
                },
            ],
        }
    ],
}


def test_another_staff_screen_takes_over(screens: Screens) -> None:
    """Who observes is told why nothing can be done; taking over swaps the two."""
    first, patient = screens.pair()
    second = screens.desk(name="Second desk")
    second.page.locator(".card").first.click()
    second.page.locator(".room").wait_for()
    second.page.get_by_text("Another screen leads this session.").first.wait_for()
    second.page.get_by_role("button", name="Take over").click()
    first.page.get_by_role("button", name="Take over").wait_for()
    example.about_you(patient)
    second.next("How we reach you")
    patient.title("How we reach you")
    first.page.locator(".mirror h2", has_text="How we reach you").first.wait_for()


def test_two_languages(screens: Screens) -> None:
    """The patient chooses Spanish: the form's words and the page's change, errors too."""
    desk, patient = screens.pair()
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    patient.title("Sobre usted")
    assert patient.page.locator("html").get_attribute("lang") == "es"
    patient.page.get_by_role("button", name="Pedir ayuda").wait_for()
    patient.fill("social-security-number", "12")
    patient.page.get_by_text("No tiene la forma que se pide").wait_for()
    desk.page.locator(".mirror-bar select").select_option(label="Español")
    desk.page.locator(".mirror h2", has_text="Sobre usted").wait_for()


def test_right_to_left(screens: Screens) -> None:
    """A flow in Arabic turns the page around."""
    flow = {
        "resourceType": "Questionnaire",
        "id": "arabic",
        "title": "Arabic",
        "status": "active",
        "language": "ar",
        "item": [
            {"linkId": "name", "type": "string", "text": "الاسم"},
            {"linkId": "x", "type": "display", "text": "en", "_text": _translated("en", "Hello")},
        ],
    }
    screens.clinic.admin.add_flow(flow)
    _, patient = screens.pair("Arabic")
    patient.page.locator(".language-buttons").get_by_role("button", name="العربية").click()
    assert patient.page.locator("html").get_attribute("dir") == "rtl"


def _translated(language: str, text: str) -> dict[str, Any]:
    return {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/translation",
                "extension": [
                    {"url": "lang", "valueCode": language},
                    {"url": "content", "valueString": text},
                ],
            }
        ]
    }


def test_the_idle_cover(screens: Screens) -> None:
    """After two minutes without touch the answers are hidden, and come back at a touch."""
    desk = screens.desk()
    code = desk.open("Patient pre-registration")
    context = screens.context(TABLET)
    page = screens.page(context)
    page.clock.install()
    page.goto(f"{screens.url}/patient#code={code}")
    page.locator(".session").wait_for()
    page.locator('[data-field="first-name"] input').fill("María")
    page.clock.fast_forward(121_000)
    page.get_by_role("heading", name="Are you still there?").wait_for()
    assert not page.locator('[data-field="first-name"] input').is_visible()
    page.get_by_role("button", name="Go on").click()
    assert page.locator('[data-field="first-name"] input').input_value() == "María"


def test_a_kiosk_waits_again_after_a_session(screens: Screens) -> None:
    """An enrolled tablet shows the thank-you, then waits, and holds nothing but its credential."""
    kiosk = screens.kiosk("Tablet 1")
    desk = screens.desk()
    desk.open("quick", kiosk="Tablet 1")
    kiosk.title("You")
    kiosk.fill("name", "María")
    desk.next("End")
    kiosk.title("End")
    desk.press("Finish")
    kiosk.title("Thank you!")
    kiosk.page.get_by_role("button", name="Start again").click()
    kiosk.title("This screen is ready")
    assert kiosk.page.evaluate("Object.keys(localStorage)") == ["handrail.patient.credential"]
    assert kiosk.page.evaluate("Object.keys(sessionStorage)") == []
    assert "María" not in kiosk.page.content()


def test_the_patients_side_moves_to_another_screen(screens: Screens) -> None:
    """The old screen shows nothing more; the new one goes on with all answers."""
    desk, patient = screens.pair()
    patient.fill("first-name", "María")
    desk.page.wait_for_function(_shows("first-name", "María"))
    desk.press("Change the tablet")
    desk.page.get_by_role("button", name="Show a new code").click()
    code = desk.page.locator(".big-code").inner_text()
    other = screens.patient(code)
    assert other.field("first-name").locator("input").input_value() == "María"
    patient.page.locator(".calm").wait_for()
    assert "María" not in patient.page.content()


def test_hostile_words_are_only_words(screens: Screens) -> None:
    """A flow and values full of markup, and of a thousand letters, are shown as text."""
    long = "W" * 1_000
    flow = {
        "resourceType": "Questionnaire",
        "id": "hostile",
        "title": f"Hostile {_HOSTILE}",
        "status": "active",
        "item": [
            {
                "linkId": "g.<b> [x]",
                "type": "group",
                "text": _HOSTILE,
                "item": [
                    {"linkId": 'a"b', "type": "string", "text": f"Name {_HOSTILE}"},
                    {"linkId": "t", "type": "text", "text": long, "prefix": "\u202eabc"},
                    {
                        "linkId": "c",
                        "type": "choice",
                        "text": "Pick",
                        "answerOption": [{"valueString": _HOSTILE}, {"valueString": long[:200]}],
                    },
                ],
            }
        ],
    }
    screens.clinic.admin.add_flow(flow)
    desk, patient = screens.pair(f"Hostile {_HOSTILE}")
    patient.page.locator(".field input[type=text]").first.fill(_HOSTILE)
    patient.page.locator("textarea").fill(_HOSTILE + "\u202e" + long)
    patient.page.locator("input[type=radio]").first.check()
    desk.page.wait_for_function(
        "text => document.querySelector('.mirror textarea')?.value.startsWith(text)", arg=_HOSTILE
    )
    for page in (desk.page, patient.page):
        assert page.evaluate("window.hit") is None
        assert page.locator(".step img, .step script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_policy_forbids_all_but_this_box(screens: Screens) -> None:
    """No inline script, no other address; pages are never kept, assets for ever."""
    page = screens.page(screens.context(TABLET))
    answer = page.goto(f"{screens.url}/patient")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    script = re.search(r'src="(/assets/[^"]+\.js)"', answer.text())
    assert script is not None
    asset = page.request.get(screens.url + script[1])
    assert "immutable" in asset.headers["cache-control"]
    assert page.request.get(f"{screens.url}/assets/..%2f..%2fpages.py").status == 404
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hit = 1';"
        " document.body.append(s); }"
    )
    assert page.evaluate("window.hit") is None
    screens.faults.clear()  # the refusal of that script


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_real_form_from_start_to_end(screens: Screens, picture: Any) -> None:
    """The real form of 161 items can be filled in and submitted in the pages."""
    path = QUESTIONNAIRES / "ottehr-intake-paperwork.json"
    if not path.is_file():
        pytest.skip("shared/questionnaires is not here")
    source = parse_json(path.read_bytes())
    flow = load_flow(source)
    screens.clinic.admin.add_flow(source)
    desk, patient = screens.pair(flow.title)
    session = desk.page.url.rpartition("=")[2]
    for number, step in enumerate(flow.steps):
        patient.page.get_by_text(f"Step {number + 1} of {len(flow.steps)}").first.wait_for()
        _fill_until_complete(screens, patient, session, picture)
        if number + 1 < len(flow.steps):
            desk.page.wait_for_function(_NEXT_IS_FREE)
            desk.press("Next")
        del step
    desk.page.wait_for_function(_NEXT_IS_FREE)
    desk.press("Finish")
    patient.title("Thank you!")


_NEXT_IS_FREE = (
    "() => document.querySelector('.actions .pair .primary')"
    " && !document.querySelector('.actions .pair .primary').hasAttribute('aria-disabled')"
)


def _fill_until_complete(screens: Screens, patient: Any, session: str, picture: Any) -> None:
    from tests.web.filling import fill_missing  # noqa: PLC0415

    fill_missing(screens, patient, session, picture)
