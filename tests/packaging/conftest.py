"""What is built from: a copy of the sources, and programs that fetch packages."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.machine import find

_NOT_SOURCES = (".git", ".venv", ".tools", ".hypothesis", ".*_cache", "__pycache__", "data")
_NOT_SOURCES += ("dist", "generated", "node_modules", "uv.lock")
_NO_INDEX = re.compile(
    r"Failed to fetch|dns error|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT"
)
"""What uv and npm print where no package index can be reached."""

MINUTES = 300


def environment() -> dict[str, str]:
    """Return the environment of a user who is not in this checkout's own."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in ours}


def find_uv() -> str:
    """Return the uv that `./run` uses; `uv run` names itself in `UV`."""
    found = os.environ.get("UV") or find("uv") or shutil.which(ROOT / ".tools" / "bin" / "uv")
    if not found:
        pytest.skip("uv is not installed: ./run test")
    return found


def runner(program: str | Path, folder: Path, **variables: str) -> Callable[..., None]:
    """Return a function that runs a program which fetches packages; skips where it cannot."""

    def run(*arguments: str | Path) -> None:
        done = subprocess.run(
            [program, *arguments],
            cwd=folder,
            env=environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MINUTES,
            check=False,
        )
        if done.returncode != 0 and _NO_INDEX.search(done.stdout):
            pytest.skip("no package index can be reached from here")
        assert done.returncode == 0, done.stdout

    return run


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources, since building replaces the pages."""
    folder = tmp_path_factory.mktemp("build") / "sources"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
    return folder
