"""`handrail simulate`: whole sessions from the command line."""

import json
from pathlib import Path

import pytest

from tests.flow.filling import form_path, here

from .conftest import Handrail


def test_sessions_are_played_on_the_running_box(data: Path, handrail: Handrail) -> None:
    """They are completed, counted, and left on that box."""
    ran = handrail("simulate", "quick-check-in", "--sessions", "3", "--data", data, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["outcomes"] == {"completed": 3}
    listed = handrail("session", "list", "--all", "--data", data, "--json").json
    assert {r["session"] for r in ran.json["results"]} <= {line["session"] for line in listed}


def test_it_starts_a_box_where_none_runs(handrail: Handrail, tmp_path: Path) -> None:
    """Without --data, a temporary one; the responses are all that is left."""
    ran = handrail("simulate", "pre-registration", "--seed", "4", "--responses", "answers")
    assert ran.code == 0, ran.err
    assert "1 completed" in ran.out
    (file,) = (tmp_path / "answers").iterdir()
    response = json.loads(file.read_text())
    assert response["status"] == "completed"
    assert [path.name for path in tmp_path.iterdir()] == ["answers"]


def test_a_session_that_is_not_completed_is_1(handrail: Handrail) -> None:
    """Who runs out of time says so by the exit code."""
    ran = handrail("simulate", "pre-registration", "--pace", "30", "--timeout", "1s", "--json")
    assert ran.code == 1
    assert ran.json["outcomes"] == {"timeout": 1}


@pytest.mark.parametrize("name", here("paperwork", "ottehr-intake-paperwork"))
def test_a_long_form_is_played_from_its_file(handrail: Handrail, name: str) -> None:
    """An intake form with documents, consents and a signature, three sessions."""
    ran = handrail("simulate", form_path(name), "--sessions", "3", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["completed"] == 3
