"""WebKitGTK, which is not Playwright's: its own driver, on a screen that nobody sees.

Both pages are led by what is on them: a button by its name, a field by its id.
"""

import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import WebKitGTK
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from tests.machine import find

DRIVER = "WebKitWebDriver"
_PATIENCE_S = 30.0
_BROWSERS = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"
_BUTTON = """
const [name, within] = arguments;
const name_of = (one) => one.getAttribute('aria-label') ?? one.innerText;
const said = (one) => name_of(one).replace(/\\s+/g, ' ').trim();
return [...document.querySelectorAll(`${within} button, ${within} a.button`)].find(
  (one) => said(one).startsWith(name) && one.checkVisibility()
    && !['disabled', 'aria-disabled', 'data-settling'].some((why) => one.hasAttribute(why))
) ?? null;
"""
_CHOICE = """
const [field, name] = arguments;
const of = document.querySelectorAll(`[data-field="${field}"] label`);
return [...of].find((one) => one.innerText.trim() === name) ?? null;
"""

_STANDS_STILL = """
const one = arguments[0], before = one.standing;
one.scrollIntoView({block: 'center', behavior: 'instant'});
one.standing = JSON.stringify(one.getBoundingClientRect());
return before === one.standing;
"""


def missing() -> str | None:
    """Return what this machine lacks for it, or None."""
    if not (find(DRIVER) and browser()):
        return "no WebKitGTK on this machine; on Debian: apt-get install webkit2gtk-driver"
    return None if find("Xvfb") else "no Xvfb on this machine; on Debian: apt-get install xvfb"


def browser() -> Path | None:
    """Return the browser that the driver leads, or None."""
    return next(Path("/").glob(_BROWSERS.removeprefix("/")), None)


@contextmanager
def _display() -> Iterator[str]:
    """Yield the name of a screen that nobody sees."""
    read, write = os.pipe()
    line = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1300x24", "-nolisten", "tcp"]
    with subprocess.Popen(line, pass_fds=[write], stderr=subprocess.DEVNULL) as process:
        os.close(write)
        with os.fdopen(read) as said:
            number = said.readline().strip()
        try:
            yield f":{number}"
        finally:
            process.terminate()


@dataclass
class Webkit:
    """A page in a browser of its own."""

    driver: WebKitGTK

    def open(self, url: str) -> None:
        """Open an address."""
        self.driver.get(url)

    def js(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns."""
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def found(self, script: str, *arguments: Any, what: str) -> Any:
        """Wait until a script returns something, and return that."""
        wait = WebDriverWait(self.driver, _PATIENCE_S, poll_frequency=0.1)
        return wait.until(lambda _: self.js(script, *arguments), f"{what}; there is: {self.text}")

    @property
    def text(self) -> str:
        """What can be read."""
        return str(self.js("return document.body.innerText"))

    def says(self, words: str) -> None:
        """Wait until something can be read."""
        self.found("return document.body.innerText.includes(arguments[0])", words, what=words)

    def element(self, css: str) -> WebElement:
        """Wait for an element."""
        script = "return document.querySelector(arguments[0])"
        found: WebElement = self.found(script, css, what=css)
        return found

    def press(self, name: str, within: str = "body") -> None:
        """Press a button, as soon as it can be."""
        self._hit(self.found(_BUTTON, name, within, what=f"a button {name!r}"))

    def choose(self, field: str, name: str) -> None:
        """Pick an answer."""
        self._hit(self.found(_CHOICE, field, name, what=f"{field}: {name}"))

    def _hit(self, element: WebElement) -> None:
        self.found(_STANDS_STILL, element, what="an element that does not move")
        ActionChains(self.driver, duration=0).move_to_element(element).click().perform()

    def type(self, css: str, text: str) -> None:
        """Type into an element, after what is there."""
        element = self.element(css)
        self._hit(element)
        element.send_keys(text)

    def fill(self, field: str, text: str) -> None:
        """Type into a field."""
        self.type(f'[data-field="{field}"] :is(input, textarea)', text)

    def date(self, field: str, date: str) -> None:
        """Type the parts of a date into a field."""
        for part, text in zip(("year", "month", "day"), date.split("-"), strict=True):
            self.type(f'[data-field="{field}"] [data-part="{part}"]', text)

    def select(self, css: str, label: str) -> None:
        """Pick an option by its label."""
        self.found(
            "const [css, label] = arguments; const list = document.querySelector(css);"
            "const one = [...(list?.options ?? [])].find((o) => o.label === label);"
            "if (!one) return false; list.value = one.value;"
            "list.dispatchEvent(new Event('input', {bubbles: true}));"
            "list.dispatchEvent(new Event('change', {bubbles: true})); return true;",
            css,
            label,
            what=f"{css}: {label}",
        )

    def attach(self, field: str, file: Path) -> None:
        """Attach a file."""
        css = f'[data-field="{field}"] input[type=file]'
        self.found("return document.querySelector(arguments[0])", css, what=css)
        self.driver.find_element(By.CSS_SELECTOR, css).send_keys(str(file))

    def draw(self, css: str) -> None:
        """Draw a line with the mouse."""
        area = self.element(css)
        self.js("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", area)
        hand = ActionChains(self.driver, duration=20)
        hand.move_to_element_with_offset(area, -120, 20).click_and_hold()
        for n in range(1, 25):
            hand.move_by_offset(8, -30 if n % 2 else 32)
        hand.release().perform()


@contextmanager
def webkit(log: Path) -> Iterator[Webkit]:
    """Yield a browser that knows nothing yet, on a screen of its own: it has the focus there."""
    with _display() as screen, _browser_on(screen, log) as driver:
        yield Webkit(driver)


@contextmanager
def _browser_on(screen: str, log: Path) -> Iterator[WebKitGTK]:
    options = Options()  # type: ignore[no-untyped-call]
    options.binary_location = str(browser())
    options.add_argument("--automation")
    # Its sandbox needs namespaces that a container may not give; all that it opens is our own.
    more = {"DISPLAY": screen, "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
    service = Service(find(DRIVER) or DRIVER, log_output=str(log), env={**os.environ, **more})
    with warnings.catch_warnings():  # Selenium uses what it has deprecated itself
        warnings.simplefilter("ignore", DeprecationWarning)
        driver = WebKitGTK(options=options, service=service)
    try:
        driver.set_page_load_timeout(_PATIENCE_S)
        yield driver
    finally:
        driver.quit()  # type: ignore[no-untyped-call]
