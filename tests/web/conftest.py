"""Both pages in a real browser, on a real box. Skipped, with the reason, where there is none."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from clients.web.pages import BUILT
from schemas.base import Role
from tests.clients.conftest import Clinic, clinic_at
from tests.conftest import ROOT, RunningBox
from tests.machine import find
from tests.web.proxy import Cable, cable_to

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
)
TABLET = {"width": 820, "height": 1180}
DESKTOP = {"width": 1366, "height": 900}
PATIENCE_MS = 10_000
_UNPLUGGED = re.compile(
    r"net::ERR|WebSocket connection to|Firefox can.t establish a connection|The connection to ws"
)
"""What a browser says of a box that cannot be reached; the page says it in its own words."""

WATCH = """selector => {
  window.__seen = null;
  const look = () => { if (window.__seen === null && document.querySelector(selector)) {
    window.__seen = performance.timeOrigin + performance.now(); } };
  new MutationObserver(look).observe(document.body,
    { subtree: true, childList: true, attributes: true });
  look();
}"""
"""Sets `window.__seen` to when an element is first there, in ms since 1970."""

PAGES_MISSING = "the pages are not built: ./run pages"


def missing(what: str) -> None:
    """Skip; but on CI, where everything is installed, a test that does not run is a failure."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def pages_are_built() -> bool:
    """Return whether the pages are built."""
    return (BUILT / "patient.html").is_file()


