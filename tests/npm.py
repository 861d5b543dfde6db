"""Packages of npm for a test, in a folder of its own; without npm the test is skipped, with why."""

import subprocess
from pathlib import Path

import pytest

from tests.machine import require

_WITHIN_S = 120


def install(folder: Path, *packages: str) -> Path:
    """Install packages into a folder, and give it."""
    require("node", "npm")
    folder.mkdir(exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--fetch-retries=0"]
    command += ["--prefix", str(folder), *packages]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_WITHIN_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm install {' '.join(packages)} takes too long here")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {' '.join(packages)} here")
    return folder
