"""What the README tells people to type works, and where it points there is something."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Handrail, Serving

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
TYPED = re.findall(r"^\./run handrail (.+)$", README, re.MULTILINE)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *(f"docs/{p.name}" for p in DOCS.glob("*.md")),
    ],
)
def test_every_link_leads_somewhere(page: str) -> None:
    """Links within the project name files that are there."""
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_commands_of_the_readme_work(
    tmp_path: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them, in their order, in an empty folder with the flows beside it.

    `s-…` stands for a completed session, as the page says.
    """
    (tmp_path / "flows").symlink_to(ROOT / "flows")
    first, *others = map(shlex.split, TYPED)
    assert first == ["serve", "--data", "./data"]
    assert len(others) >= 4
    monkeypatch.chdir(tmp_path)
    with Serving(tmp_path / "data") as serving:
        session = _completed(handrail)
        for arguments in others:
            ran = handrail(*(session if each == "s-…" else each for each in arguments))
            assert ran.code == 0, f"{arguments}: {ran.err}"
        assert serving.end() == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.prefix != str(ROOT / ".venv"), reason="./run made no environment here")
def test_a_part_of_the_full_run_of_the_fault_tests_can_be_chosen() -> None:
    """`./run faults FILE` is that file's tests, and no others."""
    chosen = ["./run", "faults", "--collect-only", "-q", "tests/faults/test_power.py"]
    listed = subprocess.run(chosen, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {line.partition("::")[0] for line in listed.splitlines() if "::" in line}
    assert found == {"tests/faults/test_power.py"}


def _completed(handrail: Handrail) -> str:
    """Go through a session."""
    assert handrail("simulate", "quick-check-in", "--data", "./data").code == 0
    done = handrail("session", "list", "--all", "--data", "./data", "--json").json
    return str(done[0]["session"])


def test_the_two_commands_are_there() -> None:
    """`./run` knows what the README begins with."""
    script = (ROOT / "run").read_text()
    for command in re.findall(r"^\./run (\w+)$", README, re.MULTILINE):
        assert f"    {command})" in script
