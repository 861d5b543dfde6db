"""`handrail demo`: the whole story, once."""

import json
import subprocess

import pytest

from .conftest import PROGRAM


@pytest.mark.slow
def test_the_demo_ends_with_a_completed_session() -> None:
    """Every claim of the story is checked by the demo itself; the last word is the response."""
    ran = subprocess.run(
        [*PROGRAM, "demo", "--once", "--fast"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    story, _, rest = ran.stdout.partition("\n{\n")
    response, _ = json.JSONDecoder().raw_decode("{" + rest)
    assert response["resourceType"] == "QuestionnaireResponse"
    assert response["status"] == "completed"
    for line in ("no connection", "kiosk-2 is away", "signature signed", "session completed"):
        assert line in story
