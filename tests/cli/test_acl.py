"""`handrail acl` on a real Mosquitto, set up as docs/how-to/use-your-broker.md says."""

import json
import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from clients import Credential, FacilityClient, PatientClient
from schemas.base import Role
from schemas.topics import CommandTopic, StateTopic
from tests.machine import find, free_port, needs
from tests.waiting import wait_until

from .conftest import Handrail, Serving

MOSQUITTO, PASSWD = map(find, ("mosquitto", "mosquitto_passwd"))
CONTROLLER = "a-secret-of-the-controller"

pytestmark = needs("mosquitto", "mosquitto_passwd")


@contextmanager
def _mosquitto(folder: Path, acl: str, users: dict[str, str]) -> Iterator[int]:
    """Run Mosquitto with the rules and users, as its documentation has it."""
    folder.mkdir()
    port = free_port()
    (folder / "handrail.acl").write_text(acl)
    (folder / "handrail.passwords").write_text("".join(f"{u}:{p}\n" for u, p in users.items()))
    subprocess.run([str(PASSWD), "-U", str(folder / "handrail.passwords")], check=True)
    for path in folder.iterdir():
        path.chmod(0o600)
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\n"
        f"use_username_as_clientid true\nuser {_me()}\n"
        f"acl_file {folder}/handrail.acl\npassword_file {folder}/handrail.passwords\n"
    )
    process = subprocess.Popen(
        [str(MOSQUITTO), "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _answers(port), "Mosquitto's start")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _credential(given: Any) -> Credential:
    return Credential(given["site"], given["device"], Role(given["role"]), given["secret"])


def test_a_session_on_mosquitto_with_the_rules_of_acl(tmp_path: Path, handrail: Handrail) -> None:
    """Two screens and the command line work; nobody reads or writes what is another's."""
    data = tmp_path / "data"
    desk, kiosk, spy = (
        handrail("device", "enrol", name, "--role", role, "--data", data, "--json").json
        for name, role in (("Desk", "facility"), ("Kiosk", "patient"), ("Spy", "patient"))
    )
    users = {
        "controller-main": CONTROLLER,
        **json.loads((data / "admin.json").read_text()),
        **{given["device"]: given["secret"] for given in (desk, kiosk, spy)},
    }
    with _mosquitto(tmp_path / "mosquitto", handrail("acl").out, users) as port:
        url = f"mqtt://127.0.0.1:{port}"
        broker = f"mqtt://controller-main:{CONTROLLER}@127.0.0.1:{port}"
        with Serving(data, "--broker", broker) as serving:
            assert CONTROLLER not in serving.ready
            opened = handrail(
                *("session", "open", "quick-check-in", "--host", desk["device"]),
                *("--kiosk", kiosk["device"], "--data", data, "--json"),
            ).json
            with (
                FacilityClient(url, _credential(desk)) as staff,
                PatientClient(url, _credential(kiosk)) as patient,
                closing(_Spy(port, spy)) as spied,
            ):
                session = opened["session"]
                patient.wait_for(session)
                staff.wait_for(session)
                spied.forge(session, kiosk["device"])
                patient.ask_for_help(session).result(10)
                seen = staff.wait_for(session, lambda view: view.help_requested)
                assert seen.help_requested
                assert patient.wait_for(session).acknowledged_seq == 1
                assert spied.heard == []
            assert serving.end() == 0


class _Spy:
    """An enrolled device that asks for what is not its own."""

    def __init__(self, port: int, given: Any) -> None:
        self.heard: list[str] = []
        self._subscribed = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=given["device"])
        self._client.username_pw_set(given["device"], given["secret"])
        self._client.on_message = lambda _c, _u, message: self.heard.append(message.topic)
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe([(StateTopic.rule("main"), 1), (CommandTopic.rule("main"), 1)])
        wait_until(lambda: self._subscribed, "the subscription")

    def forge(self, session: str, device: str) -> None:
        """Send a command in another device's name."""
        command = {
            "v": 1,
            "type": "ASK_FOR_HELP",
            "command_id": "00000000-0000-4000-8000-000000000001",
            "seq": 1,
        }
        topic = CommandTopic(session, device).under("main")
        self._client.publish(topic, json.dumps(command), qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_the_rules_are_for_other_brokers_as_data(handrail: Handrail) -> None:
    """`--format json` gives each role's patterns; the site stands in all of them."""
    rules = handrail("acl", "--format", "json", "--site", "clinic-a").json
    assert set(rules) == {"patient", "facility", "admin", "pairing", "controller-clinic-a"}
    for access in rules.values():
        for topic in (*access["publish"], *access["subscribe"]):
            assert topic.startswith("handrail/v1/clinic-a/")
    assert handrail("acl", "--site", "Not A Site").code == 2
