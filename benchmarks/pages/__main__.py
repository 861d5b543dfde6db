"""Measures the pages in a headless Chromium: `./run bench --pages`.

How soon a click at the front desk shows on the patient's page, and how soon the pages can be used
on a slow device: Chromium's main threads run so many times slower than this machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.clients.conftest import clinic_at
from tests.conftest import starting_box
from tests.web.conftest import ARGUMENTS, TABLET, WATCH, Screens, chromium

CLICK = "click to highlight, ms"
FIRST = "patient's page, first load until the first field can be used, s"
AGAIN = "front desk, loaded again until the check-ins can be used, s"
GOALS: Mapping[str, float] = {CLICK: 50, FIRST: 5, AGAIN: 5}

_FORM = "Patient pre-registration"
_CLICK = """id => {
  const button = document.querySelector(`.mirror [data-field="${id}"] > .point`);
  const at = performance.timeOrigin + performance.now();
  button.click();
  return at;
}"""
_USABLE = """selector => {
  const look = () => {
    if (!document.querySelector(selector)) return requestAnimationFrame(look);
    // Drawn, and what was due is done: an input would be answered at once.
    requestAnimationFrame(() => setTimeout(() => (window.__usable = performance.now() / 1000)));
  };
  look();
}"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run bench --pages", description=__doc__)
    parser.add_argument("--clicks", type=int, default=40, metavar="N", help="default: 40")
    parser.add_argument("--loads", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--slower", type=int, default=6, metavar="TIMES", help="of the loads; default: 6"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser


def main() -> None:
    """Measure, and print the medians."""
    options = _parser().parse_args()
    with _screens() as screens:
        figures = {
            CLICK: list(_clicks(screens, options.clicks)),
            FIRST: [_first_load(screens, options.slower) for _ in range(options.loads)],
            AGAIN: list(_loads_again(screens, options.loads, options.slower)),
        }
    print(f"Loads: the processor {options.slower} times slower.\n\n{_table(figures)}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _clicks(screens: Screens, clicks: int) -> Iterator[float]:
    """Yield how many milliseconds a click takes to the changed page on the other screen."""
    desk, patient = screens.pair(_FORM)
    for n in range(clicks):
        field = ("first-name", "last-name")[n % 2]
        marked = f'[data-field="{field}"][data-highlight]'
        patient.page.evaluate(WATCH, marked)
        clicked: float = desk.page.evaluate(_CLICK, field)
        patient.page.wait_for_function("() => window.__seen !== null")
        yield patient.page.evaluate("window.__seen") - clicked
        desk.page.locator(f".mirror {marked}").wait_for()


def _first_load(screens: Screens, slower: int) -> float:
    """Return the seconds from the link to a form that can be filled in, with an empty cache."""
    code = screens.clinic.staff().open_session("pre-registration").code
    page = screens.page(screens.context(TABLET))
    _slow_down(page, slower)
    with _closed(page.context):
        return _usable(page, f"{screens.url}/patient#code={code}", ".session .step input")


def _loads_again(screens: Screens, loads: int, slower: int) -> Iterator[float]:
    """Yield the seconds until the queue is there, on a screen that is enrolled."""
    page = screens.desk(name="Slow desk").page
    _slow_down(page, slower)
    for _ in range(loads):
        yield _usable(page, f"{screens.url}/facility", ".queue .row")


def _usable(page: Page, url: str, selector: str) -> float:
    page.add_init_script(f"({_USABLE})({json.dumps(selector)})")
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_function("() => window.__usable !== undefined")
    seconds: float = page.evaluate("window.__usable")
    return seconds


def _slow_down(page: Page, slower: int) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})


@contextmanager
def _closed(context: BrowserContext) -> Iterator[None]:
    try:
        yield
    finally:
        context.close()


@contextmanager
def _screens() -> Iterator[Screens]:
    """Yield a box with our example flow, and a browser."""
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        stack.callback(browser.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="handrail-pages-"))
        box = stack.enter_context(starting_box(Path(folder) / "data"))
        clinic = stack.enter_context(clinic_at(box))
        yield Screens(clinic, browser, stack)


def _table(figures: Mapping[str, Sequence[float]]) -> str:
    lines = ["| | median | slowest | goal | reached |", "| --- | ---: | ---: | ---: | --- |"]
    for what, found in figures.items():
        median = statistics.median(found)
        reached = "yes" if median <= GOALS[what] else "no"
        lines.append(
            f"| {what} | {median:.3g} | {max(found):.3g} | ≤ {GOALS[what]:g} | {reached} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
