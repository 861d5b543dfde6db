"""`handrail alert test`, and the section `[alerts]` of the configuration."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Handrail, Serving
from tests.delivery.conftest import fhir_server
from tests.delivery.fhir_server import FhirServer, Trouble
from tests.machine import free_port

__all__ = ["fhir_server"]


def _configured(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "handrail.toml"
    file.write_text("\n".join(["[alerts]", *lines]) + "\n")
    file.chmod(0o600)
    return file


def test_each_channel_is_tried(handrail: Handrail, tmp_path: Path, fhir_server: FhirServer) -> None:
    """The running box sends the test; what fails is named, with what to do."""
    fhir_server.troubles.append(Trouble(204, on="/fhir"))
    file = _configured(
        tmp_path,
        f'webhook_url = "{fhir_server.base}"',
        f'mqtt_url = "mqtt://127.0.0.1:{free_port()}"',
    )
    with Serving(tmp_path / "data", "--config", str(file)) as serving:
        ran = handrail("alert", "test", "--json")
        assert ran.code == 1, ran.err
        results = {one["step"]: one["result"] for one in ran.json["channels"]}
        assert results == {"webhook": "ok", "mqtt": "failed"}
        said: Any = json.loads(fhir_server.bodies[-1])
        assert said["changes"][0]["kind"] == "test"
        fhir_server.troubles.append(Trouble(204, on="/fhir"))
        shown = handrail("alert", "test")
        assert "\u2713 webhook: a test message was taken" in shown.out
        assert "\u2717 mqtt: the connection is refused" in shown.out
        assert serving.end() == 0


def test_without_a_channel_or_a_box(handrail: Handrail, tmp_path: Path) -> None:
    """Each says what is missing."""
    assert handrail("alert", "test").code == 3
    with Serving(tmp_path / "data") as serving:
        ran = handrail("alert", "test")
        assert (ran.code, "no channel is configured" in ran.err) == (1, True)
        assert serving.end() == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('email_to = "it@clinic.example"', "alerts.email_to requires alerts.email_from"),
        ('webhook_url = "http://hooks.example"', "is not encrypted"),
        ('webhook_url = "https://u:p@hooks.example"', "without user and password"),
        ('mqtt_url = "tcp://broker"', "must be an address such as mqtts://host:8883"),
        ('email_server = "mail:x"', "is not HOST:PORT"),
        ('email_security = "ssl"', "starttls"),
        ('ca_file = "/nowhere/ca.pem"', "alerts.ca_file: cannot read /nowhere/ca.pem"),
    ],
)
def test_what_is_not_whole_is_refused(
    line: str, said: str, handrail: Handrail, tmp_path: Path
) -> None:
    """With the key; a box does not start with it, so that nobody relies on alerts in vain."""
    file = _configured(tmp_path, line)
    for command in (("config", "check"), ("serve", "--mqtt", "127.0.0.1:0")):
        ran = handrail(*command, "--config", file)
        assert (ran.code, said in ran.err) == (2, True), ran.err
