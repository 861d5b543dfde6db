"""The desk: a queue, one next action, a mirror that is true, and an end that is a beginning."""

import re
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from schemas.base import Role
from session_controller.settings import Settings
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox
from tests.web import example
from tests.web.conftest import TABLET, Desk, Patient, Screens
from tests.web.test_behaviour import SIGNING

PHONE = {"width": 390, "height": 844}


def _row(desk: Desk, text: str, part: str = "") -> Any:
    inside = f'[data-part="{part}"] ' if part else ""
    return desk.page.locator(f"{inside}.row", has_text=text)


def _downloads(desk: Desk) -> list[Any]:
    """Return what the page saves to the desk's disk from now on."""
    found: list[Any] = []

    def note(download: Any) -> None:
        found.append(download)

    desk.page.on("download", note)
    return found


def _queue(desk: Desk) -> None:
    desk.page.get_by_role("button", name="All check-ins", exact=True).click()
    desk.page.get_by_role("heading", name="Check-ins").wait_for()


# --- the queue -----------------------------------------------------------------------------------


def test_the_queue_says_who_needs_staff_why_and_where(screens: Screens) -> None:
    """Help comes first; then who fills in, who is awaited, and who was here today."""
    kiosk = screens.kiosk("Tablet 1")
    desk = screens.desk()
    desk.open("Patient pre-registration", "Maria G.", kiosk="Tablet 1")
    _queue(desk)
    _row(desk, "Maria G.", "filling").get_by_text("Tablet 1").wait_for()
    kiosk.page.get_by_role("button", name="Ask for help").click()
    _row(desk, "Maria G.", "needs").get_by_text("Asks for help").wait_for()
    desk.open("quick", "J. Smith")
    _queue(desk)
    _row(desk, "J. Smith", "waiting").get_by_text("By code").wait_for()
    _row(desk, "J. Smith").locator("a").click()
    desk.cancel("left")
    desk.page.get_by_text("The check-in was cancelled.").wait_for()
    _queue(desk)
    _row(desk, "J. Smith", "done").get_by_text("Cancelled").wait_for()
    desk.page.reload()
    _row(desk, "J. Smith", "done").get_by_text("Cancelled").wait_for()


def test_the_queue_works_by_keyboard(screens: Screens) -> None:
    """Search, from row to row, and open: without a pointer."""
    desk = screens.desk()
    for label in ("First", "Second", "José"):
        desk.open("quick", label)
        _queue(desk)
    page = desk.page
    _row(desk, "José").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("jose")
    _row(desk, "First").wait_for(state="detached")
    page.keyboard.press("Escape")
    _row(desk, "First").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert "Second" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.locator(".room").get_by_role("heading", name="Second").wait_for()


