"""The Mosquitto peer: a controller as one writes it with `paho-mqtt` and `sqlite3`.

One thread, one transaction per command, committed with synchronous=FULL before any screen hears
of it. It takes the commands of this job, with the checks that Handrail makes of them.
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

ROOT = "handrail/v1/main"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
Json = dict[str, Any]


class RefusalError(Exception):
    """A command that is not carried out."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code, self.details = code, details


def now() -> str:
    """Give the time as it stands in views."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- the flow ---------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Field:
    """A question of the flow."""

    name: str
    step: int
    kind: str
    required: bool
    conditions: list[Json]
    max_length: int
    pattern: re.Pattern[str] | None
    options: set[str | None]
    sensitive: bool

    def is_on(self, answers: Json) -> bool:
        """Tell whether the answers switch it on."""
        return all(_holds(item, answers) for item in self.conditions)

    def fault(self, value: Any) -> str | None:
        """Tell what is wrong with a value."""
        if self.kind == "boolean":
            return None if isinstance(value, bool) else "Yes or no."
        if self.kind == "integer":
            return None if type(value) is int else "A whole number."
        if self.kind == "date":
            return None if isinstance(value, str) and _is_date(value) else "Not a date."
        if self.kind == "choice":
            codes = [_code(each) for each in (value if isinstance(value, list) else [value])]
            known = all(not self.options or code in self.options for code in codes)
            return None if known else "No choice."
        return self._fault_of_text(value)

    def _fault_of_text(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return None if self.kind == "open-choice" else "Not a text."
        if len(value) > self.max_length:
            return "Too long."
        wrong = self.pattern is not None and not self.pattern.fullmatch(value)
        return "Not in the form that is asked." if wrong else None


def _code(value: Any) -> Any:
    return value.get("code") if isinstance(value, dict) else value


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _holds(item: Json, answers: Json) -> bool:
    verdicts = []
    for when in item["enableWhen"]:
        answer = answers.get(when["question"])
        if when["operator"] == "exists":
            verdicts.append((answer is not None) == when["answerBoolean"])
            continue
        wanted = next(_code(v) for k, v in when.items() if k.startswith("answer"))
        equal = wanted in map(_code, answer if isinstance(answer, list) else [answer])
        verdicts.append(equal if when["operator"] == "=" else answer is not None and not equal)
    return any(verdicts) if item.get("enableBehavior") == "any" else all(verdicts)


class Flow:
    """The steps and fields of a Questionnaire, as far as this job needs them."""

    def __init__(self, questionnaire: Json) -> None:
        self.steps: list[str] = []
        self.on_step: list[list[Field]] = []
        self.fields: dict[str, Field] = {}
        for item in questionnaire["item"]:
            self.steps.append(item["linkId"])
            self.on_step.append([])
            self._collect(item.get("item", []), [item] if "enableWhen" in item else [])

    def _collect(self, items: list[Json], outer: list[Json]) -> None:
        for item in items:
            conditions = [*outer, item] if "enableWhen" in item else outer
            if item["type"] == "group":
                if not item.get("repeats"):
                    self._collect(item.get("item", []), conditions)
            elif item["type"] != "display":
                self._add(item, conditions)
                self._collect(item.get("item", []), conditions)

    def _add(self, item: Json, conditions: list[Json]) -> None:
        more = {e["url"].rpartition("/")[2]: e for e in item.get("extension", [])}
        regex = more.get("regex", {}).get("valueString")
        made = Field(
            name=item["linkId"],
            step=len(self.steps) - 1,
            kind=item["type"],
            required=item.get("required", False),
            conditions=conditions,
            max_length=item.get("maxLength", 10_000),
            pattern=re.compile(regex) if regex else None,
            options={_code(o.get("valueCoding")) for o in item.get("answerOption", [])},
            sensitive=any(name.endswith(":sensitive") for name in more),
        )
        self.fields[made.name] = made
        self.on_step[-1].append(made)


# --- a session --------------------------------------------------------------------------------


@dataclass(slots=True)
class Session:
    """What is held of a session."""

    session: str
    label: str
    host: str
    patient: str
    flow: Flow
    revision: int = 1
    step: int = 0
    furthest: int = 0
    answers: Json = field(default_factory=dict)
    highlight: str | None = None
    focus: str | None = None
    acknowledged: dict[str, int] = field(default_factory=dict)
    online: dict[str, bool] = field(default_factory=dict)
    since: dict[str, str] = field(default_factory=dict)
    updated_at: str = field(default_factory=now)
    enabled: list[list[Field]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    progress: list[tuple[int, int, list[str]]] = field(default_factory=list)

    def assess(self) -> None:
        """See which fields are on, what is wrong with them, and how far each step is."""
        self.enabled = [[f for f in step if f.is_on(self.answers)] for step in self.flow.on_step]
        self.errors.clear()
        self.progress = [self._progress(on) for on in self.enabled]

    def _progress(self, on: list[Field]) -> tuple[int, int, list[str]]:
        filled, required, missing = 0, 0, []
        for each in on:
            value = self.answers.get(each.name)
            fault = None if value is None else each.fault(value)
            if fault:
                self.errors[each.name] = fault
            required += each.required
            filled += each.required and value is not None and not fault
            if fault or (each.required and value is None):
                missing.append(each.name)
        return filled, required, missing

    def field_on_step(self, name: object) -> Field:
        """Find a field that is shown now."""
        if not isinstance(name, str) or not 0 < len(name) <= 1024:
            raise RefusalError("malformed", "field_id")
        found = self.flow.fields.get(name)
        if found is None:
            raise RefusalError("unknown_field", "The flow has no such field.")
        if found not in self.enabled[self.step]:
            raise RefusalError("field_not_on_this_step", "This is on another step.")
        return found

    def state(self) -> str:
        """Write what is stored."""
        kept = ("session", "label", "host", "patient", "revision", "step", "furthest", "answers")
        more = ("highlight", "focus", "acknowledged", "updated_at")
        return json.dumps({name: getattr(self, name) for name in kept + more})


def decide(session: Session, device: str, command: Json) -> Json:
    """Give the fact that a command makes true."""
    last = session.acknowledged.get(device, 0)
    if command["seq"] > last + 1:
        raise RefusalError("sequence_gap", "One is missing.", expected_seq=last + 1)
    kind = command.get("type")
    if kind not in ("NAVIGATE", "HIGHLIGHT_FIELD", "ENTER_FIELD"):
        raise RefusalError("unknown_type", "The type is none that is known here.")
    if device != (session.patient if kind == "ENTER_FIELD" else session.host):
        raise RefusalError("not_allowed_for_role", "This is not for this kind of screen.")
    if command.get("expected_revision") not in (None, session.revision):
        raise RefusalError("stale_revision", "The session has moved on.")
    if kind == "NAVIGATE":
        return _navigate(session, command)
    name = command.get("field_id")
    if kind == "HIGHLIGHT_FIELD":
        if name is not None:
            session.field_on_step(name)
        return {"type": "FieldHighlighted", "field_id": name}
    if session.field_on_step(name).kind == "attachment":
        raise RefusalError("wrong_field_kind", "This field holds a document.")
    if "value" not in command:
        raise RefusalError("malformed", "value")
    return {"type": "FieldEntered", "field_id": name, "value": command["value"]}


def _navigate(session: Session, command: Json) -> Json:
    wanted = command.get("step_id")
    if wanted not in session.flow.steps:
        raise RefusalError("unknown_step", "The flow has no such step.")
    target = session.flow.steps.index(wanted)
    for index in range(session.step, target):
        missing = session.progress[index][2]
        if missing:
            raise RefusalError("step_incomplete", "Something is missing.", fields=missing)
    return {"type": "Navigated", "step_index": target}


def apply(session: Session, fact: Json) -> None:
    """Make a fact true."""
    if fact["type"] == "Navigated":
        session.step = fact["step_index"]
        session.furthest = max(session.furthest, session.step)
        session.highlight = session.focus = None
    elif fact["type"] == "FieldHighlighted":
        session.highlight = fact["field_id"]
    else:
        session.answers[fact["field_id"]] = fact["value"]
        session.focus = fact["field_id"]
        session.assess()


# --- views ------------------------------------------------------------------------------------


def _head(session: Session, device: str) -> Json:
    return {
        "v": 1,
        "session": session.session,
        "revision": session.revision,
        "epoch": 1,
        "updated_at": session.updated_at,
        "acknowledged_seq": session.acknowledged.get(device, 0),
        "status": "active",
        "flow_ref": "pre-registration-000000000000",
        "step_id": session.flow.steps[session.step],
        "step_index": session.step,
        "steps_total": len(session.flow.steps),
        "check_words": ["amber", "river"],
        "highlight": session.highlight,
        "signature": None,
        "help_requested": False,
        "covered": False,
    }


def _fields(session: Session, on: list[Field], *, mask: bool) -> Json:
    shown = {}
    for each in on:
        value = session.answers.get(each.name)
        if value is None:
            continue
        if mask and each.sensitive:
            value = {"masked": True, "length": len(str(value))}
        shown[each.name] = {"value": value}
        if each.name in session.errors:
            shown[each.name]["error"] = session.errors[each.name]
    return shown


def _documents(on: list[Field]) -> Json:
    return {each.name: {"status": "missing"} for each in on if each.kind == "attachment"}


def patient_view(session: Session) -> Json:
    """Show the current step alone."""
    on = session.enabled[session.step]
    return {
        **_head(session, session.patient),
        "enabled": [each.name for each in on],
        "documents": _documents(on),
        "reading": {},
        "fields": _fields(session, on, mask=False),
        "host_online": session.online.get(session.host, False),
    }


def facility_view(session: Session) -> Json:
    """Show the whole flow, sensitive values masked."""
    on = [each for step in session.enabled for each in step]
    return {
        **_head(session, session.host),
        "enabled": [each.name for each in on],
        "documents": _documents(on),
        "reading": {},
        "label": session.label,
        "steps": {
            name: {"status": _status(session, index), "filled": filled, "required": required}
            for index, (name, (filled, required, _)) in enumerate(
                zip(session.flow.steps, session.progress, strict=True)
            )
        },
        "fields": _fields(session, on, mask=True),
        "signatures": {},
        "participants": {
            device: {
                "role": role,
                "online": session.online.get(device, False),
                "since": session.since.get(device),
                "host": device == session.host,
            }
            for device, role in ((session.host, "facility"), (session.patient, "patient"))
        },
        "patient_focus": session.focus,
        "code": None,
        "code_expires_at": None,
    }


def _status(session: Session, index: int) -> str:
    if index == session.step:
        return "current"
    if index > session.furthest:
        return "upcoming"
    return "incomplete" if session.progress[index][2] else "complete"


# --- the controller ---------------------------------------------------------------------------


class Controller:
    """Hears commands and presences, stores, publishes."""

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
        raise RefusalError("malformed", "This is not JSON.") from error
    if not isinstance(command, dict):
        raise RefusalError("malformed", "This is not a JSON object.")
    if command.get("v") != 1:
        raise RefusalError("unsupported_version", "Only version 1 is understood.")
    seq, name = command.get("seq"), command.get("command_id")
    if type(seq) is not int or seq < 1 or not isinstance(name, str) or not _UUID.fullmatch(name):
        raise RefusalError("malformed", "command_id or seq")
    return command


def _no_delay(_: object, __: object, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


if __name__ == "__main__":
    Controller(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).run()
