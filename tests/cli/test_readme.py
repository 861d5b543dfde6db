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
        "benchmarks/README.md",
        *sorted(str(p.relative_to(ROOT)) for p in DOCS.rglob("*.md")),
    ],
)
def test_every_link_leads_somewhere(page: str) -> None:
    """Links within the project name files that are there, and headings that these have."""
    path = ROOT / page
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"(?:\]\(|src=\")([^)\"]+)", prose):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        assert not heading or heading in _anchors(linked.read_text()), target


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}


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


def test_both_screens_are_enrolled_by_a_code() -> None:
    """The pages accept a code, never a secret, and the README names their addresses."""
    enrolments = [line for line in TYPED if line.startswith("device enrol ")]
    assert len(enrolments) == 2
    assert all("--code" in line for line in enrolments)
    assert "http://127.0.0.1:8080/facility" in README
    assert "http://127.0.0.1:8080/patient" in README


def test_the_two_commands_are_there() -> None:
    """`./run` knows what the README begins with."""
    script = (ROOT / "run").read_text()
    for command in re.findall(r"^\./run (\w+)$", README, re.MULTILINE):
        assert f"    {command})" in script
