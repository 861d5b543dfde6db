"""What the pages promise beside a session that goes well."""

import re
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from schemas.questionnaire.load import load_flow, parse_json
from session_controller.settings import Settings
from tests.clients.conftest import clinic_at
from tests.flow.filling import form_path, here
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
    words = "Connection lost. You can go on: your answers are sent when we reconnect."
    patient.page.locator(".banner", has_text=words).wait_for()
    patient.fill("first-name", "María")
    patient.fill("last-name", "González")
    patient.choose("sex", "Female")
    patient.says("waiting to be sent").wait_for()
    desk.page.get_by_text("The patient's screen is away.").wait_for()
    cable.plug()
    desk.page.wait_for_function(_shows("first-name", "María"))
    desk.page.wait_for_function(_shows("last-name", "González"))
    patient.page.locator(".banner", has_text="Connection lost").wait_for(state="detached")
    assert patient.field("first-name").locator("input").input_value() == "María"


def test_what_is_typed_while_the_staff_go_back_is_taken(screens: Screens) -> None:
    """Four answers while the cable is out, a step back meanwhile: all are in the record."""
    screens.clinic.admin.add_flow(LATE)
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Late"), url=cable.url)
    patient.choose("more", "No")
    desk.next("Second")
    patient.title("Second")
    cable.pull()
    patient.page.locator(".banner", has_text="Connection lost").wait_for()
    for n in range(4):
        patient.fill(f"answer-{n}", f"typed {n}")
    patient.says("waiting to be sent").wait_for()
    desk.press("Back")
    cable.plug()
    patient.title("First")
    patient.page.locator(".banner", has_text="Connection lost").wait_for(state="detached")
    desk.next("Second")
    for n in range(4):
        desk.page.wait_for_function(_shows(f"answer-{n}", f"typed {n}"))
    patient.title("Second")
    assert patient.field("answer-3").locator("input").input_value() == "typed 3"


def test_what_is_not_taken_stays_with_the_patient_and_is_shown_to_the_staff(
    screens: Screens,
) -> None:
    """An answer to a question that went away meanwhile: in the patient's own words, until read."""
    screens.clinic.admin.add_flow(LATE)
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Late"), url=cable.url)
    patient.choose("more", "Yes")
    patient.field("detail").wait_for()
    patient.fill("detail", "before")
    desk.page.wait_for_function(_shows("detail", "before"))
    cable.pull()
    patient.page.locator(".banner", has_text="Connection lost").wait_for()
    patient.choose("more", "No")
    patient.fill("detail", "my own words")
    cable.plug()
    kept = patient.page.locator(".not-taken")
    kept.get_by_text("my own words").wait_for()
    assert "Detail: this question does not apply now." in kept.inner_text()
    desk.page.locator(".not-taken").get_by_text("Detail").first.wait_for()
    assert "my own words" not in desk.page.locator("body").inner_text()
    kept.get_by_role("button", name="I have read this").click()
    kept.wait_for(state="detached")


def test_what_a_pause_kept_from_being_taken_is_sent_again(screens: Screens) -> None:
    """Nobody has to type it again, and nobody is told of a refusal that healed."""
    screens.clinic.admin.add_flow(LATE)
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Late"), url=cable.url)
    cable.pull()
    patient.page.locator(".banner", has_text="Connection lost").wait_for()
    patient.fill("name", "Ada")
    desk.press("Pause")
    desk.page.locator(".seen").get_by_text("Paused").wait_for()
    cable.plug()
    desk.page.locator(".not-taken").get_by_text("Name").first.wait_for()
    desk.press("Resume")
    desk.page.wait_for_function(_shows("name", "Ada"))
    desk.page.locator(".not-taken").wait_for(state="detached")
    assert patient.page.locator(".not-taken").count() == 0


def test_what_the_end_of_a_session_leaves_is_said(screens: Screens) -> None:
    """Nobody reads 'received' of what was typed too late: the patient is told how many answers."""
    screens.clinic.admin.add_flow(LATE)
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Late"), url=cable.url)
    patient.fill("name", "Ada")
    desk.page.wait_for_function(_shows("name", "Ada"))
    cable.pull()
    patient.page.locator(".banner", has_text="Connection lost").wait_for()
    patient.fill("name", "Augusta")
    patient.choose("more", "No")
    desk.page.get_by_text("The patient's screen is away.").wait_for()
    desk.cancel("called away")
    desk.page.get_by_text("The check-in was cancelled.").wait_for()
    desk.page.get_by_text("The patient's screen was away when this session ended.").wait_for()
    cable.plug()
    patient.says("2 of your answers did not reach us in time.").wait_for()


