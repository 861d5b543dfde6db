"""Mosquitto's command-line tools alone can pair, run a small session, and are refused.

A device's client id is its own, so the tools take turns: `mosquitto_rr` where an answer is waited
for, `mosquitto_pub` for commands, `mosquitto_sub` for the retained views.
"""

import json
import subprocess
import uuid
from typing import Any

import pytest

from tests.machine import require

from .forms import choice, form, item, options
from .raw import ROOT, Json, Room, pairing_id

SMALL = form(
    "small",
    item("who", "group", item=[item("name", "string", required=True)]),
    item("what", "group", item=[item("plan", "choice", answerOption=options("gold"))]),
)


class Tool:
    """A device that consists of commands of a shell."""

    def __init__(self, port: int, client_id: str, user: str, secret: str | None = None) -> None:
        self.pub, self.sub, self.rr = require("mosquitto_pub", "mosquitto_sub", "mosquitto_rr")
        self.me = user
        self.seq = 0
        self._who = ["-V", "311", "-h", "127.0.0.1", "-p", str(port), "-i", client_id, "-u", user]
        self._who += ["-q", "1"] + (["-P", secret] if secret else [])

    def _run(self, program: str, *more: str) -> str:
        done = subprocess.run(
            [program, *self._who, *more], capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def say(self, topic: str, payload: Json) -> None:
        """Publish, and leave when it is acknowledged."""
        self._run(self.pub, "-t", topic, "-m", json.dumps(payload))

    def call(self, topic: str, payload: Json, answer: str) -> Json:
        """Publish, and wait for what comes on another topic."""
        where = ["-t", topic, "-e", answer, "-W", "10", "-m", json.dumps(payload)]
        found: Json = json.loads(self._run(self.rr, *where))
        return found

    def ask(self, kind: str, **fields: Any) -> Json:
        """Ask, and give the answer from the inbox."""
        body = {"v": 1, "type": kind, "request_id": str(uuid.uuid4()), **fields}
        mine = f"{ROOT}/devices/{self.me}"
        return self.call(f"{mine}/requests", body, f"{mine}/inbox")

    def command(self, kind: str, **fields: Any) -> Json:
        """Make the next command."""
        self.seq += 1
        ids = {"command_id": str(uuid.uuid4()), "seq": self.seq}
        return {"v": 1, "type": kind, **ids, **fields}

    def do(self, session: str, kind: str, **fields: Any) -> None:
        """Send a command."""
        topic = f"{ROOT}/sessions/{session}/commands/{self.me}"
        self.say(topic, self.command(kind, **fields))

    def fail(self, session: str, kind: str, **fields: Any) -> Json:
        """Send a command that is refused, and return the refusal."""
        begins = f"{ROOT}/sessions/{session}"
        return self.call(
            f"{begins}/commands/{self.me}",
            self.command(kind, **fields),
            f"{begins}/rejections/{self.me}",
        )

    def view(self, session: str) -> Json:
        """Fetch the newest view: a PUBACK comes when what it acknowledges is done."""
        topic = f"{ROOT}/sessions/{session}/state/{self.me}"
        lines = self._run(self.sub, "-W", "10", "-C", "1", "--retained-only", "-t", topic)
        found: Json = json.loads(lines)
        return found


@pytest.mark.slow
def test_a_session_by_commands_of_a_shell(clinic: Room) -> None:
    """Enrol by code, open, pair, enter, be refused, move on, complete: nothing but the tools."""
    admin = Tool(clinic.port, "admin-5", "admin-5", clinic.admins["admin-5"])
    added = admin.ask("ADD_FLOW", questionnaire=SMALL)
    assert added["type"] == "FLOW_ADDED", added
    enrolled = admin.ask("ENROL_DEVICE", name="Desk", role="facility", by="code")
    desk = paired(clinic.port, enrolled["code"])
    opened = desk.ask("OPEN_SESSION", flow_id="small")
    session = opened["session"]
    phone = paired(clinic.port, opened["code"].lower())
    assert phone.view(session)["status"] == "active"
    phone.do(session, "ENTER_FIELD", field_id="name", value="Ada")
    assert desk.view(session)["fields"]["name"] == {"value": "Ada"}
    answer = desk.fail(session, "NAVIGATE", step_id="nowhere")
    assert (answer["code"], answer["seq"]) == ("unknown_step", 1)
    desk.do(session, "NAVIGATE", step_id="what")
    assert phone.view(session)["step_id"] == "what"
    phone.do(session, "ENTER_FIELD", field_id="plan", value=choice("gold"))
    desk.do(session, "COMPLETE")
    assert desk.view(session)["status"] == "completed"


def paired(port: int, code: str) -> Tool:
    """Show a code, and become the device that is granted."""
    me = pairing_id()
    shown = {"v": 1, "code": code, "name": "Shell"}
    mine = f"{ROOT}/pairing/{me}"
    answer = Tool(port, me, "pairing").call(f"{mine}/claim", shown, f"{mine}/grant")
    assert "secret" in answer, answer
    return Tool(port, answer["device"], answer["device"], answer["secret"])