_CHANGED_ROWS = """() => {
  window.changed = new Set();
  new MutationObserver((found) => found.forEach((one) => {
    const element = one.target.nodeType === 1 ? one.target : one.target.parentElement;
    if (element.closest("time")) return;
    window.changed.add(element.closest(".row")?.dataset.session ?? element.className);
  })).observe(document.querySelector(".queue-parts"),
    { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def test_of_a_hundred_rows_only_the_changed_one_is_drawn_again(screens: Screens) -> None:
    """A patient types, and the other ninety-nine rows stand still."""
    staff = screens.clinic.staff(screens.clinic.enrol(Role.FACILITY))
    opened = [staff.open_session("quick", label=f"Patient {n:03}") for n in range(100)]
    desk = screens.desk()
    desk.page.wait_for_function("() => document.querySelectorAll('.row').length === 100")
    # Their forms come after the rows, and name their steps.
    desk.page.wait_for_function(
        "() => [...document.querySelectorAll('.row .what')]"
        ".every(one => /[a-z]/.test(one.textContent))"
    )
    desk.page.evaluate(_CHANGED_ROWS)
    other = screens.clinic.patient(screens.clinic.enrol(Role.PATIENT))
    other.join_by_code(opened[7].code or "")
    _row(desk, "Patient 007", "filling").wait_for()
    changed = desk.page.evaluate("[...window.changed]")
    sessions = [one for one in changed if one.startswith("s-")]
    assert set(sessions) <= {opened[7].session}


# --- one next action -----------------------------------------------------------------------------


def test_a_double_click_never_lands_on_another_action(screens: Screens) -> None:
    """Its second half finds the button that came instead, and that takes no click yet."""
    screens.clinic.admin.add_flow(SIGNING)
    desk, patient = screens.pair("Signing")
    desk.page.locator(".actions").get_by_role("button", name="Ask to sign").dblclick()
    patient.title("Please sign")
    cancel = desk.page.locator(".actions").get_by_role("button", name="Cancel signing")
    cancel.wait_for()
    assert desk.page.locator(".seen").get_by_text("Signing").count() == 1
    assert desk.page.locator(".seen").get_by_text("Covered").count() == 0
    cancel.dblclick()
    patient.field("remark").wait_for()
    desk.page.locator(".actions").get_by_role("button", name="Ask to sign").wait_for()


def test_two_presses_of_next_pass_one_step(screens: Screens) -> None:
    """By key as by pointer."""
    desk, patient = screens.pair("quick")
    patient.fill("name", "Ada")
    desk.page.wait_for_function(
        "() => !document.querySelector('.next .primary').hasAttribute('aria-disabled')"
    )
    desk.page.locator(".mirror").click(position={"x": 4, "y": 4})
    desk.page.keyboard.press("n")
    desk.page.keyboard.press("n")
    patient.title("End")
    desk.page.locator(".mirror h2", has_text="End").wait_for()
    assert desk.page.get_by_text("The check-in is complete").count() == 0


def test_what_is_missing_stands_beside_the_action_and_leads_to_the_field(
    screens: Screens,
) -> None:
    """A press on its name points the patient to it."""
    desk, patient = screens.pair()
    missing = desk.page.locator(".missing")
    missing.get_by_role("button", name="First name").click()
    patient.page.locator('[data-field="first-name"][data-highlight]').wait_for()
    example.about_you(patient)
    desk.page.get_by_text("Nothing is missing on this step.").wait_for()


def test_what_comes_first_is_said_instead_of_what_is_missing(screens: Screens) -> None:
    """The patient is not here yet; or another screen leads, and which one."""
    desk = screens.desk(name="Front desk")
    code = desk.open("Patient pre-registration")
    said = desk.page.locator(".missing.awaited")
    expect(said).to_contain_text("The patient is not here yet.")
    screens.patient(code)
    expect(desk.page.locator(".missing")).to_contain_text("5 things are missing on this step:")
    other = screens.desk(name="Desk 2")
    other.page.locator(".row > a").first.click()
    expect(other.page.locator(".missing.awaited")).to_contain_text(
        "Front desk leads this check-in. Take over"
    )


def test_why_something_is_missing_is_said_where_its_name_does_not_say_it(
    screens: Screens, picture: Any
) -> None:
    """A document that was sent back is there, and an answer that is not valid as well."""
    screens.clinic.admin.add_flow(CARD)
    desk, patient = screens.pair("A card")
    patient.photograph("card", picture)
    desk.press("Review")
    desk.page.get_by_role("button", name="Send back…").click()
    reason = desk.page.get_by_label("It is blurred.")
    expect(reason).to_be_in_viewport()
    reason.check()
    desk.page.get_by_role("button", name="Send back", exact=True).click()
    missing = desk.page.locator(".missing")
    expect(missing.get_by_role("listitem")).to_have_text(
        re.compile("Your card.*sent back", re.DOTALL)
    )
    desk.page.get_by_role("button", name="All check-ins", exact=True).click()
    second = screens.patient(desk.open("Patient pre-registration", "Second"))
    second.date("birth-date", "1980-02-31")
    second.page.locator("h1").click()
    birth_date = missing.get_by_role("listitem").filter(has_text="Date of birth")
    expect(birth_date).to_contain_text("not valid yet")


def test_a_code_that_expired_is_made_anew_where_it_was(
    start_box: StartBox, tmp_path: Path, browser: Any
) -> None:
    """Else staff would wait for a patient who cannot come in."""
    settings = Settings(code_lifetime=timedelta(seconds=15))
    with (
        start_box(tmp_path / "data", settings=settings) as box,
        clinic_at(box) as clinic,
        ExitStack() as stack,
    ):
        screens = Screens(clinic, browser, stack)
        desk = screens.desk()
        code = desk.open("quick")
        panel = desk.page.locator(".code-panel")
        expect(panel).to_contain_text("This code has expired.", timeout=30_000)
        panel.get_by_role("button", name="Show a new code").click()
        expect(desk.page.locator(".big-code")).not_to_have_text(code)
        assert screens.faults == []


def test_a_question_without_words_is_called_that(screens: Screens) -> None:
    """In the staff's language; its id says nothing to them."""
    flow = {**CARD, "id": "nameless", "title": "Nameless", "item": [_NAMELESS]}
    screens.clinic.admin.add_flow(flow)
    desk, _ = screens.pair("Nameless")
    missing = desk.page.locator(".missing")
    missing.get_by_role("button", name="Question without a name").click()
    expect(desk.page.locator(".selected-name")).to_have_text("Question without a name")
    assert desk.page.locator(".actions").get_by_text("inner-id").count() == 0


