"""Destinations: what may be configured, and what is said about what may not."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.wire.destinations import DESTINATION, Destinations
from session_controller.delivery.configuration import load_destinations, save_destinations
from session_controller.errors import DestinationsError

_FHIR = {"name": "ehr", "kind": "fhir", "url": "https://ehr.example.org/fhir"}
_FOLDER = {"name": "share", "kind": "folder", "folder": "/mnt/share", "format": "pdf"}
_MQTT = {"name": "central", "kind": "mqtt", "url": "mqtts://b.example.org", "topic": "in/{session}"}
_CLIENT = {"by": "client-credentials", "client_id": "box", "key_file": "smart.pem"}


@pytest.mark.parametrize(
    "settings",
    [
        _FHIR,
        {**_FHIR, "url": "http://127.0.0.1:8080/fhir/"},
        {**_FHIR, "url": "http://[::1]/fhir"},
        {**_FHIR, "url": "http://ehr.local/fhir", "allow_plain_http": True},
        {**_FHIR, "auth": {"by": "token", "token_file": "t"}},
        {**_FHIR, "auth": _CLIENT},
        _FOLDER,
        _MQTT,
        {**_MQTT, "url": "mqtt://localhost"},
        {**_MQTT, "url": "mqtt://b.local", "allow_plain_mqtt": True},
    ],
)
def test_what_may_be_configured(settings: dict[str, Any], tmp_path: Path) -> None:
    """A destination is kept and read as it was given."""
    destination = DESTINATION.validate_python(settings)
    save_destinations(tmp_path, Destinations(destinations=(destination,)))
    assert load_destinations(tmp_path).destinations == (destination,)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({**_FHIR, "url": "http://ehr.example.org/fhir"}, "not encrypted"),
        ({**_FHIR, "url": "ftp://ehr.example.org"}, "https://host/path"),
        ({**_FHIR, "url": "https://user:pw@ehr.example.org"}, "must not contain a password"),
        ({**_FHIR, "url": "https://ehr.example.org?key=1"}, "password, query"),
        ({**_FHIR, "auth": {**_CLIENT, "token_url": "http://ehr.example.org/t"}}, "not encrypted"),
        ({**_FHIR, "auth": {**_CLIENT, "algorithm": "HS256"}}, "ES384"),
        ({**_FHIR, "ulr": "x"}, "Extra inputs"),
        ({**_FHIR, "name": "Our EHR"}, "pattern"),
        ({**_FOLDER, "format": "docx"}, "'fhir', 'json'"),
        ({**_MQTT, "url": "mqtt://b.example.org"}, "not encrypted"),
        ({**_MQTT, "url": "mqtts://user:pw@b.example.org"}, "pattern"),
        ({**_MQTT, "topic": "in/#"}, "wildcards"),
        ({**_MQTT, "topic": "in/{patient}"}, "placeholders"),
    ],
)
def test_what_may_not(settings: dict[str, Any], why: str) -> None:
    """What would send patient data astray, or holds a secret, is refused with the reason."""
    with pytest.raises(ValidationError, match=why):
        DESTINATION.validate_python(settings)


def test_names_are_unique() -> None:
    """Two destinations of one name are refused."""
    with pytest.raises(ValidationError, match="two destinations have the name 'ehr'"):
        Destinations.model_validate({"v": 1, "destinations": (_FHIR, _FHIR)})


@pytest.mark.parametrize("content", ["", "{", '{"destinations": [{"name": "pw-123"}]}'])
def test_a_broken_file(content: str, tmp_path: Path) -> None:
    """A file that cannot be read is named with the place, not with what stands there."""
    (tmp_path / "delivery.json").write_text(content)
    with pytest.raises(DestinationsError, match=r"delivery\.json cannot be used") as error:
        load_destinations(tmp_path)
    assert "pw-123" not in str(error.value)


def test_no_file_is_no_destination(tmp_path: Path) -> None:
    """A box that nobody told where to deliver to delivers nowhere."""
    assert load_destinations(tmp_path).destinations == ()