def test_a_kiosk_hands_in_what_it_holds_of_a_session_that_ended(screens: Screens) -> None:
    """All of it is refused, and so the staff see which answers are not in the record."""
    screens.clinic.admin.add_flow(LATE)
    cable = screens.cable()
    kiosk, desk = screens.kiosk("Tablet 1", url=cable.url), screens.desk()
    desk.open("Late", kiosk="Tablet 1")
    kiosk.title("First")
    cable.pull()
    kiosk.page.locator(".banner", has_text="Connection lost").wait_for()
    kiosk.fill("name", "Ada")
    kiosk.choose("more", "Yes")
    desk.cancel("called away")
    desk.page.get_by_text("The check-in was cancelled.").wait_for()
    cable.plug()
    kiosk.says("2 of your answers did not reach us in time.").wait_for()
    late = desk.page.locator(".not-taken")
    late.get_by_text("Name").wait_for()
    late.get_by_text("More?").wait_for()
    assert "The session has ended." in late.inner_text()
    assert "Ada" not in late.inner_text()


def _question(link_id: str, text: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"linkId": link_id, "text": text, "type": kind, **more}


LATE: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "late",
    "title": "Late",
    "status": "active",
    "item": [
        _question(
            "first",
            "First",
            "group",
            item=[
                _question("name", "Name"),
                _question("more", "More?", "boolean", required=True),
                _question(
                    "detail",
                    "Detail",
                    enableWhen=[{"question": "more", "operator": "=", "answerBoolean": True}],
                ),
            ],
        ),
        _question(
            "second",
            "Second",
            "group",
            item=[_question(f"answer-{n}", f"Answer {n}") for n in range(4)],
        ),
    ],
}


def test_a_reload_while_unplugged_loses_nothing(screens: Screens) -> None:
    """A page that is loaded anew goes on where it was, with what was not sent yet."""
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Patient pre-registration"), url=cable.url)
    cable.pull()
    patient.page.locator(".banner", has_text="Connection lost").wait_for()
    patient.fill("first-name", "María")
    patient.says("1 answer waiting to be sent").wait_for()
    cable.plug()
    patient.page.reload()
    desk.page.wait_for_function(_shows("first-name", "María"))
    patient.title("About you")


def _shows(field_id: str, value: str) -> str:
    where = f'.mirror [data-field="{field_id}"] :is(input, textarea)'
    return f"() => document.querySelector('{where}')?.value === {value!r}"


def test_signing_locks_the_page(screens: Screens) -> None:
    """While a signature is asked for, neither Escape nor Back nor Tab leads out of it."""
    screens.clinic.admin.add_flow(SIGNING)
    desk, patient = screens.pair("Signing")
    desk.press("Ask to sign")
    patient.title("Please sign")
    assert patient.page.locator('[data-field="remark"]').count() == 0
    patient.page.keyboard.press("Escape")
    patient.page.keyboard.press("Escape")
    patient.page.go_back()
    patient.title("Please sign")
    patient.page.get_by_role("button", name="Ask for help").click()
    desk.page.get_by_text("The patient asks for help.").wait_for()
    desk.press("Cancel signing")
    patient.field("remark").wait_for()
    desk.press("Ask to sign")
    patient.title("Please sign")
    patient.page.get_by_role("button", name="I don't want to sign").click()
    patient.page.get_by_label("Why not?").fill("I want to ask my daughter first.")
    patient.page.get_by_role("button", name="Do not sign", exact=True).click()
    patient.page.locator(".signature-state", has_text="You chose not to sign.").wait_for()
    desk.page.locator(".actions .chip.declined").wait_for()
    expect(desk.page.locator(".missing")).to_contain_text("The patient declined to sign.")


