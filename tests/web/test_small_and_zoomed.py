"""The patient's page where there is little room, and with the person's own colours."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web import example
from tests.web.conftest import TABLET, Screens
from tests.web.test_behaviour import SIGNING
from tests.web.test_ready_and_help import Staff, staff

__all__ = ["staff"]

_TINY = {"width": 320, "height": 256}
"""1280 by 1024 at 400 % (WCAG 2.2, 1.4.10)."""


def no_sideways(page: Page) -> None:
    """See that nothing is wider than the screen."""
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_nothing_scrolls_sideways_at_400_percent(screens: Screens, staff: Staff) -> None:
    """On each step of our form that can be reached without documents."""
    patient = screens.patient(staff.code, _TINY)
    no_sideways(patient.page)
    example.about_you(patient)
    no_sideways(patient.page)
    staff.sees(lambda view: not view.missing)
    staff.client.navigate(staff.session, "contact").result(10)
    patient.title("How we reach you")
    no_sideways(patient.page)
    staff.client.pause(staff.session).result(10)
    patient.title("We have paused")
    no_sideways(patient.page)


def test_the_bar_gives_way_on_a_short_screen(screens: Screens, staff: Staff) -> None:
    """At 320 by 256 it scrolls away; on a tablet it stays."""
    page = screens.patient(staff.code, _TINY).page
    assert _bar_after_scrolling(page)["bottom"] <= 0
    page.set_viewport_size(TABLET)  # type: ignore[arg-type]
    assert _bar_after_scrolling(page)["top"] == 0


def test_on_an_upright_kiosk_the_bar_is_one_row(screens: Screens) -> None:
    """The call for help is where it is expected, at the end of the row."""
    kiosk, desk = screens.kiosk("Tablet 1"), screens.desk()
    kiosk.page.set_viewport_size({"width": 768, "height": 1024})
    desk.open("quick", kiosk="Tablet 1")
    kiosk.title("You")
    longest = "word => { word.textContent = 'lighthouse · fountain' }"
    kiosk.page.locator(".check-words strong").first.evaluate(longest)
    words = kiosk.page.locator(".check-words").bounding_box()
    button = kiosk.page.locator(".bar .help").bounding_box()
    assert words is not None
    assert button is not None
    assert button["y"] < words["y"] + words["height"]


def _bar_after_scrolling(page: Page) -> Any:
    return page.evaluate(
        """() => {
          scrollTo({ top: 900, behavior: "instant" });
          return document.querySelector(".bar").getBoundingClientRect().toJSON();
        }"""
    )


@pytest.mark.parametrize("size", [(1180, 820), (820, 1180), (390, 844)])
def test_pad_and_button_are_in_sight(screens: Screens, size: tuple[int, int]) -> None:
    """Without scrolling, whatever the length of the text; the step stays named."""
    screens.clinic.admin.add_flow(_long(SIGNING))
    client = screens.clinic.staff()
    opened = client.open_session("signing")
    viewport = {"width": size[0], "height": size[1]}
    patient = screens.patient(opened.code or "", viewport)
    client.wait_for(opened.session, lambda view: view.status == "active")
    client.request_signature(opened.session, "sign").result(10)
    patient.title("Please sign")
    page = patient.page
    expect(page.locator(".pad canvas")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Sign", exact=True)).to_be_in_viewport(ratio=1)
    expect(page.locator(".step-count")).to_have_text("Step 1 of 1")
    expect(page.get_by_role("button", name="Ask for help")).to_be_visible()
    text = page.locator(".reading-text")
    assert text.evaluate("box => box.scrollHeight - box.clientHeight") <= 1, "the text in full"
    no_sideways(page)


def _long(form: dict[str, Any]) -> dict[str, Any]:
    step = form["item"][0]
    sign = {**step["item"][1], "text": "I agree to all of this. " * 200}
    return {**form, "item": [{**step, "item": [step["item"][0], sign]}]}


_SPACED = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
  word-spacing: 0.16em !important; } p { margin-bottom: 2em !important; }"""
