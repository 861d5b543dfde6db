"""What a screen reader is told on the patient's page, for a whole session, in each language.

The golden files in `transcripts` are for readers too: one line for each thing that is heard.
`HANDRAIL_TRANSCRIPTS=1 ./run test -n 0 tests/web/test_transcripts.py` writes them again.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from clients.sdk.facility import FacilityClient
from clients.sdk.pending import Pending
from schemas.questionnaire.load import parse_json
from schemas.wire.commands import CorrectionFault, DocumentFault
from schemas.wire.views import FacilityView
from tests.flow.filling import OURS
from tests.web.conftest import Patient, Screens
from tests.web.proxy import Cable
from tests.web.screen_reader import ScreenReader

_LANGUAGES = ("en", "es")
_LAST_NAME = '[data-field="last-name"] input'
_AGAIN = {
    "You can continue.",
    "Puede continuar.",
    "Photo of your new insurance card: Received. Thank you.",
    "Foto de su nueva tarjeta del seguro: Recibido. Gracias.",
}
"""What is heard more than once in a session, since its cause comes more than once."""
_GOLDEN = Path(__file__).parent / "transcripts"


@dataclass
class Visit:
    """A patient who uses the keyboard and listens, and staff without a page."""

    patient: Patient
    client: FacilityClient
    session: str
    reader: ScreenReader

    def find(self, css: str) -> Locator:
        """Find something on the patient's page."""
        return self.patient.page.locator(css)

    def sees(self, wanted: Callable[[FacilityView], Any]) -> None:
        """Wait until the box has it."""
        self.client.wait_for(self.session, wanted)

    def staff(self, what: str, command: Pending[FacilityView], shown: Locator) -> None:
        """Wait for a command of staff, and hear it once the patient's page shows it."""
        with self.reader.act(f"Staff {what}"):
            command.result(10)
            shown.first.wait_for()

    def go(self, what: str, css: str) -> None:
        """Go to a control."""
        with self.reader.act(f"The patient {what}"):
            self.find(css).first.focus()

    def press(self, what: str, css: str, shown: str | None = None, key: str = "Enter") -> None:
        """Go to a control, and press it."""
        with self.reader.act(f"The patient {what}"):
            self.find(css).first.focus()
            self.reader.hear()
            self.patient.page.keyboard.press(key)
            if shown is not None:
                self.find(shown).first.wait_for()

    def type(self, what: str, css: str, text: str, field_id: str | None = None) -> None:
        """Go to a text field, and type what takes its fault away, if it has one."""
        with self.reader.act(f"The patient {what}"):
            self.find(css).first.focus()
            self.reader.hear()
            self.patient.page.keyboard.press("ControlOrMeta+a")
            self.patient.page.keyboard.insert_text(text)
            self.find(css).and_(self.find(":not([aria-invalid='true'])")).first.wait_for()
            if field_id is not None:
                self.sees(lambda view: field_id in view.fields)


Begin = Callable[[Cable], Visit]


@pytest.fixture
def begin(screens: Screens) -> Begin:
    """Open a quick check-in, and have a patient come through a cable."""

    def begun(cable: Cable) -> Visit:
        screens.clinic.admin.add_flow(parse_json((OURS / "quick-check-in.json").read_bytes()))
        client = screens.clinic.staff()
        opened = client.open_session("quick-check-in")
        patient = screens.patient(opened.code or "", url=cable.url)
        expect(patient.page.get_by_role("heading", level=1)).to_be_focused()
        return Visit(patient, client, opened.session, ScreenReader(patient.page))

    return begun


@pytest.mark.parametrize("language", _LANGUAGES)
def test_a_session_is_heard_as_written(
    screens: Screens, begin: Begin, language: str, picture: Any
) -> None:
    """Each thing once, in words that stand for themselves: read the golden file."""
    cable = screens.cable()
    visit = begin(cable)
    if language == "es":
        _in_spanish(visit)
    _about_you(visit)
    _help(visit)
    _hidden(visit)
    _lost(visit, cable)
    _documents(visit, picture)
    _signing(visit)
    _end(visit)
    reader, path = visit.reader, _GOLDEN / f"{language}.txt"
    if os.environ.get("HANDRAIL_TRANSCRIPTS"):
        path.write_text(reader.transcript, encoding="utf-8")
    assert reader.transcript == path.read_text(encoding="utf-8")
    assert reader.repeated == []
    assert {said for said, times in reader.said.items() if times > 1} <= _AGAIN


def _in_spanish(visit: Visit) -> None:
    shown = '[data-field="last-name"] label:has-text("Apellidos")'
    visit.press("chooses Spanish", ".language-buttons [lang=es]", shown)


