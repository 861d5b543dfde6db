"""A session of the Mosquitto peer: the effect of commands, and the views of its two screens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .mosquitto_flow import Field, Flow, Json


class RefusalError(Exception):
    """A command was refused."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code, self.details = code, details


def now() -> str:
    """Return the current time, formatted as in views."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Session:
    """The state of a session."""

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
        """Compute the enabled fields, their errors, and the progress of each step."""
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
        """Return a field of the current step."""
        if not isinstance(name, str) or not 0 < len(name) <= 1024:
            raise RefusalError("malformed", "field_id")
        found = self.flow.fields.get(name)
        if found is None:
            raise RefusalError("unknown_field", "The flow has no such field.")
        if found not in self.enabled[self.step]:
            raise RefusalError("field_not_on_this_step", "This field is on another step.")
        return found

    def state(self) -> str:
        """Return the state to store."""
        kept = ("session", "label", "host", "patient", "revision", "step", "furthest", "answers")
        more = ("highlight", "focus", "acknowledged", "updated_at")
        return json.dumps({name: getattr(self, name) for name in kept + more})


def decide(session: Session, device: str, command: Json) -> Json:
    """Return the event that results from a command. Raises RefusalError."""
    last = session.acknowledged.get(device, 0)
    if command["seq"] > last + 1:
        raise RefusalError("sequence_gap", "One is missing.", expected_seq=last + 1)
    kind = command.get("type")
    if kind not in ("NAVIGATE", "HIGHLIGHT_FIELD", "ENTER_FIELD"):
        raise RefusalError("unknown_type", "Unknown message type.")
    if device != (session.patient if kind == "ENTER_FIELD" else session.host):
        raise RefusalError(
            "not_allowed_for_role", "This command is not allowed for this kind of screen."
        )
    if command.get("expected_revision") not in (None, session.revision):
        raise RefusalError("stale_revision", "The session has changed since.")
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
    """Apply an event to the session."""
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
    """Return the patient's view: the current step only."""
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
    """Return the facility's view: the whole flow, with sensitive values masked."""
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
