"""From a clean Debian to a check-in, a restore elsewhere and an upgrade: by the docs' commands."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from tests.conftest import ROOT
from tests.machine import environment
from tests.web.conftest import DESKTOP, PATIENCE_MS, TABLET, Desk, Patient
from tests.web.test_readme import check_in

from .debian import Debian, Tablet, commands

HOW_TO = ROOT / "docs" / "how-to"
NAME, PORT = "checkin.local", 8443
BOX, TABLET_ADDRESS = "198.18.1.1", "198.18.1.2"
# RFC 2544, C.2.2: addresses for tests between two networks, which nobody routes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@contextmanager
def browser(tablet: Tablet) -> Iterator[BrowserContext]:
    """Open the tablet's browser, which keeps what it learned, and resolves the name as it does."""
    rule = f"--host-resolver-rules=MAP {NAME} {tablet.resolve(NAME)}"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch_persistent_context(
            tablet.home / "profile",
            executable_path=tablet.browser(),
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", rule],
            viewport=TABLET,  # type: ignore[arg-type]
        )
        opened.set_default_timeout(2 * PATIENCE_MS)
        yield opened
        opened.close()


def trust(tablet: Tablet, box: Debian, address: str) -> None:
    """Do what the trust page asks for: fetch the CA, compare its fingerprint, trust it."""
    file = tablet.home / "ca.crt"
    tablet.python("tests.clean_debian.fetching", f"http://{address}:8080/ca.crt", str(file))
    shown = re.search(r"CA fingerprint +(\S+)", box.type("sudo handrail tls show"))
    openssl = [
        "openssl",
        "x509",
        "-inform",
        "der",
        "-in",
        file,
        "-noout",
        "-fingerprint",
        "-sha256",
    ]
    found = subprocess.run(openssl, capture_output=True, text=True, check=True).stdout
    assert shown is not None
    assert found.strip().endswith(f"={shown[1]}")
    store = f"sql:{tablet.home / '.pki' / 'nssdb'}"
    (tablet.home / ".pki" / "nssdb").mkdir(parents=True)
    for order in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "box", "-i", str(file)]):
        subprocess.run(["certutil", "-d", store, *order], check=True, env=environment())


def enrolled(context: BrowserContext, address: str, title: str) -> Page:
    """Open the link on a screen, and wait until it is enrolled."""
    page = context.new_page()
    page.goto(address)
    page.get_by_role("heading", name=title).wait_for()
    return page


def installed(machine: Debian, package: Path) -> None:
    """Install a package as the docs say, without a network."""
    machine.put(package)
    names = {"handrail_0.1.0_amd64.deb": package.name}
    machine.type(*commands(HOW_TO / "install.md", "2. Install it", names))


def set_up(box: Debian) -> tuple[list[str], tuple[str, str]]:
    """Name the machine, set it up, start it; return links of both screens, and what is on paper.

    That is the recovery key, and the fingerprint of the box.
    """
    install = HOW_TO / "install.md"
    box.type(commands(HOW_TO / "network.md", "The box's name", {})[0])
    names = {"192.168.1.5": NAME, " --no-recovery-key": ""}
    _, unasked = commands(install, "3. Set it up", names)
    said = box.type(f"{unasked} 2>&1")
    links = re.findall(rf"link +(https://{NAME}:{PORT}/\S+)", said)
    key = re.search(r"AGE-SECRET-KEY-1[\sA-Z0-9]+?\n\n", said)
    assert len(links) == 2, said
    signer = re.search(r"fingerprint of this box: ([A-Z2-7-]{29})", said)
    assert key, said
    assert signer, said
    start, look, *_ = commands(install, "4. Start it", {})
    box.type(start, look)
    return links, (key[0], signer[1])


def configure(box: Debian, file: str, wanted: str) -> None:
    """Edit the commented configuration file as a person does: by the keys that a page shows."""
    text = box.type(f"cat {file}")
    for line in wanted.splitlines()[1:]:
        key = line.partition(" ")[0]
        text, count = re.subn(rf"^#{key} = .*$", line, text, flags=re.MULTILINE)
        assert count == 1, line
    box.write(file, text)


