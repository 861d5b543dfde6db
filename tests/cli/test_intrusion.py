"""Ways into a broker that `doctor` tries: a box refuses each, and a broker without rules none."""

from pathlib import Path

import paho.mqtt.publish as publishing
import pytest

from clients.cli import intrusion
from clients.cli.intrusion import Way, ways_in
from clients.sdk.address import Address
from clients.sdk.credential import Credential
from schemas.base import Role
from schemas.topics import ControllerStatusTopic
from tests.cli.conftest import Handrail
from tests.conftest import RunningBox
from tests.contract.serving import mosquitto
from tests.machine import free_port


def test_a_box_refuses_each(box: RunningBox) -> None:
    """And the command that tries is left alone meanwhile."""
    admin = Credential(box.site, "admin-8", Role.ADMIN, box.admins["admin-8"])
    ways = list(ways_in(Address.parse(box.mqtt), box.site, admin))
    assert len({way.name for way in ways}) == len(ways) == 9
    assert [way.name for way in ways if not way.refused] == []


def test_a_broker_without_rules_refuses_none(tmp_path: Path) -> None:
    """Each is found, so none of the tries is one that cannot succeed."""
    port = free_port()
    with mosquitto(tmp_path / "open", port):
        publishing.single(
            ControllerStatusTopic().under("main"),
            b"{}",
            qos=1,
            retain=True,
            hostname="127.0.0.1",
            port=port,
        )
        admin = Credential("main", "admin-8", Role.ADMIN, "any")
        ways = list(ways_in(Address("127.0.0.1", port), "main", admin))
    assert [way.name for way in ways if way.refused] == []


def test_doctor_says_what_a_running_box_lets_in(
    box: RunningBox, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A way that is open is named with what it allows, and makes the command fail."""
    ran = handrail("doctor", "--data", box.data, "--json")
    found = {each["check"]: each for each in ran.json["findings"]}
    assert found["controller"]["level"] == "ok"
    assert found["broker-access"]["text"] == "the broker refuses all that it must"
    monkeypatch.setattr(
        intrusion,
        "ways_in",
        lambda *_: iter([Way("a wrong password", refused=False, meaning="anybody may")]),
    )
    ran = handrail("doctor", "--data", box.data)
    assert ran.code == 2
    assert "the broker accepts a wrong password: anybody may" in ran.out