# --- the mirror ----------------------------------------------------------------------------------


def test_the_mirror_is_true(screens: Screens) -> None:
    """Language, covers and signing are what the patient has; several are shown together."""
    desk, patient = screens.pair()
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    desk.page.locator(".mirror h2", has_text="Sobre usted").wait_for()
    seen = desk.page.locator(".seen")
    seen.get_by_text("Español").wait_for()
    desk.press("Cover")
    seen.get_by_text("Covered").wait_for()
    desk.press("Pause")
    seen.get_by_text("Paused").wait_for()
    assert seen.get_by_text("Covered").count() == 1
    veil = desk.page.locator('[data-veil="covered"] .veil-title')
    assert veil.inner_text() == "Un momento, por favor"
    assert desk.page.locator("[data-veil]").count() == 2


def test_a_masked_value_is_seen_while_it_is_held(screens: Screens) -> None:
    """And no longer; nothing of it is on the page before and after."""
    desk, patient = screens.pair()
    patient.fill("social-security-number", "321-54-9876")
    desk.page.locator('.mirror [data-field="social-security-number"] .masked').wait_for()
    desk.point("social-security-number")
    desk.press("See the hidden value")
    page, shown = desk.page, desk.page.locator(".revealed-value")
    assert "9876" not in page.content()
    page.get_by_role("button", name="Hold to see").hover()
    page.mouse.down()
    shown.get_by_text("321-54-9876").wait_for()
    page.mouse.up()
    shown.get_by_text("••••••").wait_for()
    assert "9876" not in page.content()
    page.get_by_role("button", name="Hold to see").focus()
    page.keyboard.down("Space")
    shown.get_by_text("321-54-9876").wait_for()
    page.keyboard.up("Space")
    shown.get_by_text("••••••").wait_for()


def test_a_correction_is_ready_made_or_in_the_staffs_words(screens: Screens) -> None:
    """The first in the patient's language; the second marked with the staff's, and quoted."""
    desk, patient = screens.pair()
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    patient.fill("first-name", "M")
    desk.page.locator(".seen").get_by_text("Español").wait_for()
    desk.point("first-name")
    desk.press("Ask for a correction")
    send = desk.page.locator(".actions").get_by_role("button", name="Send to the patient")
    expect(send).to_be_in_viewport(ratio=1)
    assert desk.page.evaluate("scrollY") == 0
    desk.page.get_by_label("Please write it out in full.").check()
    desk.page.locator(".travels").get_by_text("Por favor, escríbalo completo.").wait_for()
    desk.press("Send to the patient")
    error = patient.field("first-name").locator(".error")
    error.get_by_text("Por favor, escríbalo completo.").wait_for()
    expect(desk.page.locator(".missing")).to_contain_text("to be corrected by the patient")
    desk.press("Ask for a correction")
    desk.page.get_by_label("What is to be corrected?").fill("Your whole name, please.")
    desk.press("Send to the patient")
    error.locator('q[lang="en"]').get_by_text("Your whole name, please.").wait_for()


# --- the end -------------------------------------------------------------------------------------


_SETTING_MS = 60_000
"""The first record that a box sets loads what sets it; a busy machine takes long for it."""


def _finish(desk: Desk, patient: Patient) -> None:
    patient.fill("name", "Ada")
    desk.next("End")
    desk.press("Finish")
    desk.page.get_by_text("The check-in is complete and submitted.").wait_for()


def test_completion_is_a_beginning(screens: Screens) -> None:
    """The record is viewed in the page and printed; the same tablet takes the next check-in."""
    kiosk, desk = screens.kiosk("Tablet 1"), screens.desk()
    desk.page.add_init_script("window.print = () => { window.printed = true; }")
    desk.page.reload()
    desk.open("quick", "Maria G.", kiosk="Tablet 1")
    kiosk.title("You")
    downloads = _downloads(desk)
    _finish(desk, kiosk)
    desk.page.get_by_text("No destination is set up for records").wait_for()
    desk.page.locator(".mirror-bar").get_by_text("The last page of the check-in").wait_for()
    _queue(desk)
    dot = _row(desk, "Maria G.", "done").locator(".dot").bounding_box()
    assert dot is not None
    assert dot["width"] == dot["height"]
    _row(desk, "Maria G.").locator("a").click()
    desk.press("View the record")
    desk.page.locator(".pdf-page[data-drawn]").first.wait_for(timeout=_SETTING_MS)
    assert "Ada" in desk.page.locator(".pdf-page figcaption").first.text_content()
    desk.page.get_by_role("button", name="Close").click()
    desk.press("Print")
    desk.page.wait_for_function("() => window.printed", timeout=_SETTING_MS)
    desk.press("New check-in on Tablet 1")
    dialog = desk.page.get_by_role("dialog")
    assert dialog.get_by_label("Tablet 1").is_checked()
    dialog.get_by_role("button", name="Start").click()
    kiosk.title("You")
    assert downloads == []