SIGNING: dict[str, Any] = {
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
    second.page.locator(".row > a").first.click()
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
    patient.field("social-security-number").locator("input").blur()
    error = patient.field("social-security-number").locator(".error")
    error.get_by_text("No tiene el formato esperado").wait_for()
    desk.page.locator(".mirror-bar select").select_option(label="Español")
    desk.page.locator(".mirror h2", has_text="Sobre usted").wait_for()


def test_a_new_try_takes_the_refusal_of_a_code_away(screens: Screens) -> None:
    """What is typed now is not wrong yet."""
    page = screens.page(screens.context(TABLET))
    page.goto(f"{screens.url}/patient")
    page.get_by_label("Enter the code").fill("BBBBBBBB")
    page.get_by_role("button", name="Continue").click()
    refusal = page.get_by_text("This code does not work")
    refusal.wait_for()
    page.get_by_label("Enter the code").fill("WD")
    expect(refusal).to_have_count(0)
    expect(page.get_by_label("Enter the code")).not_to_have_attribute("aria-invalid", "true")


def test_a_form_is_in_the_browsers_language_where_it_has_it(screens: Screens) -> None:
    """Without a choice: the questions, the page, and what the staff's mirror says."""
    desk = screens.desk()
    patient = screens.patient(desk.open("Patient pre-registration"), locale="es-MX")
    patient.title("Sobre usted")
    expect(patient.page.locator("html")).to_have_attribute("lang", "es")
    desk.page.locator(".mirror h2", has_text="Sobre usted").wait_for()


def test_a_form_in_another_language_than_the_page_is_marked(screens: Screens) -> None:
    """Until the patient chooses one: then both are in the same (WCAG 2.2, 3.1.2)."""
    desk = screens.desk()
    page = screens.patient(desk.open("Patient pre-registration"), locale="de-DE").page
    expect(page.locator("html")).to_have_attribute("lang", "de-DE")
    for part in (page.get_by_role("heading", level=1), page.locator("form")):
        expect(part).to_have_attribute("lang", "en")
    page.locator(".language-buttons").get_by_role("button", name="Español").click()
    expect(page.locator("html")).to_have_attribute("lang", "es")
    for part in (page.get_by_role("heading", level=1), page.locator("form")):
        expect(part).not_to_have_attribute("lang", "en")


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
    desk.page.locator(".seen").get_by_text("Nobody answers").wait_for()
    desk.page.locator(".banner").get_by_text("see whether the patient needs you").wait_for()
    page.get_by_role("button", name="Go on").click()
    assert page.locator('[data-field="first-name"] input').input_value() == "María"


def test_a_screen_at_which_nobody_answers_is_locked(
    start_box: Any, browser: Any, tmp_path: Any
) -> None:
    """No value stays on the page, not even hidden, until the staff show it again."""
    settings = Settings(screen_lock=timedelta(seconds=1))
    with (
        start_box(tmp_path / "data", settings=settings) as box,
        clinic_at(box) as clinic,
        ExitStack() as stack,
    ):
        screens = Screens(clinic, browser, stack)
        screens.clinic.admin.add_flow(LATE)
        desk = screens.desk()
        code = desk.open("Late")
        page = screens.page(screens.context(TABLET))
        page.clock.install()
        page.goto(f"{screens.url}/patient#code={code}")
        page.locator(".session").wait_for()
        page.locator('[data-field="name"] input').fill("Ada Lovelace")
        desk.page.wait_for_function(_shows("name", "Ada Lovelace"))
        page.clock.fast_forward(121_000)
        page.get_by_role("heading", name="This screen is locked").wait_for()
        assert page.locator("input").count() == 0
        assert "Ada" not in page.content()
        assert page.get_by_role("button", name="Go on").count() == 0
        desk.page.get_by_text("so it is locked and shows no values").wait_for()
        desk.press("Show again")
        page.locator('[data-field="name"] input').wait_for()
        assert page.locator('[data-field="name"] input').input_value() == "Ada Lovelace"
        assert screens.faults == []


def test_who_loads_an_idle_page_again_is_asked_again(screens: Screens) -> None:
    """The box was told that nobody is there, so nothing is shown until somebody answers."""
    desk = screens.desk()
    page = screens.page(screens.context(TABLET))
    page.clock.install()
    page.goto(f"{screens.url}/patient#code={desk.open('Patient pre-registration')}")
    page.locator(".session").wait_for()
    page.clock.fast_forward(121_000)
    desk.page.locator(".seen").get_by_text("Nobody answers").wait_for()
    page.reload()
    page.get_by_role("button", name="Go on").click()
    desk.page.locator(".seen").get_by_text("Nobody answers").wait_for(state="detached")


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
    kiosk.page.get_by_role("button", name="Back to the start").click()
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
    patient.title("Your check-in is no longer on this screen")
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
@pytest.mark.parametrize("name", here("paperwork", "ottehr-intake-paperwork"))
def test_a_long_form_from_start_to_end(screens: Screens, picture: Any, name: str) -> None:
    """An intake form of a hundred items and more can be filled in and submitted in the pages."""
    source = parse_json(form_path(name).read_bytes())
    flow = load_flow(source)
    screens.clinic.admin.add_flow(source)
    desk, patient = screens.pair(flow.title)
    session = desk.page.url.rpartition("=")[2]
    show = screens.clinic.admin.show_session
    following, total = 1, show(session).steps_total
    while following <= total:
        patient.says(f"Step {following} of {total}").first.wait_for()
        _fill_until_complete(screens, patient, session, picture)
        desk.page.wait_for_function(_NEXT_IS_FREE)
        view = show(session)
        following, total = view.step_index + 2, view.steps_total
        if following <= total:
            desk.press("Next")
    desk.page.wait_for_function(_NEXT_IS_FREE)
    desk.press("Finish")
    patient.title("Thank you!")


_NEXT_IS_FREE = (
    "() => document.querySelector('.next .primary')"
    " && !document.querySelector('.next .primary').hasAttribute('aria-disabled')"
)


def _fill_until_complete(screens: Screens, patient: Any, session: str, picture: Any) -> None:
    from tests.web.filling import fill_missing  # noqa: PLC0415

    fill_missing(screens, patient, session, picture)


def test_a_kiosk_is_shown_with_its_room_and_its_software(screens: Screens) -> None:
    """Beside its name where staff choose it; IT reads which version of the page it has."""
    screens.kiosk("Tablet 1")
    admin = screens.clinic.admin
    admin.change_device("tablet-1", room="Waiting room")
    desk = screens.desk()
    desk.page.get_by_role("button", name="New check-in").click()
    desk.page.get_by_label("Tablet 1, Waiting room").wait_for()
    lines = {line.device: line for line in admin.list_devices().devices}
    assert (lines["tablet-1"].software or "").startswith("handrail-web/")
    assert lines["tablet-1"].address == "127.0.0.1"
