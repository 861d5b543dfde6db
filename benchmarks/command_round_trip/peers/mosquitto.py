"""The Mosquitto peer: a straightforward controller on `paho-mqtt` and `sqlite3`.

One thread, one transaction per command, committed with synchronous=FULL before any screen receives
its effect. It accepts the commands of this job, with the same checks as Handrail.
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from .mosquitto_flow import Flow, Json
from .mosquitto_session import (
    RefusalError,
    Session,
    apply,
    decide,
    facility_view,
    now,
    patient_view,
)

ROOT = "handrail/v1/main"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Controller:
    """Receives commands and presences, stores, publishes."""

    def __init__(self, order: Json) -> None:
        self.order = order
        flow = Flow(json.loads(Path(order["flow"]).read_text(encoding="utf-8")))
        self.sessions = {
            name: Session(name, f"Room {number}", host, patient, flow)
            for number, (name, host, patient) in enumerate(order["plan"])
        }
        self.session_of = {d: s for s in self.sessions.values() for d in (s.host, s.patient)}
        self.database = sqlite3.connect(
            order["database"], isolation_level=None, check_same_thread=False
        )
        self._make_tables()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="controller")
        self.client.username_pw_set("controller", order["controller_secret"])
        self.client.max_queued_messages_set(0)
        self.client.max_inflight_messages_set(1_000)
        self.client.on_connect = self._connected
        self.client.on_message = self._message
        self.client.on_socket_open = _no_delay

    def _make_tables(self) -> None:
        execute = self.database.execute
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("CREATE TABLE sessions (session TEXT PRIMARY KEY, revision INTEGER, state TEXT)")
        execute(
            "CREATE TABLE events (id INTEGER PRIMARY KEY, session TEXT, revision INTEGER, at TEXT,"
            " device TEXT, seq INTEGER, command_id TEXT, fact TEXT, UNIQUE (session, device, seq))"
        )
        execute("BEGIN IMMEDIATE")
        for session in self.sessions.values():
            session.assess()
            self._store(session)
        execute("COMMIT")

    def _store(self, session: Session) -> None:
        row = session.session, session.revision, session.state()
        self.database.execute("INSERT OR REPLACE INTO sessions VALUES (?,?,?)", row)

    def run(self) -> None:
        """Serve."""
        self.client.connect("127.0.0.1", self.order["port"])
        self.client.loop_forever()

    def _connected(self, *_: object) -> None:
        for session in self.sessions.values():
            self._publish(session)
        kinds = "devices/+/presence", "sessions/+/commands/+"
        self.client.subscribe([(f"{ROOT}/{kind}", 1) for kind in kinds])

    def _message(self, _: object, __: object, message: mqtt.MQTTMessage) -> None:
        levels = message.topic.split("/")
        device = levels[4] if levels[3] == "devices" else levels[6]
        session = self.session_of.get(device)
        if session is None:
            return
        if levels[3] == "devices":
            self._present(session, device, json.loads(message.payload))
        elif session.session == levels[4]:
            self._command(session, device, bytes(message.payload))

    def _present(self, session: Session, device: str, presence: Json) -> None:
        if session.online.get(device) == presence["online"]:
            return
        session.online[device] = presence["online"]
        session.revision += 1
        session.updated_at = session.since[device] = now()
        self.database.execute("BEGIN IMMEDIATE")
        self._store(session)
        self.database.execute("COMMIT")
        self._publish(session)

    def _command(self, session: Session, device: str, payload: bytes) -> None:
        command: Json = {}
        try:
            command = _read(payload)
            if command["seq"] <= session.acknowledged.get(device, 0):
                self._publish(session)
                return
            fact = decide(session, device, command)
        except RefusalError as refusal:
            self._refuse(session, device, command, refusal)
            return
        apply(session, fact)
        session.revision += 1
        session.acknowledged[device] = command["seq"]
        session.updated_at = now()
        self._commit(session, device, command, fact)
        self._publish(session)

    def _commit(self, session: Session, device: str, command: Json, fact: Json) -> None:
        execute = self.database.execute
        execute("BEGIN IMMEDIATE")
        execute(
            "INSERT INTO events (session, revision, at, device, seq, command_id, fact)"
            " VALUES (?,?,?,?,?,?,?)",
            (
                session.session,
                session.revision,
                session.updated_at,
                device,
                command["seq"],
                command["command_id"],
                json.dumps(fact),
            ),
        )
        self._store(session)
        execute("COMMIT")

    def _publish(self, session: Session) -> None:
        views = (session.host, facility_view(session)), (session.patient, patient_view(session))
        for device, view in views:
            topic = f"{ROOT}/sessions/{session.session}/state/{device}"
            payload = json.dumps(view, separators=(",", ":"))
            self.client.publish(topic, payload, qos=1, retain=True)

    def _refuse(self, session: Session, device: str, command: Json, refusal: RefusalError) -> None:
        rejection = {
            "v": 1,
            "type": "REJECTION",
            "command_id": command.get("command_id"),
            "seq": command.get("seq"),
            "code": refusal.code,
            "message": str(refusal),
            "details": refusal.details,
        }
        topic = f"{ROOT}/sessions/{session.session}/rejections/{device}"
        self.client.publish(topic, json.dumps(rejection, separators=(",", ":")), qos=1)


def _read(payload: bytes) -> Json:
    try:
        command = json.loads(payload)
    except ValueError as error:
        raise RefusalError("malformed", "The payload is not JSON.") from error
    if not isinstance(command, dict):
        raise RefusalError("malformed", "The payload is not a JSON object.")
    if command.get("v") != 1:
        raise RefusalError("unsupported_version", "Only version 1 is supported.")
    seq, name = command.get("seq"), command.get("command_id")
    if type(seq) is not int or seq < 1 or not isinstance(name, str) or not _UUID.fullmatch(name):
        raise RefusalError("malformed", "command_id or seq")
    return command


def _no_delay(_: object, __: object, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    Controller(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).run()