"""WCAG 2.2, 1.4.12."""

_STYLED = """css => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets.push(sheet);
}"""
_CUT_OFF = """() => [...document.querySelectorAll("button, label, legend, h1, h2, p, a, strong")]
  .filter(one => one.getClientRects().length && !one.closest(".visually-hidden, .unseen"))
  .filter(one => getComputedStyle(one).overflowX !== "visible")
  .filter(one => one.scrollWidth > one.clientWidth + 1)
  .map(one => one.textContent.slice(0, 60))"""


@pytest.mark.parametrize("width", [320, 820])
def test_text_can_be_spaced(screens: Screens, staff: Staff, width: int) -> None:
    """Nothing is cut off and nothing scrolls sideways where the patient spaces the text."""
    page = screens.patient(staff.code, {"width": width, "height": 900}).page
    page.evaluate(_STYLED, _SPACED)
    no_sideways(page)
    assert page.evaluate(_CUT_OFF) == []


_HIDDEN_FOCUS = """() => {
  const one = document.activeElement, { top, bottom } = one.getBoundingClientRect();
  const bar = document.querySelector(".bar").getBoundingClientRect();
  const under = !one.closest(".bar") && bottom <= bar.bottom;
  return under || top >= innerHeight ? one.outerHTML.slice(0, 120) : null;
}"""


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_the_focus_is_not_covered_by_the_bar(screens: Screens, staff: Staff, key: str) -> None:
    """Wherever the keyboard goes, forwards or backwards, the field is in sight."""
    page = screens.patient(staff.code, {"width": 820, "height": 500}).page
    page.emulate_media(reduced_motion="reduce")
    been = set()
    for _ in range(30):
        page.keyboard.press(key)
        assert page.evaluate(_HIDDEN_FOCUS) is None
        been.add(page.evaluate("document.activeElement.outerHTML"))
    for end in (".help", ".done button"):
        assert page.locator(end).first.evaluate("one => one.outerHTML") in been


def test_a_kiosk_has_large_text_and_larger(screens: Screens) -> None:
    """20 px, and 25 px where the patient wants it; a phone of their own has 17 px."""
    page = screens.kiosk().page
    size = "() => getComputedStyle(document.documentElement).fontSize"
    assert page.evaluate(size) == "20px"
    page.get_by_role("button", name="Larger text").click()
    assert page.evaluate(size) == "25px"
    phone = screens.page(screens.context(TABLET))
    phone.goto(f"{screens.url}/patient")
    phone.get_by_label("Enter the code").wait_for()
    assert phone.evaluate(size) == "17px"


def test_no_lost_connection_is_said_at_load(screens: Screens) -> None:
    """A kiosk that is loaded does not say for a moment that it cannot connect."""
    page = screens.kiosk().page
    page.add_init_script(
        """new MutationObserver(() => {
          if (document.body?.textContent.includes("can't connect")) window.__cried = true;
        }).observe(document, { subtree: true, childList: true, characterData: true });"""
    )
    page.reload()
    page.get_by_role("heading", name="This screen is ready").wait_for()
    page.wait_for_function("() => document.title.startsWith('This screen is ready')")
    assert page.evaluate("window.__cried") is None


def test_forced_colours_keep_what_is_pressed_and_how_far(screens: Screens, staff: Staff) -> None:
    """The pressed button and the progress have the system's highlight."""
    page = screens.patient(staff.code, forced_colors="active").page
    pressed = page.locator('.language-buttons [aria-pressed="true"]')
    other = page.locator('.language-buttons [aria-pressed="false"]')
    colour = "one => getComputedStyle(one).backgroundColor"
    assert pressed.evaluate(colour) != other.evaluate(colour)
    bar, done = page.locator(".bar-progress"), page.locator(".bar-progress span")
    assert bar.evaluate(colour) != done.evaluate(colour)