def a_check_in(context: BrowserContext, links: list[str]) -> list[str]:
    """Enroll both screens and go through a check-in; return what they connected to."""
    sockets: list[str] = []
    context.on("page", lambda page: page.on("websocket", lambda one: sockets.append(one.url)))
    desk = Desk(enrolled(context, links[0], "Check-ins"), "front-desk")
    desk.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    kiosk = Patient(enrolled(context, links[1], "This screen is ready"))
    desk.open("Quick check-in", label="First try", kiosk="Kiosk 1")
    check_in(desk, kiosk)
    return sockets


def completed(box: Debian) -> list[str]:
    """Return the completed sessions."""
    listed = json.loads(box.type("sudo handrail session list --all --json 2>/dev/null"))
    return [each["session"] for each in listed if each["status"] == "completed"]


def test_a_clinic_from_nothing(
    root: Path, packages: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real browser that trusts the box's CA; the same screens after a restore on another disk."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    old, new = packages
    share = tmp_path / "share"
    names = {"handrail_0.1.0_amd64.deb": old.name, "handrail_0.2.0_amd64.deb": new.name}
    with ExitStack() as stack:
        tablet = stack.enter_context(Tablet(tmp_path / "tablet", TABLET_ADDRESS))
        box = stack.enter_context(Debian(root, tmp_path / "first", share, BOX))
        with tablet.cable(box):
            installed(box, old)
            links, paper = set_up(box)
            assert tablet.resolve(NAME) == BOX
            with browser(tablet) as context, pytest.raises(Error, match="ERR_CERT_AUTHORITY"):
                context.new_page().goto(links[0])
            trust(tablet, box, tablet.resolve(NAME))
            with browser(tablet) as context:
                sockets = a_check_in(context, links)
            assert sockets
            assert {one.partition("/mqtt")[0] for one in sockets} == {f"wss://{NAME}:{PORT}"}
            done = completed(box)
            assert len(done) == 1
            upgrade(box, new, names)
            assert completed(box) == done
            go_back(box, names)
            assert completed(box) == done
        box.cut_power()
        other = stack.enter_context(Debian(root, tmp_path / "second", share, BOX))
        with tablet.cable(other):
            installed(other, old)
            restore(other, paper)
            assert completed(other) == done
            with browser(tablet) as context:
                page = context.new_page()
                page.goto(f"https://{NAME}:{PORT}/patient")
                page.get_by_role("heading", name="This screen is ready").wait_for()


def upgrade(box: Debian, new: Path, names: dict[str, str]) -> None:
    """Upgrade as the docs say: a backup elsewhere, the newer package, a look."""
    box.type("sudo install -d -o handrail -g handrail -m 700 /mnt/backup")
    backup, install, version, *check = commands(HOW_TO / "upgrade.md", "Upgrade", names)
    box.put(new)
    box.type(backup, install)
    assert box.type(version).strip() == "handrail 0.2.0"
    box.type(*check)


def go_back(box: Debian, names: dict[str, str]) -> None:
    """Go back as the docs say, to the same schema: nothing is to be restored."""
    stop, install, check, restoring, *start = commands(HOW_TO / "upgrade.md", "Go back", names)
    assert "restore" in restoring
    box.type(stop, install, check, *start)
    assert box.type("handrail --version").strip() == "handrail 0.1.0"


def restore(other: Debian, paper: tuple[str, str]) -> None:
    """Restore the backup on another machine by the paper, and give by hand what it lists."""
    other.type(commands(HOW_TO / "network.md", "The box's name", {})[0])
    key, signer = paper
    other.write("/root/key.txt", key)
    restoring, check, look = commands(HOW_TO / "bad-day.md", "The card is dead", {})
    options = f"--signed-by {signer} --recovery-key-file -"
    said = other.type(f"{restoring} {options} < /root/key.txt 2>&1")
    listed = re.findall(r"((?:site|listen)\.\w+ = \"[^\"]+\")", said)
    assert len(listed) >= 4, said
    other.type("sudo handrail config create")
    for section in ("site", "listen"):
        own = [one.partition(".")[2] for one in listed if one.startswith(section)]
        configure(other, "/etc/handrail/handrail.toml", "\n".join([f"[{section}]", *own]))
    other.type(check, commands(HOW_TO / "install.md", "4. Start it", {})[0], look)
