"""The wheel is all that a box needs: built, installed and tried without development packages."""

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.machine import find

PACKAGES = ("broker", "clients", "schemas", "session_controller")

_NOT_SOURCES = (".git", ".venv", ".tools", ".hypothesis", ".*_cache", "__pycache__", "data")
_NOT_SOURCES += ("dist", "generated", "node_modules", "uv.lock")
_NO_INDEX = re.compile(
    r"Failed to fetch|dns error|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT"
)
"""What uv and npm print where no package index can be reached."""

_MINUTES = 300

_IMPORT_ALL = f"""
import importlib, pkgutil
for name in {PACKAGES}:
    for found in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        if not found.name.endswith(".__main__"):
            importlib.import_module(found.name)
import cli
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * _MINUTES)]


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
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _environment() -> dict[str, str]:
    ours = ("PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in ours}


def _uv() -> str:
    """Return the uv that `./run` uses; `uv run` names itself in `UV`."""
    found = os.environ.get("UV") or find("uv") or shutil.which(ROOT / ".tools" / "bin" / "uv")
    if not found:
        pytest.skip("uv is not installed: ./run test")
    return found


def _uv_runner(folder: Path) -> Callable[..., None]:
    uv = _uv()

    def run(*arguments: str | Path) -> None:
        done = subprocess.run(
            [uv, *arguments],
            cwd=folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MINUTES,
            check=False,
        )
        if done.returncode != 0 and _NO_INDEX.search(done.stdout):
            pytest.skip("no package index can be reached from here")
        assert done.returncode == 0, done.stdout

    return run


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build a copy of the sources, since building replaces the pages, and install the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
    uv = _uv_runner(sources)
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
