"""The processes that work on backups."""

import json
import sys

import pytest

from session_controller.backup import apart

_SHOWS = "import json, os, sys; print(json.dumps([*os.environ.values()]))"


def test_a_helper_has_no_secret_but_the_boxs_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is in the box's environment, such as a broker's password, is not passed on."""
    monkeypatch.setenv("HANDRAIL_BROKER", "mqtts://box:sesame@broker.example")
    monkeypatch.setenv("HANDRAIL_BOX_KEY", "the key")
    monkeypatch.setattr(apart, "_PYTHON", (sys.executable, "-P", "-c"))
    code, said = apart.Helper().call(_SHOWS, "")
    assert code == 0
    values = json.loads(said)
    assert "the key" in values
    assert not any("sesame" in value for value in values)