def _about_you(visit: Visit) -> None:
    client, session = visit.client, visit.session
    visit.press("is done before anything is answered", ".done button", ".left")
    visit.type("types the last name", _LAST_NAME, "Gonzales", "last-name")
    visit.type("types the day of the birth", _part("day"), "31")
    visit.type("types the month", _part("month"), "2")
    visit.type("types the year", _part("year"), "1980")
    visit.go("leaves the date, which does not exist", ".done button")
    visit.type("types another day", _part("day"), "3", "birth-date")
    visit.go("leaves the date", ".done button")
    visit.staff(
        "ask for a correction in ready-made words",
        client.request_correction(
            session,
            "last-name",
            "as on the card",
            message_code=CorrectionFault.NOT_AS_ON_CARD,
            language="en",
        ),
        visit.find('[data-field="last-name"] .error'),
    )
    visit.staff(
        "point to a field",
        client.highlight_field(session, "last-name"),
        visit.find("[data-highlight]"),
    )
    visit.type("types the last name again", _LAST_NAME, "González")
    visit.press("is done", ".done button", ".done .ready")


def _part(name: str) -> str:
    return f'[data-field="birth-date"] [data-part="{name}"]'


def _help(visit: Visit) -> None:
    client, session = visit.client, visit.session
    visit.press("calls for help", ".bar .help", '.banner[data-help="asked"]')
    visit.staff(
        "say that they come",
        client.send_help(session, "Ana Molina"),
        visit.find('.banner[data-help="coming"]'),
    )
    visit.staff(
        "have helped", client.answer_help(session), visit.find('.bar .help[data-help="none"]')
    )


def _hidden(visit: Visit) -> None:
    client, session, form = visit.client, visit.session, visit.find(".session")
    hidden = visit.find(".calm h1")
    visit.staff("cover the screen", client.cover_screen(session, covered=True), hidden)
    visit.staff("show it again", client.cover_screen(session, covered=False), form)
    visit.staff("pause", client.pause(session), hidden)
    visit.staff("go on", client.resume(session), form)


def _lost(visit: Visit, cable: Cable) -> None:
    with visit.reader.act("The network is lost"):
        cable.pull()
        visit.find(".banner.warn").wait_for()
    visit.type("types while there is none", _LAST_NAME, "González Ruiz")
    with visit.reader.act("The network is back"):
        cable.plug()
        visit.sees(lambda view: view.fields["last-name"].value == "González Ruiz")
        visit.find(".bar:not(:has(.banner))").wait_for()


def _documents(visit: Visit, picture: Any) -> None:
    client, session = visit.client, visit.session
    visit.staff(
        "open the next page",
        client.navigate(session, "changes"),
        visit.find('[data-field="anything-changed"]'),
    )
    yes = '[data-field="anything-changed"] input'
    visit.press("says that something has changed", yes, '[data-field="new-card"]', key="Space")
    visit.type(
        "types what has changed", '[data-field="what-changed"] textarea', "A", "what-changed"
    )
    _send(visit, picture, "")
    visit.staff(
        "send the document back",
        client.review_document(
            session, "new-card", accepted=False, reason_code=DocumentFault.GLARE
        ),
        visit.find('.document[data-status="rejected"]'),
    )
    _send(visit, picture, " again")
    visit.staff(
        "accept the document",
        client.review_document(session, "new-card", accepted=True),
        visit.find('.document[data-status="accepted"]'),
    )


def _send(visit: Visit, picture: Any, again: str) -> None:
    with visit.reader.act(f"The patient takes a photo{again}"):
        file = visit.find('[data-field="new-card"] input[type=file]').first
        file.focus()
        visit.reader.hear()
        file.set_input_files(picture)
        visit.find(".adjust .primary").wait_for()
    shown = '.document[data-status="received"]'
    visit.press("uses the picture", ".adjust .primary", shown)


def _signing(visit: Visit) -> None:
    client, session = visit.client, visit.session
    agreement = visit.find('[data-field="treatment-consent"]')
    visit.staff("open the consent", client.navigate(session, "agreement"), agreement)
    with visit.reader.act("The patient reads the consent to its end"):
        text = visit.find('[data-field="treatment-consent"] .reading-text')
        text.focus()
        visit.reader.hear()
        text.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        visit.sees(lambda view: view.reading.get("treatment-consent") == 1)
    signing = visit.find(".signing")
    visit.staff("ask to sign", client.request_signature(session, "signature"), signing)
    visit.staff("no longer ask", client.cancel_signature(session), agreement)
    visit.staff("ask again", client.request_signature(session, "signature"), signing)
    visit.press("signs nothing", ".sign-sheet .buttons .primary", ".signing .error")
    visit.type("types their name", "#sign-name", "Ana González")
    typed = ".sign-sheet .buttons .secondary"
    visit.press("wants to type the signature", typed, ".typed-name")
    visit.press("signs", ".sign-sheet .buttons .primary", '.signature-state[data-status="signed"]')


def _end(visit: Visit) -> None:
    calm = visit.find(".calm h1")
    visit.staff("finish the session", visit.client.complete(visit.session), calm)
