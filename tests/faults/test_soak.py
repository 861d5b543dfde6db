"""The long run, in short; and that it would notice growth."""

import json
import subprocess
import sys

import pytest

from clients.simulator.soak import Sample, SoakReport

from .conftest import FULL, Note
from .processes import ROOT


@pytest.mark.slow
@pytest.mark.timeout(4000)
def test_a_soak(note: Note) -> None:
    """Under load, a kill and stalls: all sessions are completed, memory and descriptors flat."""
    minutes, sessions = ("60", "100") if FULL else ("0.3", "5")
    order = [sys.executable, "-P", "-m", "cli", "soak", "--json"]
    done = subprocess.run(
        [*order, "--minutes", minutes, "--sessions", sessions],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 1
    memory = [f"{size >> 20} MiB" for size in (found["memory"][0], found["memory"][-1])]
    note(outcomes=found["outcomes"], stalls=found["stalls"], memory=" to ".join(memory))


def test_growth_is_noticed() -> None:
    """A box that takes a megabyte more with each wave is not flat, nor one that leaks sockets."""
    report = SoakReport()
    report.samples = [Sample((100 + 3 * n) << 20, 50) for n in range(30)]
    assert not report.flat
    report.samples = [Sample(100 << 20, 50 + n) for n in range(30)]
    assert not report.flat
    report.samples = [Sample((100 + n % 3) << 20, 50 + n % 2) for n in range(30)]
    assert report.flat
