"""A device as anyone could write it from the wire contract alone: paho-mqtt, json, topics by hand.

Nothing of Handrail is imported here. Everything waits for an event, with a deadline.
"""

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

DEADLINE = 30.0
ROOT = "handrail/v1/main"
FINAL = ("completed", "cancelled", "expired")

Json = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """What arrived."""

    topic: str
    payload: bytes
    retain: bool
    qos: int

    @property
    def json(self) -> Any:
        """Read the payload."""
        return json.loads(self.payload)


class Refused(Exception):  # noqa: N818 - what CONNACK says
    """The broker refused the CONNECT."""


class Peer:
    """One MQTT connection after the other of one client; all that arrived stays in `messages`."""

    def __init__(
        self,
        port: int,
        client_id: str,
        user: str | None = None,
        password: str | bytes | None = None,
        *,
        clean: bool = True,
        transport: Literal["tcp", "websockets"] = "tcp",
    ) -> None:
        self.port, self.client_id, self.transport = port, client_id, transport
        self.user, self.password, self.clean = user, password, clean
        self.messages: list[Message] = []
        self.connected = False
        self.closed = threading.Event()
        self._changed = threading.Condition()
        self._answers: dict[int, list[int]] = {}
        self._acked: set[int] = set()
        self._connack: ReasonCode | None = None
        self._client: mqtt.Client | None = None

    def connect(self, will: tuple[str, bytes | str, bool] | None = None) -> "Peer":
        """Connect; raises `Refused` with the reason that the broker gave."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            clean_session=self.clean,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            transport=self.transport,
        )
        if self.user is not None:
            client.username_pw_set(self.user)
            client._password = (  # bytes too, which the setter does not take
                self.password.encode() if isinstance(self.password, str) else self.password
            )
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=will[2])
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_socket_open = _no_delay
        self._connack, self._client = None, client
        self._acked.clear()
        self.closed.clear()
        client.connect("127.0.0.1", self.port, keepalive=60)
        client.loop_start()
        self._until(lambda: self._connack is not None or self.closed.is_set())
        if self._connack is None or self._connack.is_failure:
            client.loop_stop()
            raise Refused(str(self._connack))
        return self

    def _on_connect(self, _c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        with self._changed:
            self._connack = code
            self.connected = not code.is_failure
            self._changed.notify_all()

    def _on_disconnect(self, *_: object) -> None:
        with self._changed:
            self.connected = False
            self.closed.set()
            self._changed.notify_all()

    def _on_message(self, _c: object, _u: object, found: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.messages.append(
                Message(found.topic, bytes(found.payload), bool(found.retain), found.qos)
            )
            self._changed.notify_all()

    def _on_subscribe(
        self, _c: object, _u: object, mid: int, codes: list[ReasonCode], _p: object
    ) -> None:
        with self._changed:
            self._answers[mid] = [code.value for code in codes]
            self._changed.notify_all()

    def _on_publish(self, _c: object, _u: object, mid: int, *_: object) -> None:
        with self._changed:
            self._acked.add(mid)
            self._changed.notify_all()

    def _until(self, done: Callable[[], Any], deadline: float = DEADLINE, what: str = "") -> Any:
        end = time.monotonic() + deadline
        with self._changed:
            while not (found := done()):
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    last = "\n".join(f"{m.topic} {m.payload[:300]!r}" for m in self.messages[-3:])
                    raise AssertionError(f"{self.client_id}: not in time: {what}\n{last}")
            return found

    @property
    def client(self) -> mqtt.Client:
        """The connection of now."""
        assert self._client is not None
        return self._client

    def subscribe(self, *filters: str, qos: int = 1) -> list[int]:
        """Subscribe, and give what SUBACK says of each filter (128 is a refusal)."""
        _, mid = self.client.subscribe([(f, qos) for f in filters])
        assert mid is not None
        answer: list[int] = self._until(
            lambda: self._answers.get(mid) or (self.closed.is_set() and [128]), what="SUBACK"
        )
        return answer

    def publish(
        self, topic: str, payload: bytes | str | Json, *, retain: bool = False, qos: int = 1
    ) -> int:
        """Publish without waiting."""
        body = json.dumps(payload) if isinstance(payload, dict) else payload
        return self.client.publish(topic, body, qos=qos, retain=retain).mid

    def deliver(self, topic: str, payload: bytes | str | Json, *, retain: bool = False) -> bool:
        """Publish and wait for PUBACK; False if the broker closed the connection instead."""
        mid = self.publish(topic, payload, retain=retain)
        self._until(lambda: mid in self._acked or self.closed.is_set(), what="PUBACK")
        return mid in self._acked

    def wait(
        self, match: Callable[[Message], Any], since: int = 0, deadline: float = DEADLINE
    ) -> Message:
        """Return the first matching message from position `since` on; wait for it."""
        found: Message = self._until(
            lambda: next((m for m in self.messages[since:] if match(m)), None), deadline, "message"
        )
        return found

    def mark(self) -> int:
        """Return the position after the last message received."""
        with self._changed:
            return len(self.messages)

    def wait_closed(self, deadline: float = DEADLINE) -> None:
        """Wait until the broker has closed the connection."""
        self._until(self.closed.is_set, deadline, "the connection's end")

    def vanish(self) -> None:
        """Lose the connection: the socket closes without a DISCONNECT."""
        client = self.client
        found = client.socket()
        if found is not None:
            _reset(found)
        self._until(self.closed.is_set, what="the connection's end")
        client.loop_stop()

    def close(self) -> None:
        """Disconnect as MQTT wants it."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None


