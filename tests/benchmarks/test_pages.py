"""The benchmark of the pages measures what it says."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.pages.__main__ import AGAIN, CLICK, FIRST
from tests.conftest import ROOT
from tests.web.conftest import PAGES_MISSING, chromium, missing, pages_are_built


def test_each_figure_is_measured(tmp_path: Path) -> None:
    """As often as was asked for, and printed beside its goal."""
    if chromium() is None:
        missing("no Chromium on this machine; on Debian: apt-get install chromium")
    if not pages_are_built():
        missing(PAGES_MISSING)
    line = [sys.executable, "-m", "benchmarks.pages", "--clicks", "3", "--loads", "1"]
    kept = tmp_path / "figures.json"
    run = subprocess.run(
        [*line, "--json", str(kept)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    figures = json.loads(kept.read_text(encoding="utf-8"))
    assert {what: len(found) for what, found in figures.items()} == {CLICK: 3, FIRST: 1, AGAIN: 1}
    for what, found in figures.items():
        assert min(found) > 0
        assert f"| {what} |" in run.stdout