def chromium() -> str | None:
    """Return the Chromium of this machine, or None."""
    return next(filter(None, map(find, _BROWSERS)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium.

    Of one module: while Playwright runs, no other event loop can run in this thread.
    """
    program = chromium()
    if program is None:
        missing("no Chromium on this machine; on Debian: apt-get install chromium")
    if not pages_are_built():
        missing(PAGES_MISSING)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield opened
        opened.close()


@dataclass
class Screens:
    """Makes pages on a box, and keeps what went wrong in any of them."""

    clinic: Clinic
    browser: Browser
    stack: ExitStack
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The box's own address."""
        return self.clinic.box.http

    def context(self, size: dict[str, int], **options: Any) -> BrowserContext:
        """Open a browser that knows nothing yet."""
        made = self.browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
        made.set_default_timeout(PATIENCE_MS)
        self.stack.callback(made.close)
        return made

    def page(self, context: BrowserContext) -> Page:
        """Open a page, and listen for what it complains of and asks for."""
        page = context.new_page()
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("console", lambda said: self._note(said.text) if said.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        return page

    def _note(self, fault: str) -> None:
        if not _UNPLUGGED.search(fault):
            self.faults.append(fault)

    def cable(self) -> Cable:
        """Return a proxy to the box that can be cut."""
        return cable_to(self.url, self.stack)

    def desk(
        self, size: dict[str, int] = DESKTOP, name: str = "Desk", url: str | None = None
    ) -> "Desk":
        """Enrol a staff's screen by its code."""
        enrolled = self.clinic.admin.enrol_device(name, Role.FACILITY, by="code")
        page = self.page(self.context(size))
        page.goto(f"{url or self.url}/facility")
        page.get_by_label("Enter the code").fill(enrolled.code or "")
        page.get_by_role("button", name="Enrol this screen").click()
        page.get_by_role("heading", name="Check-ins").wait_for()
        return Desk(page, enrolled.device)

    def kiosk(self, name: str = "Tablet 1", url: str | None = None) -> "Patient":
        """Enrol a patient's tablet by its code."""
        enrolled = self.clinic.admin.enrol_device(name, Role.PATIENT, by="code")
        page = self.page(self.context(TABLET))
        page.goto(f"{url or self.url}/patient")
        page.get_by_label("Enter the code").fill(enrolled.code or "")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("heading", name="This screen is ready").wait_for()
        return Patient(page)

    def patient(
        self, code: str, size: dict[str, int] = TABLET, url: str | None = None, **options: Any
    ) -> "Patient":
        """Bring a guest in by the link of the QR code."""
        page = self.page(self.context(size, **options))
        page.goto(f"{url or self.url}/patient#code={code}")
        page.locator(".session").wait_for()
        return Patient(page)

    def pair(
        self, flow: str = "Patient pre-registration", **options: Any
    ) -> "tuple[Desk, Patient]":
        """Open a session, and bring a patient in."""
        desk = self.desk()
        code = desk.open(flow)
        patient = self.patient(code, **options)
        desk.page.locator(".code-panel").wait_for(state="detached")
        return desk, patient


@dataclass
class Desk:
    """A staff's page."""

    page: Page
    device: str

    def open(self, flow: str, label: str = "Maria G., 10:30", kiosk: str | None = None) -> str:
        """Open a session; gives its code, empty where a kiosk was named."""
        page = self.page
        page.get_by_role("button", name="New check-in").click()
        page.get_by_label("Form").select_option(label=flow)
        page.get_by_label("Label").fill(label)
        if kiosk:
            page.get_by_label(kiosk).check()
        page.get_by_role("button", name="Start").click()
        page.locator(".room").wait_for()
        return "" if kiosk else page.locator(".big-code").inner_text()

    def press(self, name: str) -> None:
        """Press one of the actions, once it may be pressed."""
        button = self.page.locator(".actions").get_by_role("button", name=name, exact=False)
        button.and_(self.page.locator(":not([data-settling])")).first.click()

    def next(self, title: str) -> None:
        """Go to the next step, and see that it is shown."""
        buttons = self.page.locator(".actions button:not([aria-disabled], [data-settling])")
        buttons.filter(has_text="Next").first.click()
        self.page.locator(".mirror h2", has_text=title).first.wait_for()

    def cancel(self, reason: str) -> None:
        """Cancel the session."""
        self.press("Cancel the check-in")
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Why?").fill(reason)
        dialog.get_by_role("button", name="Cancel the check-in").click()

    def point(self, field_id: str) -> None:
        """Click a field of the mirror."""
        self.page.locator(f'.mirror [data-field="{field_id}"] > .point').click()


@dataclass
class Patient:
    """A patient's page."""

    page: Page

    def field(self, field_id: str) -> Any:
        """Find a field by its id."""
        return self.page.locator(f'[data-field="{field_id}"]')

    def fill(self, field_id: str, text: str) -> None:
        """Type into a field."""
        self.field(field_id).locator("input, textarea").first.fill(text)

    def date(self, field_id: str, date: str) -> None:
        """Type the parts of a date into a field."""
        type_date(self.field(field_id), date)

    def choose(self, field_id: str, label: str) -> None:
        """Pick an answer."""
        self.field(field_id).get_by_label(label, exact=True).first.check()

    def title(self, text: str) -> None:
        """Wait for a step, or another screen, by its heading."""
        self.page.get_by_role("heading", level=1, name=text).wait_for()

    def says(self, words: str | re.Pattern[str]) -> Any:
        """Find what can be read; not what a screen reader is told of it as well."""
        return self.page.get_by_text(words).and_(self.page.locator(":not(#announcer)"))

    def read(self, field_id: str) -> None:
        """Scroll a text to its end."""
        box = self.field(field_id).locator(".reading-text")
        box.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        self.field(field_id).get_by_text("Read to the end").wait_for()

    def photograph(self, field_id: str, picture: Any) -> None:
        """Attach a picture, and wait until the box has it."""
        self.field(field_id).locator("input[type=file]").first.set_input_files(picture)
        self.page.get_by_role("button", name="Use this picture").click()
        self.field(field_id).get_by_text("Received. Thank you.").wait_for()

    def draw(self) -> None:
        """Draw a signature with the mouse."""
        pad = self.page.locator(".pad canvas")
        pad.scroll_into_view_if_needed()
        area = pad.bounding_box()
        assert area is not None
        x, y, mouse = area["x"] + 60, area["y"] + 120, self.page.mouse
        for offset in (0, 140):
            mouse.move(x + offset, y)
            mouse.down()
            for n in range(1, 25):
                mouse.move(x + offset + 5 * n, y - 50 * (n % 3) + 2 * n)
            mouse.up()


def type_date(field: Any, date: str) -> None:
    """Type the parts of a date, written as FHIR has it, into their boxes; none empties its box."""
    for part, text in zip(("year", "month", "day"), (*date.split("-"), "", ""), strict=False):
        field.locator(f'[data-part="{part}"]').fill(text)


@pytest.fixture
def screens(box: RunningBox, browser: Browser) -> Iterator[Screens]:
    """Yield a clinic with the example flow; at the end, no page has reported an error."""
    with clinic_at(box) as clinic, ExitStack() as stack:
        made = Screens(clinic, browser, stack)
        yield made
    assert made.faults == []


@pytest.fixture(scope="module")
def picture(browser: Browser) -> dict[str, Any]:
    """Return a large photograph of many colors, which needs several chunks."""
    page = browser.new_page()
    encoded: str = page.evaluate(PICTURE)
    page.close()
    return {"name": "card.jpg", "mimeType": "image/jpeg", "buffer": bytes.fromhex(encoded)}


PICTURE = """async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2400, 1500];
  const c = canvas.getContext("2d");
  c.fillStyle = "#dfe9f2"; c.fillRect(0, 0, 2400, 1500);
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let n = 0; n < 24000; n++) {
    c.fillStyle = `hsl(${random() * 360} 40% ${70 + random() * 20}%)`;
    c.fillRect(random() * 2400, random() * 1500, 14, 14);
  }
  c.fillStyle = "#12324a"; c.font = "bold 110px sans-serif";
  c.fillText("IDENTITY CARD", 140, 240);
  c.font = "80px sans-serif";
  c.fillText("González, María", 140, 460);
  c.fillText("1980-02-03", 140, 600);
  c.strokeStyle = "#12324a"; c.lineWidth = 16; c.strokeRect(60, 60, 2280, 1380);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
}"""

Fill = Callable[[Patient], None]
__all__ = ["DESKTOP", "ROOT", "TABLET", "Desk", "Patient", "Screens"]