def _no_delay(_client: object, _userdata: object, found: Any) -> None:
    if isinstance(found, socket.socket):  # not in a WebSocket
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reset(found: Any) -> None:
    try:
        found.shutdown(socket.SHUT_RDWR)
    except OSError:  # gone already
        return


class Device(Peer):
    """An enrolled device: presence with its will, its own topics, commands and requests."""

    def __init__(self, port: int, device: str, secret: str) -> None:
        super().__init__(port, device, device, secret)
        self.device, self.secret = device, secret
        self.connection = 0
        self.seq: dict[str, int] = {}

    def online(self) -> "Device":
        """Connect as the contract wants it: will, subscriptions, presence."""
        self.connection += 1
        here, gone = (
            json.dumps({"v": 1, "online": online, "connection": self.connection})
            for online in (True, False)
        )
        presence = f"{ROOT}/devices/{self.device}/presence"
        self.connect(will=(presence, gone, True))
        self.subscribe(
            f"{ROOT}/controller/status",
            f"{ROOT}/devices/{self.device}/inbox",
            f"{ROOT}/devices/{self.device}/assignment",
            f"{ROOT}/devices/{self.device}/lobby",
            f"{ROOT}/sessions/+/state/{self.device}",
            f"{ROOT}/sessions/+/rejections/{self.device}",
            f"{ROOT}/sessions/+/documents/{self.device}/#",
        )
        self.deliver(presence, here, retain=True)
        return self

    # Requests

    def request(self, kind: str, request_id: str | None = None, **fields: Any) -> Json:
        """Ask, and give the answer with the same `request_id`, whatever it is."""
        request_id = request_id or str(uuid.uuid4())
        since = self.mark()
        body = {"v": 1, "type": kind, "request_id": request_id, **fields}
        self.publish(f"{ROOT}/devices/{self.device}/requests", body)
        answer: Json = self.wait(
            lambda m: m.topic.endswith("/inbox") and m.json.get("request_id") == request_id, since
        ).json
        return answer

    def ask(self, kind: str, answer: str, /, **fields: Any) -> Json:
        """Ask, and expect an answer of that type."""
        found = self.request(kind, **fields)
        assert found["type"] == answer, found
        return found

    def ask_in_vain(self, kind: str, refusal: str, /, **fields: Any) -> Json:
        """Ask, and expect that refusal."""
        found = self.request(kind, **fields)
        assert (found["type"], found.get("code")) == ("REJECTION", refusal), found
        assert {"command_id", "seq"}.isdisjoint(found), found
        return found

    # Views

    def views(self, session: str, since: int = 0) -> list[Json]:
        """Return all views of a session that have arrived."""
        topic = f"{ROOT}/sessions/{session}/state/{self.device}"
        return [m.json for m in self.messages[since:] if m.topic == topic and m.payload]

    def newest(self, session: str) -> Json | None:
        """Return the view that this device shows: older ones are ignored."""
        found: Json | None = None
        for view in self.views(session):
            if found is None or _age(view) >= _age(found):
                found = view
        return found

    def view(
        self, session: str, match: Callable[[Json], Any] = bool, deadline: float = DEADLINE
    ) -> Json:
        """Return the newest view, as soon as it matches."""

        def found() -> Json | None:
            view = self.newest(session)
            return view if view is not None and match(view) else None

        view: Json = self._until(
            found, deadline, f"a view like that; newest {self.newest(session)}"
        )
        return view

    # Commands

    def send(self, session: str, kind: str, **fields: Any) -> Json:
        """Publish a command with the next `seq`, and give it."""
        seq = self.seq[session] = self.seq.get(session, 0) + 1
        command = {
            "v": 1,
            "type": kind,
            "command_id": str(uuid.uuid4()),
            "seq": seq,
            "sent_at": "2026-11-22T10:15:02.120Z",
            **fields,
        }
        self.seq[session] = command["seq"]
        self.say(session, command)
        return command

    def say(self, session: str, command: Json) -> None:
        """Publish a command as it is."""
        self.publish(f"{ROOT}/sessions/{session}/commands/{self.device}", command)

    def answer(self, session: str, command: Json, since: int = 0) -> Json:
        """Return the view that acknowledges a command, or its rejection, whichever comes first.

        Topics are not ordered among each other: a view that acknowledges tells of the refusal too.
        """

        def found() -> Json | None:
            for message in self.messages[since:]:
                if not message.payload:
                    continue
                if message.topic == f"{ROOT}/sessions/{session}/rejections/{self.device}":
                    refusal: Json = message.json
                    if refusal.get("command_id") == command["command_id"]:
                        return refusal
                if message.topic == f"{ROOT}/sessions/{session}/state/{self.device}":
                    view: Json = message.json
                    if view["acknowledged_seq"] >= command["seq"]:
                        return _refusal_in(view, command) or view
            return None

        answer: Json = self._until(found, what=f"answer to {command}")
        return answer

    def do(self, session: str, kind: str, **fields: Any) -> Json:
        """Send a command that must be accepted; gives the view that shows it."""
        since, before = self.mark(), self.newest(session)
        command = self.send(session, kind, **fields)
        view = self.answer(session, command, since)
        assert view.get("type") != "REJECTION", view
        assert before is None or view["revision"] > before["revision"], (before, view)
        return view

    def fail(self, session: str, kind: str, code: str, **fields: Any) -> Json:
        """Send a command that must be refused with that code, and recorded."""
        before = self.sync(session) if self.newest(session) else None
        since = self.mark()
        command = self.send(session, kind, **fields)
        topic = f"{ROOT}/sessions/{session}/rejections/{self.device}"
        refusal: Json = self.wait(lambda m: m.topic == topic, since).json
        check_rejection(refusal, code)
        assert refusal["command_id"] == command["command_id"], refusal
        assert refusal["seq"] == command["seq"], refusal
        if before is not None:
            view = self.view(session, lambda v: v["acknowledged_seq"] == command["seq"])
            assert view["revision"] == before["revision"], (before, view)
        return refusal

    def sync(self, session: str) -> Json:
        """Return the view after requesting that it is published again."""
        since = self.mark()
        self.publish(
            f"{ROOT}/devices/{self.device}/requests",
            {"v": 1, "type": "SYNC", "request_id": str(uuid.uuid4()), "session": session},
        )
        topic = f"{ROOT}/sessions/{session}/state/{self.device}"
        view: Json = self.wait(lambda m: m.topic == topic and m.payload, since).json
        return view


