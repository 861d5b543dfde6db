"""`./run` says what it does while nothing else can be seen."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the script, and a uv that prints how it was started."""
    shutil.copy(ROOT / "run", tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "uv").write_text('#!/bin/sh\necho uv "$@"\n')
    (programs / "uv").chmod(0o755)
    return tmp_path


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder / 'programs'}:{os.environ['PATH']}"}
    order = ["sh", folder / "run", "handrail", "doctor"]
    return subprocess.run(order, env=environment, capture_output=True, text=True, check=True)


def test_the_first_run_shows_progress(folder: Path) -> None:
    """It takes minutes: a line at once, and what uv fetches."""
    ran = _run(folder)
    assert ran.stderr == (
        "./run: the first run fetches packages and builds the web pages: some minutes\n"
    )
    assert ran.stdout == "uv run --no-dev handrail doctor\n"


def test_later_runs_show_the_command_only(folder: Path) -> None:
    """Off a terminal."""
    (folder / ".venv").mkdir()
    ran = _run(folder)
    assert ran.stderr == ""
    assert ran.stdout == "uv run --quiet --no-dev handrail doctor\n"
