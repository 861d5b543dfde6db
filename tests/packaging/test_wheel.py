"""The wheel is all that a box needs: built, installed and tried without development packages."""

import re
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import MINUTES, environment, find_uv, runner

PACKAGES = ("broker", "clients", "schemas", "session_controller")

_IMPORT_ALL = f"""
import importlib, pkgutil
for name in {PACKAGES}:
    for found in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        if not found.name.endswith(".__main__"):
            importlib.import_module(found.name)
import cli
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * MINUTES)]


@dataclass(frozen=True)
class Installed:
    """The wheel, and an environment that has it and what it depends on."""

    wheel: Path
    programs: Path

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment, away from the sources; return its output."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.wheel.parent,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(sources: Path) -> Installed:
    """Build the wheel, and install it."""
    folder = sources.parent
    uv = runner(find_uv(), sources)
    uv("build", "--wheel", "--out-dir", folder)
    (wheel,) = folder.glob("*.whl")
    uv("venv", folder / "venv")
    programs = folder / "venv" / "bin"
    uv("pip", "install", "--python", programs / "python", wheel)
    return Installed(wheel, programs)


def test_the_wheel_holds_the_program_and_nothing_else(installed: Installed) -> None:
    """Packages, marked as typed, the built pages and the example forms; no tests, no sources."""
    names = zipfile.ZipFile(installed.wheel).namelist()
    places = {name.partition("/")[0] for name in names}
    assert {place for place in places if not place.endswith(".dist-info")} == {
        *PACKAGES,
        "cli.py",
        "flows",
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    pages = ("patient.html", "facility.html", "index.html")
    assert {f"clients/web/dist/{page}" for page in pages} <= set(names)
    assert not [name for name in names if name.endswith((".ts", ".tsx")) or "tests/" in name]


def test_the_program_runs_without_development_packages(installed: Installed) -> None:
    """`handrail --version`, and a check of an example form."""
    assert re.search(r"\d+\.\d+\.\d+", installed.run("handrail", "--version"))
    form = str(ROOT / "flows" / "quick-check-in.json")
    assert "quick-check-in" in installed.run("handrail", "flow", "check", form)


def test_every_module_can_be_imported_without_development_packages(installed: Installed) -> None:
    """What any module needs is among the dependencies of the wheel."""
    installed.run("python", "-P", "-W", "error::ImportWarning", "-c", _IMPORT_ALL)