def check_rejection(refusal: Json, code: str) -> None:
    """See that a rejection has the contract's form and that code."""
    assert refusal["v"] == 1
    assert refusal["type"] == "REJECTION"
    assert refusal["code"] == code, refusal
    assert isinstance(refusal["message"], str)
    assert refusal["message"]
    assert isinstance(refusal.get("details", {}), dict)


def _refusal_in(view: Json, command: Json) -> Json | None:
    """Return what a view says of a command's refusal, as its rejection says it, or None."""
    for refused in view["refused"]:
        if refused["command_id"] == command["command_id"]:
            return {"v": 1, "type": "REJECTION", **refused}
    return None


def acknowledges(seq: int) -> Callable[[Json], bool]:
    """Match a view that tells that so many commands were decided."""
    return lambda view: view["acknowledged_seq"] >= seq


def on(topic: str) -> Callable[[Message], bool]:
    """Match a message that is not the clearing of its topic."""
    return lambda message: message.topic == topic and bool(message.payload)


def _age(view: Json) -> tuple[int, int, int]:
    return view["epoch"], view["revision"], view["acknowledged_seq"]


def pairing_id() -> str:
    """Make up a client id as the unenrolled do."""
    return f"pairing-{uuid.uuid4().hex}"


def claim(port: int, code: Any, client_id: str | None = None, **fields: Any) -> Json:
    """Show a code as a device that is not enrolled, and give the answer."""
    peer = Peer(port, client_id or pairing_id(), "pairing").connect()
    try:
        return claim_on(peer, {"v": 1, "code": code, **fields})
    finally:
        peer.close()


