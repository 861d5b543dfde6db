"""Forms of others on both pages, every step of each, as far as the eye of a program goes.

A form is walked twice: with its own conditions, and with all questions on. What is required is
optional meanwhile, so that staff can go on without answers. Axe looks at the first step of each.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from clients.sdk.admin import AdminClient
from schemas.questionnaire.load import FlowError, load_flow
from tests.clients.conftest import clinic_at
from tests.conftest import starting_box
from tests.flow.filling import FORMS, OURS, REAL
from tests.web.conftest import Desk, Screens
from tests.web.test_screens import RULES

_SHARED = (REAL.parent / "forms", REAL)
_SIZES = ({"width": 320, "height": 640}, {"width": 1280, "height": 900})
_CONDITIONS = ("enableWhen", "enableBehavior")

_FAULTS = r"""([selector, linkIds, own]) => {
  const faults = [], part = document.querySelector(selector);
  const text = part.innerText;
  const at = ({ index }) => text.slice(Math.max(0, index - 30), index + 40);
  const shown = [...part.querySelectorAll("*")].filter(one => one.getClientRects().length > 0);
  const body = part.querySelector(".step, .signing");
  if (!body || !body.innerText.trim()) faults.push("an empty step");
  for (const one of shown) {
    const texts = [...one.childNodes].filter(child => child.nodeType === Node.TEXT_NODE);
    const words = texts.map(child => child.data).join("").trim();
    if (linkIds.includes(words) && !own.includes(words)) faults.push(`a linkId: ${words}`);
  }
  const raw = [
    [/\*\*|__\w/, "bold"], [/^#{1,6} /m, "a heading"], [/\]\(/, "a link"], [/`/, "code"],
  ];
  for (const [marks, what] of raw) {
    const found = marks.exec(text);
    if (found) faults.push(`${what} in Markdown: ${at(found)}`);
  }
  const dots = /[^.\s]\.\.(?!\.)/.exec(text);
  if (dots) faults.push(`two full stops: ${at(dots)}`);
  return faults;
}"""
_TO_THE_END = """document.querySelectorAll(".reading-text")
  .forEach(box => box.scrollTo(0, box.scrollHeight))"""
_WIDER = "document.documentElement.scrollWidth - innerWidth"


def _usable() -> list[Path]:
    found = []
    for folder in (OURS, FORMS, *_SHARED):
        for path in sorted(folder.glob("*.json")):
            try:
                load_flow(path.read_bytes(), fallback_id=path.stem)
            except FlowError:
                continue
            found.append(path)
    return found


def _form(path: Path, *, with_conditions: bool) -> dict[str, Any]:
    """Return a form in which nothing is required; without its conditions, everything is on."""
    form: dict[str, Any] = json.loads(path.read_bytes())
    for item in _items(form):
        item.pop("required", None)
        if not with_conditions:
            for name in _CONDITIONS:
                item.pop(name, None)
            item["extension"] = [
                one for one in item.get("extension", ()) if "enableWhen" not in one.get("url", "")
            ]
            if not item["extension"]:
                del item["extension"]
    form["id"] = f"{path.stem}-{'asked' if with_conditions else 'all'}"
    form.pop("url", None)
    form["status"] = "active"  # a retired one is not offered
    form.pop("effectivePeriod", None)
    return form


def _items(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in of.get("item", ()):
        yield item
        yield from _items(item)


def _words(form: dict[str, Any]) -> list[str]:
    """Return all that a form says, which may be the name of one of its items too."""
    found: list[str] = []

    def gather(of: Any) -> None:
        if isinstance(of, dict):
            for name, value in of.items():
                if name not in {"linkId", "id", "question"}:
                    gather(value)
        elif isinstance(of, list):
            for one in of:
                gather(one)
        elif isinstance(of, str):
            found.append(of.strip())

    gather(form)
    return found


@dataclass
class Walk:
    """A desk and a kiosk, which do one form after the other."""

    admin: AdminClient
    desk: Desk
    kiosk: Page

    def through(self, form: dict[str, Any]) -> list[str]:
        """Go to each step of a form; return what is wrong on either page."""
        flow = self.admin.add_flow(form)
        self._open(flow.flow_id)
        try:
            return self._steps(flow.flow_id, form)
        finally:
            self.desk.cancel("done")
            self.kiosk.get_by_role("heading", name="This check-in has ended").wait_for()
            self.desk.page.get_by_role("button", name="All check-ins", exact=True).click()

    def _steps(self, flow_id: str, form: dict[str, Any]) -> list[str]:
        faults: list[str] = []
        steps = self.desk.page.locator(".steps button")
        said = [[item["linkId"] for item in _items(form)], _words(form)]
        total = steps.count()
        for n in range(total):
            at = f"{flow_id}, step {n + 1}"
            steps.nth(n).click()
            expect(self.kiosk.locator(".step-count")).to_have_text(f"Step {n + 1} of {total}")
            expect(self.desk.page.locator(".mirror .step-count")).to_contain_text(f"{n + 1} of")
            for page, part in ((self.desk.page, ".mirror"), (self.kiosk, ".session main")):
                faults += [f"{at}, {part}: {one}" for one in _seen(page, part, said)]
            if n == 0:
                faults += [f"{at}: {one}" for one in (*_axe(self.desk.page), *_axe(self.kiosk))]
            self._read()
            faults += [f"{at}, signing: {one}" for one in self._sign(said)]
        return faults

    def _read(self) -> None:
        """Scroll each text to its end: staff do not go past one that was not read."""
        self.kiosk.evaluate(_TO_THE_END)
        unread = self.desk.page.locator(".mirror .reading progress:not([value='100'])")
        expect(unread).to_have_count(0)

    def _open(self, flow_id: str) -> None:
        page = self.desk.page
        page.get_by_role("button", name="New check-in").click()
        page.get_by_label("Form").select_option(flow_id)
        page.get_by_label("Tablet 1").check()
        page.get_by_role("button", name="Start").click()
        page.locator(".mirror .step-head").wait_for()
        self.kiosk.locator(".session .step-head").wait_for()

    def _sign(self, said: list[list[str]]) -> list[str]:
        """Sign whatever is to be signed on this step."""
        faults: list[str] = []
        unsigned = self.kiosk.locator(".signature-state[data-status=none]")
        while count := unsigned.count():
            self.desk.press("Ask to sign")
            self.kiosk.locator(".signing").wait_for()
            faults += _seen(self.kiosk, ".session main", said)
            self.kiosk.get_by_label("Your full name").fill("Ana Roe")
            self.kiosk.get_by_role("button", name="Type your name instead").click()
            self.kiosk.get_by_role("button", name="Sign", exact=True).click()
            expect(unsigned).to_have_count(count - 1)
        return faults


def _seen(page: Page, part: str, said: list[list[str]]) -> list[str]:
    faults: list[str] = page.evaluate(_FAULTS, [part, *said])
    for size in _SIZES:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        wider = page.evaluate(_WIDER)
        if wider > 0:
            faults.append(f"{wider} px wider than {size['width']} px")
    return faults


def _axe(page: Page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found]


@pytest.fixture(scope="module")
def walk(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Yield both screens on one box; at the end, no page has reported an error."""
    data = tmp_path_factory.mktemp("forms") / "data"
    with starting_box(data) as box, clinic_at(box) as clinic, ExitStack() as stack:
        screens = Screens(clinic, browser, stack)
        desk, kiosk = screens.desk(), screens.kiosk()
        yield Walk(clinic.admin, desk, kiosk.page)
    assert screens.faults == []


@pytest.mark.parametrize("conditions", ["with its conditions", "with all questions on"])
@pytest.mark.parametrize("path", _usable(), ids=lambda path: path.stem)
def test_each_step_is_fit_to_be_seen(walk: Walk, path: Path, conditions: str) -> None:
    """No linkId, nothing empty, no raw Markdown, nothing that scrolls sideways, on either page."""
    form = _form(path, with_conditions=conditions == "with its conditions")
    assert walk.through(form) == []


def test_the_forms_of_others_are_here() -> None:
    """Where they are not, the forms of the project are walked alone."""
    if not all(folder.is_dir() for folder in _SHARED):
        pytest.skip("the forms of others are not here: ../shared/forms, ../shared/questionnaires")
