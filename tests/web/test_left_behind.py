"""What a patient typed is on no disk in clear, and in no tab that has handed over."""

import json
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from tests.machine import find
from tests.web.conftest import _BROWSERS, ARGUMENTS, PATIENCE_MS, Patient, Screens

MARKER = "Zyxquatermass"
_STORED = "() => JSON.stringify([{...sessionStorage}, {...localStorage}])"


def _stored(page: Page) -> str:
    found: str = page.evaluate(_STORED)
    return found


def test_what_was_typed_offline_is_stored_unreadable_and_still_sent(screens: Screens) -> None:
    """After a reload it is sent as soon as the box, which has the key, is there again."""
    cable = screens.cable()
    desk = screens.desk()
    patient = screens.patient(desk.open("Patient pre-registration"), url=cable.url)
    cable.pull()
    patient.page.locator(".banner.warn").wait_for()
    patient.fill("first-name", MARKER)
    patient.page.wait_for_function(
        "() => Object.values(sessionStorage).some(one => one.includes('sealed\":\"'))"
    )
    stored = _stored(patient.page)
    assert "outbox" in stored
    assert MARKER not in stored
    assert "first-name" not in stored
    cable.plug()
    patient.page.reload()
    shown = '.mirror [data-field="first-name"] input'
    desk.page.wait_for_function(f"() => document.querySelector('{shown}').value === '{MARKER}'")
    patient.page.wait_for_function(
        "() => Object.values(sessionStorage).every(one => !one.includes('sealed\":\"'))"
    )
    assert MARKER not in _stored(patient.page)


def test_nothing_is_on_the_disk_of_a_browser_that_was_closed(
    screens: Screens, tmp_path: Path
) -> None:
    """Not even while the box is away, and after the session's end."""
    cable = screens.cable()
    desk = screens.desk()
    code = desk.open("Patient pre-registration")
    profile = tmp_path / "profile"
    program = next(filter(None, map(find, _BROWSERS)))
    context = screens.browser.browser_type.launch_persistent_context(
        profile, executable_path=program, args=list(ARGUMENTS)
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{cable.url}/patient#code={code}")
    page.locator(".session").wait_for()
    cable.pull()
    page.locator(".banner.warn").wait_for()
    page.locator('[data-field="first-name"] input').fill(MARKER)
    page.get_by_text("to be sent").wait_for()
    page.evaluate(f"() => sessionStorage.setItem('control', '{MARKER[::-1]}')")
    desk.cancel("gone")
    desk.page.get_by_text("The check-in was cancelled.").wait_for()
    context.close()
    assert _holds(profile, MARKER[::-1]), "this is where a browser writes what a tab stores"
    assert not _holds(profile, MARKER)


def _holds(folder: Path, text: str) -> bool:
    wanted = (text.encode(), text.encode("utf-16-le"))
    files = (file.read_bytes() for file in folder.rglob("*") if file.is_file())
    return any(one in content for content in files for one in wanted)


def test_a_second_tab_empties_the_first(screens: Screens) -> None:
    """The first tab of a kiosk drops what it held, from its page and from its memory."""
    kiosk = screens.kiosk("Tablet 1")
    desk = screens.desk()
    desk.open("quick", kiosk="Tablet 1")
    _type_the_marker(kiosk)
    desk.page.wait_for_function(
        f"() => document.querySelector('.mirror [data-field=name] input')?.value === '{MARKER}'"
    )
    context = kiosk.page.context
    assert MARKER in _memory(context, kiosk.page), "the snapshot shows what a tab holds"
    second = screens.page(context)
    second.goto(f"{screens.url}/patient")
    second.locator('[data-field="name"] input').wait_for()
    kiosk.title("This screen is open in another tab")
    assert MARKER not in kiosk.page.content()
    assert MARKER not in _stored(kiosk.page)
    assert MARKER not in _memory(context, kiosk.page)
    kiosk.page.get_by_role("button", name="Go on here").click()
    kiosk.title("You")
    assert kiosk.field("name").locator("input").input_value() == MARKER


def test_a_cancelled_check_in_leaves_nothing_on_the_screen(screens: Screens) -> None:
    """A kiosk says that the answers are no longer there, and they are not: nor in its memory."""
    kiosk = screens.kiosk("Tablet 1")
    desk = screens.desk()
    desk.open("quick", kiosk="Tablet 1")
    _type_the_marker(kiosk)
    desk.page.locator('.mirror [data-field="name"] input').wait_for()
    desk.cancel("gone")
    kiosk.says("Your answers are no longer on this screen.").wait_for()
    assert MARKER not in kiosk.page.content()
    assert MARKER not in _stored(kiosk.page)
    assert MARKER not in _memory(kiosk.page.context, kiosk.page)


def _type_the_marker(kiosk: Patient) -> None:
    """Without a locator: the browser would keep what one has found, and the form with it."""
    kiosk.page.wait_for_function("() => !!document.querySelector('[data-field=name] input')")
    kiosk.page.evaluate("() => void document.querySelector('[data-field=name] input').focus()")
    kiosk.page.keyboard.type(MARKER)


def _memory(context: BrowserContext, page: Page) -> str:
    """Return the strings that are alive in a page's memory."""
    devtools = context.new_cdp_session(page)
    chunks: list[str] = []
    devtools.on("HeapProfiler.addHeapSnapshotChunk", lambda part: chunks.append(part["chunk"]))
    devtools.send("HeapProfiler.enable")
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    devtools.detach()
    return "\n".join(json.loads("".join(chunks))["strings"])