def claim_on(peer: Peer, body: bytes | str | Json) -> Json:
    """Show a code on an open connection, and give the answer."""
    grant = f"{ROOT}/pairing/{peer.client_id}/grant"
    peer.subscribe(grant)
    since = peer.mark()
    peer.publish(f"{ROOT}/pairing/{peer.client_id}/claim", body)
    answer: Json = peer.wait(lambda m: m.topic == grant, since).json
    return answer


class Room:
    """The connections of one test, all closed in the end."""

    def __init__(self, port: int, admins: dict[str, str]) -> None:
        self.port, self.admins = port, admins
        self._stack = ExitStack()
        self._admin: Device | None = None

    def keep(self, peer: Any) -> Any:
        """Close that connection in the end."""
        self._stack.callback(peer.close)
        return peer

    def device(self, device: str, secret: str) -> Device:
        """Bring an enrolled device online."""
        found = Device(self.port, device, secret)
        self.keep(found)
        return found.online()

    @property
    def admin(self) -> Device:
        """Facility IT's device."""
        if self._admin is None:
            name = min(self.admins)
            self._admin = self.device(name, self.admins[name])
        return self._admin

    def enrol(self, role: str, name: str = "A screen") -> Device:
        """Enrol a device by its secret, and bring it online."""
        found = self.admin.ask("ENROL_DEVICE", "DEVICE_ENROLLED", name=name, role=role, by="secret")
        return self.device(found["device"], found["secret"])

    def pair(self, code: str) -> Device:
        """Bring a guest's phone in by a session code."""
        grant = claim(self.port, code)
        assert "secret" in grant, grant
        return self.device(grant["device"], grant["secret"])

    def stop(self) -> None:
        """Close everything."""
        self._stack.close()


@contextmanager
def room(port: int, admins: dict[str, str]) -> Iterator[Room]:
    """Yield a room, and close its connections in the end."""
    found = Room(port, admins)
    try:
        yield found
    finally:
        found.stop()


class Pair:
    """A session with its two screens: `staff` is the host, `guest` the patient's."""

    def __init__(self, where: Room, form: Json, *, staff: Device | None = None) -> None:
        where.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=form)
        self.room = where
        self.staff = staff or where.enrol("facility", "Desk")
        self.opened = self.staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id=form["id"])
        self.session: str = self.opened["session"]
        self.flow_ref: str = self.opened["flow_ref"]
        self.patient = where.pair(self.opened["code"])
        self.patient.view(self.session)
        self.staff.view(
            self.session,
            lambda v: v["participants"].get(self.patient.device, {}).get("online"),
        )

    # The staff's side

    def lead(self, kind: str, **fields: Any) -> Json:
        """Send a command of the staff that must be accepted."""
        return self.staff.do(self.session, kind, **fields)

    def lead_in_vain(self, kind: str, code: str, **fields: Any) -> Json:
        """Send a command of the staff that must be refused."""
        return self.staff.fail(self.session, kind, code, **fields)

    def go(self, step: str, **fields: Any) -> Json:
        """Move to a step, and give the patient's view there."""
        view = self.lead("NAVIGATE", step_id=step, **fields)
        return self.patient.view(self.session, lambda v: v["revision"] >= view["revision"])

    # The patient's side

    def fill(self, kind: str, **fields: Any) -> Json:
        """Send a command of the patient that must be accepted."""
        return self.patient.do(self.session, kind, **fields)

    def fill_in_vain(self, kind: str, code: str, **fields: Any) -> Json:
        """Send a command of the patient that must be refused."""
        return self.patient.fail(self.session, kind, code, **fields)

    def enter(self, **values: Any) -> Json:
        """Enter values on the current step; `_` in a name stands for `-`."""
        view: Json = {}
        for name, value in values.items():
            view = self.fill("ENTER_FIELD", field_id=name.replace("_", "-"), value=value)
        return view

    def both(self) -> tuple[Json, Json]:
        """Return the staff's and the patient's view, both of the same, newest revision."""
        revision = self.staff.sync(self.session)["revision"]
        return (
            self.staff.view(self.session, lambda v: v["revision"] >= revision),
            self.patient.view(self.session, lambda v: v["revision"] >= revision),
        )

    def refuse_while(self, code: str, sends: list[tuple[str, str, Json]]) -> None:
        """See that each of those commands of `staff` or `patient` is refused with that code."""
        for who, kind, fields in sends:
            device: Device = getattr(self, who)
            device.fail(self.session, kind, code, **fields)