# --- documents -----------------------------------------------------------------------------------

CARD: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "card",
    "title": "A card",
    "status": "active",
    "item": [{"linkId": "card", "type": "attachment", "text": "Your card"}],
}

_NAMELESS = {"linkId": "inner-id", "type": "string", "required": True}


def small_pdf() -> bytes:
    """Return a PDF of one page with some words."""
    words = b"BT /F1 24 Tf 40 100 Td (Member 4711) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(words), words),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    text, places = b"%PDF-1.4\n", []
    for n, one in enumerate(objects, 1):
        places.append(len(text))
        text += b"%d 0 obj\n%b\nendobj\n" % (n, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(text)
    text += b"xref\n0 6\n0000000000 65535 f \n%btrailer\n<< /Size 6 /Root 1 0 R >>\n" % table
    return text + b"startxref\n%d\n%%%%EOF\n" % start


_DRAWN = (
    "() => [...document.querySelectorAll('.pdf-page canvas')].every(c => c.width {sign} c.height)"
)


def test_a_pdf_is_reviewed_in_the_page(screens: Screens) -> None:
    """Drawn, read, made larger and turned; nothing reaches the desk's disk."""
    screens.clinic.admin.add_flow(CARD)
    desk, patient = screens.pair("A card")
    downloads = _downloads(desk)
    chosen = {"name": "card.pdf", "mimeType": "application/pdf", "buffer": small_pdf()}
    patient.field("card").locator("input[type=file]").last.set_input_files(chosen)
    desk.press("Review: Your card")
    page = desk.page
    drawn = page.locator(".pdf-page[data-drawn]")
    drawn.wait_for()
    page.wait_for_function(
        "() => document.querySelector('.pdf-page figcaption').textContent.includes('Member 4711')"
    )
    page.wait_for_function(_DRAWN.format(sign=">"))
    page.get_by_role("button", name="Turn").click()
    page.wait_for_function(_DRAWN.format(sign="<"))
    wide = drawn.bounding_box()
    page.get_by_role("button", name="Larger").click()
    page.wait_for_function(
        "w => document.querySelector('.pdf-page').getBoundingClientRect().width > 1.3 * w",
        arg=wide["width"] if wide else 0,
    )
    page.get_by_role("dialog").get_by_role("button", name="Accept").click()
    patient.says("Accepted. Thank you.").wait_for()
    assert downloads == []


def test_a_document_is_sent_back_with_a_reason(screens: Screens, picture: Any) -> None:
    """Ready-made in the patient's language, with what the staff add; said before it is sent."""
    screens.clinic.admin.add_flow(CARD)
    desk, patient = screens.pair("A card")
    patient.photograph("card", picture)
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    desk.press("Review: Your card")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send back…").click()
    send = dialog.get_by_role("button", name="Send back", exact=True)
    assert send.get_attribute("aria-disabled") == "true"
    dialog.get_by_label("Light reflects on it.").check()
    dialog.locator("[data-canned]", has_text="Tiene un reflejo de luz.").wait_for()
    dialog.get_by_label("More, in your own words").fill("The number cannot be read.")
    send.click()
    state = patient.field("card").locator(".document-state")
    state.filter(has_text="Tiene un reflejo de luz.").wait_for()
    assert "The number cannot be read." in state.inner_text()


# --- sound, time line, languages, phone ----------------------------------------------------------

_HEARD = """() => {
  window.tones = [];
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...given) {
    window.tones.push(this.context.state);
    return start.apply(this, given);
  };
}"""


def test_a_call_for_help_is_heard(screens: Screens) -> None:
    """The tones are played by an audio context that runs."""
    desk = screens.desk()
    desk.page.evaluate(_HEARD)
    patient = screens.patient(desk.open("quick"))
    desk.page.locator('[data-sound="on"]').wait_for()
    patient.page.get_by_role("button", name="Ask for help").click()
    desk.page.wait_for_function("() => window.tones.length >= 4")
    assert set(desk.page.evaluate("window.tones")) == {"running"}


def test_a_sound_that_the_browser_keeps_back_is_said_and_played_with_the_first_touch(
    screens: Screens,
) -> None:
    """Nobody believes that it is on while it is not."""
    desk = screens.desk()
    desk.page.add_init_script(
        """const real = AudioContext.prototype;
        let held = true;
        Object.defineProperty(real, "state", { get: () => (held ? "suspended" : "running") });
        real.resume = function () {
          held = false;
          this.dispatchEvent(new Event("statechange"));
          return Promise.resolve();
        };"""
    )
    desk.page.reload()
    desk.page.locator('[data-sound="blocked"]').get_by_text("No sound yet").wait_for()
    desk.page.locator("h1").click()
    desk.page.locator('[data-sound="on"]').wait_for()


def test_the_time_line_is_told_in_sentences_by_step(screens: Screens) -> None:
    """Who did what; no focus, no name of an event, one line for a field that is typed into."""
    desk, patient = screens.pair("quick")
    shown = desk.page.locator('.mirror [data-field="name"] input')
    for text in ("A", "Ad", "Ada"):
        patient.fill("name", text)
        expect(shown).to_have_value(text)
    desk.next("End")
    desk.page.get_by_role("button", name="Time line").click()
    story = desk.page.locator(".story")
    story.get_by_text("This screen moved to “End”").wait_for()
    assert story.get_by_text("The patient answered: ").count() == 1
    assert "FieldFocused" not in story.inner_text()
    titles = [one.inner_text() for one in story.locator("h3").all()]
    assert titles == ["You", "End"]


def test_the_desk_speaks_spanish(screens: Screens) -> None:
    """Chosen once for this screen; the form's labels and the box's reasons come with it."""
    desk, _ = screens.pair()
    page = desk.page
    page.keyboard.press("?")
    page.get_by_label("Language of this screen").select_option("es")
    page.get_by_role("button", name="Cerrar").click()
    page.get_by_role("button", name="Todos los registros").wait_for()
    page.locator(".steps").get_by_text("Sobre usted").wait_for()
    page.locator(".missing").get_by_text("Faltan 5 cosas en este paso:").wait_for()
    page.locator(".aside").get_by_text("falta una respuesta").first.wait_for()
    assert page.locator("html").get_attribute("lang") == "es"
    page.reload()
    page.get_by_role("button", name="Todos los registros").click()
    page.get_by_role("button", name="Registro nuevo").click()
    forms = page.locator("#new-flow option").filter(has_text="Registro previo del paciente")
    forms.wait_for(state="attached")


def test_on_a_phone_the_actions_come_first(screens: Screens) -> None:
    """The form is below; nothing scrolls sideways."""
    desk, _ = screens.pair()
    page = desk.page
    for size in (PHONE, TABLET):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    action = page.locator(".next .primary").bounding_box()
    mirror = page.locator(".mirror").bounding_box()
    assert action is not None
    assert mirror is not None
    assert action["y"] + action["height"] < min(mirror["y"], PHONE["height"])


def test_on_a_phone_what_needs_staff_is_in_sight(screens: Screens) -> None:
    """A code to show, and a call for help: above the actions, wherever the queue was scrolled."""
    desk = screens.desk(size=PHONE)
    for n in range(9):
        desk.open("quick", f"Waiting {n}")
        _queue(desk)
    code = desk.open("Patient pre-registration", "Maria G.")
    expect(desk.page.locator(".big-code")).to_be_in_viewport(ratio=1)
    patient = screens.patient(code)
    _queue(desk)
    patient.page.get_by_role("button", name="Ask for help").click()
    _row(desk, "Maria G.", "needs").wait_for()
    desk.page.evaluate("scrollTo({ top: 400, behavior: 'instant' })")
    _row(desk, "Maria G.").locator("a").click()
    expect(desk.page.get_by_role("button", name="I'm coming")).to_be_in_viewport(ratio=1)
    expect(desk.page.get_by_role("heading", name="Maria G.")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_small_targets_are_large_enough(screens: Screens, scheme: Any) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels."""
    desk, _ = screens.pair()
    desk.page.emulate_media(color_scheme=scheme)
    small = desk.page.evaluate(
        """() => [...document.querySelectorAll(".desk :is(a, button, select, input)")]
          .filter((one) => !one.closest(".mirror") && one.checkVisibility())
          .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
          .filter(([, box]) => box.width > 0 && Math.min(box.width, box.height) < 24
            && !box.width < 2).map(([html]) => html)"""
    )
    assert [one for one in small if 'type="checkbox"' not in one] == []
