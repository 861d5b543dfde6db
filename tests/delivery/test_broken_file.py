"""A `delivery.json` that somebody broke: named with its field; check-ins and deliveries go on."""

import signal
from pathlib import Path

import pytest

from session_controller.delivery.configuration import load_destinations
from session_controller.errors import DestinationsError
from tests.cli.conftest import Handrail, Serving, handrail
from tests.delivery.conftest import fhir_server
from tests.delivery.fhir_server import FhirServer
from tests.waiting import wait_until

__all__ = ["fhir_server", "handrail"]

_EHR = '"name": "ehr", "kind": "fhir", "url": "https://e.example/fhir"'


def _log_has(serving: Serving, text: str, times: int) -> None:
    """Wait until the log of a box says something so often."""
    wait_until(lambda: serving.log.read_text().count(text) >= times, text)


def test_a_box_goes_on_with_what_was_known(
    handrail: Handrail, fhir_server: FhirServer, tmp_path: Path
) -> None:
    """At the start and at a reload the log says what is wrong; commands exit with 2 and say it."""
    data = tmp_path / "data"
    file, said = data / "delivery.json", "the destinations stay as they were last usable: ehr"
    fault = "destinations.0: the key kind must be fhir, folder or mqtt"
    with Serving(data) as serving:
        assert handrail("deliver", "add", "ehr", "--fhir", fhir_server.base).code == 0
        good = file.read_text()
        file.write_text(good.replace('"kind"', '"kin"'))
        serving.process.send_signal(signal.SIGHUP)
        _log_has(serving, said, 1)
        for command in (("list",), ("status",), ("status", "--check"), ("now",), ("test", "ehr")):
            ran = handrail("deliver", *command)
            assert (ran.code, fault in ran.err) == (2, True), (command, ran)
            assert "delivery.json" in ran.err
        assert "ehr" in handrail("deliver", "list").out
        assert serving.end() == 0
    with Serving(data) as serving:
        assert "ready" in serving.ready
        _log_has(serving, said, 2)
        assert "ehr" in handrail("deliver", "list").out
        file.write_text(good.replace('"ehr"', '"records"'))
        serving.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "records" in handrail("deliver", "list").out, "the corrected file")
        assert serving.end() == 0


def test_a_box_that_never_knew_one_does_not_start(handrail: Handrail, tmp_path: Path) -> None:
    """What completes would be delivered nowhere: it says what is wrong and exits with 2."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "delivery.json").write_text('{"destinations": 7}')
    ran = handrail("serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert ran.code == 2
    assert "delivery.json cannot be used: destinations:" in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the file: Invalid JSON"),
        ("\xff", "the file: Invalid JSON"),
        ('{"destinations": [7]}', "destinations.0:"),
        ('{"destinations": [{}]}', "destinations.0: the key kind must be fhir, folder or mqtt"),
        (f'{{"destinations": [{{{_EHR}, "urll": 1}}]}}', "destinations.0.urll: is not known; "),
        (f'{{"destinations": [{{{_EHR}, "auth": {{"by": "x"}}}}]}}', "the key by must be token or"),
        (
            f'{{"destinations": [{{{_EHR}, "auth": {{"by": "token", "file": "t"}}}}]}}',
            "destinations.0.auth.file: is not known; allowed are by, token_file",
        ),
        (
            f'{{"destinations": [{{{_EHR}, "transactions": "x"}}]}}',
            "destinations.0.transactions: must be 'auto', 'always' or 'never'",
        ),
        (
            f'{{"destinations": [{{{_EHR.replace("e.example", "e.example:99999")}}}]}}',
            "destinations.0.url: must have a port from 1 to 65535",
        ),
        (
            '{"destinations": [{"name": "A b", "kind": "folder", "folder": "x"}]}',
            "destinations.0.name: must be 1 to 64 characters",
        ),
        (
            '{"destinations": [{"name": "a", "kind": "mqtt", "url": "mqtts://b"}]}',
            "destinations.0.topic: is missing",
        ),
        (
            '{"destinations": [{"name": "a", "kind": "mqtt", "url": "tcp://b", "topic": "t"}]}',
            "destinations.0.url: must be an address such as mqtts://host:8883",
        ),
    ],
)
def test_each_fault_names_field_and_what_is_allowed(text: str, said: str, tmp_path: Path) -> None:
    """As a person finds it in the file, without the value."""
    (tmp_path / "delivery.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DestinationsError) as error:
        load_destinations(tmp_path)
    assert said in str(error.value)
