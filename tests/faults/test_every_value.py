"""Each value that a patient types is in the record, or patient and staff see that it is not taken.

Made-up sessions on one service without sockets. The screens are the SDK's own outboxes;
their cables come and go, the network orders nothing but each topic, and the staff move at random.
"""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from clients.sdk.errors import Refused
from clients.sdk.requests import new_id
from clients.sdk.session import SessionState, Settled
from schemas.base import Role
from schemas.questionnaire.load import load_flow
from schemas.topics import CommandTopic, PresenceTopic, RejectionTopic, StateTopic, parse
from schemas.wire.commands import COMMAND
from schemas.wire.rejections import Rejection
from schemas.wire.requests import OpenSession
from schemas.wire.views import FacilityView, PatientView, SessionStatus
from session_controller.engine import events as f
from session_controller.service.handlers.flows import keep_flow
from session_controller.service.handlers.sessions import open_session
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device
from tests.engine.play import item

from .conftest import FULL, Note, Rounds
from .loopback import Stage, staged

_SHORT, _FULL = 200, 1_000
"""Sessions in a run of the tests, and in a run of the faults."""
_ROUNDS = 60
_DRAIN = 400
_MORE = [{"question": "more", "operator": "=", "answerBoolean": True}]
_SIGNED = {"url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired"}
_FIELDS = ("name", "more", "detail", "note", "drug", "word")
_STEPS = ("who", "details", "meds", "end")
_FORM = {
    "resourceType": "Questionnaire",
    "status": "active",
    "id": "shuffled",
    "item": [
        item("who", "group", item=[item("name", "string"), item("more", "boolean")]),
        item(
            "details",
            "group",
            item=[item("detail", "string", enableWhen=_MORE), item("note", "string")],
        ),
        item("meds", "group", repeats=True, item=[item("drug", "string", maxLength=9)]),
        item(
            "end",
            "group",
            item=[
                item("word", "string"),
                item("sign", "display", required=False, extension=[_SIGNED]),
            ],
        ),
    ],
}


@dataclass(eq=False)
class Typed:
    """A value as a patient typed it, and what the screen was told of it."""

    session: str
    field_id: str
    value: object
    outcome: object = None


@dataclass(eq=False)
class Screen:
    """A device: the SDK's state of its session, and its cable."""

    device: str
    side: SessionState[Any]
    view_type: type[PatientView] | type[FacilityView]
    up: bool = True
    connection: int = 1
    sent: deque[bytes] = field(default_factory=deque)
    views: deque[bytes] = field(default_factory=deque)
    rejections: deque[bytes] = field(default_factory=deque)
    retained: bytes = b""

    def unplug(self) -> None:
        """Lose the connection, and all that is on its way."""
        self.up = False
        for lane in (self.sent, self.views, self.rejections):
            lane.clear()
        self.side.outbox.lost()

    def plug_in(self) -> None:
        """Come back: the broker gives the view that it retains."""
        self.up = True
        self.connection += 1
        if self.retained:
            self.views.append(self.retained)

    def put(self, type_: str, pending: object = None, **fields: Any) -> Settled[Any]:
        """Queue a command."""
        body = {"v": 1, "type": type_, "command_id": new_id(), "seq": 1, **fields}
        return self.side.put(COMMAND.validate_python(body), pending)  # type: ignore[arg-type]

    def hear(self, rng: Random) -> Settled[Any]:
        """Receive one message: each topic is in order, and nothing else is."""
        lanes = [lane for lane in (self.views, self.rejections) if lane]
        if not lanes:
            return []
        lane = rng.choice(lanes)
        payload = lane.popleft()
        if lane is self.rejections:
            return self.side.hear(Rejection.model_validate_json(payload))
        return self.side.see(self.view_type.model_validate_json(payload))[1]


class Network:
    """The lines between the service and all screens."""

    def __init__(self, stage: Stage) -> None:
        self.screens: dict[str, Screen] = {}
        self.not_taken: dict[str, set[str]] = defaultdict(set)
        """By session, the fields that a view for the staff named as not taken."""
        self.away_at_end: set[str] = set()
        """The sessions that a view for the staff said to have ended while the patient was away."""
        self._stage = stage
        stage.link.publish = self.publish  # type: ignore[method-assign]

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Route what the service publishes."""
        del retain
        found = parse("main", topic)
        screen = self.screens.get(getattr(found, "device", ""))
        if screen is None:
            return
        if isinstance(found, StateTopic):
            screen.retained = payload
            if screen.view_type is FacilityView:
                view = json.loads(payload)
                self.not_taken[found.session] |= view["not_taken"].keys()
                if "patient_away_since" in view:
                    self.away_at_end.add(found.session)
            if screen.up:
                screen.views.append(payload)
        elif isinstance(found, RejectionTopic) and screen.up:
            screen.rejections.append(payload)

    def pump(self, screen: Screen, now: float) -> None:
        """Put on the line what a screen has to send."""
        if screen.up:
            screen.sent.extend(command.to_json() for command in screen.side.take(now))

    def deliver(self, screen: Screen) -> None:
        """Bring one command to the service."""
        if screen.sent:
            topic = CommandTopic(screen.side.session, screen.device).under("main")
            self._stage.link.deliver(topic, screen.sent.popleft())

    def present(self, screen: Screen) -> None:
        """Send the presence of a screen."""
        body = {"v": 1, "online": screen.up, "connection": screen.connection}
        topic = PresenceTopic(screen.device).under("main")
        self._stage.link.deliver(topic, json.dumps(body).encode())


@dataclass
class Couple:
    """A patient and a member of the staff, each with a screen."""

    patient: Screen
    staff: Screen
    rng: Random
    guest: bool
    """Whether the patient has a phone of their own, which cannot come back after the end."""
    typed: list[Typed] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether the session has ended, as the service said last."""
        retained = self.patient.retained
        return bool(retained) and json.loads(retained)["status"] in {"completed", "cancelled"}

    @property
    def gone(self) -> bool:
        """Whether the patient's phone was away at the end."""
        return self.guest and not self.patient.up and self.over

    def act(self, network: Network) -> None:
        """Do something, or nothing."""
        chance = self.rng.random()
        if self.over:
            self.come_to_rest(network)
            return
        if chance < 0.4:
            self._type()
        elif chance < 0.55:
            self._lead()
        elif chance < 0.65:
            screen = self.rng.choice((self.patient, self.staff))
            if screen.up:
                screen.unplug()
            else:
                screen.plug_in()
            network.present(screen)

    def _type(self) -> None:
        """Enter a value in a field that the screen shows, whatever the staff have done since."""
        view = self.patient.side.view
        fields = [one for one in view.enabled if one.endswith(_FIELDS)] if view else []
        if not fields:
            return
        field_id = self.rng.choice(fields)
        value: object = f"{len(self.typed):04}"
        if field_id == "more":
            value = self.rng.random() < 0.5
        elif self.rng.random() < 0.05:
            value = len(self.typed)  # no text: refused for good
        typed = Typed(self.patient.side.session, field_id, value)
        self.typed.append(typed)
        self.settle(self.patient.put("ENTER_FIELD", typed, field_id=field_id, value=value))

    def _lead(self) -> None:
        view = self.staff.side.view
        if view is None:
            return
        signing = view.signature is not None and view.signature.status == "requested"
        acts: list[tuple[str, dict[str, Any]]] = [
            ("NAVIGATE", {"step_id": self.rng.choice(_STEPS)})
        ]
        acts.append(("RESUME" if view.status is SessionStatus.PAUSED else "PAUSE", {}))
        if signing:
            acts = [("CANCEL_SIGNATURE", {})]
        elif self.rng.random() < 0.05:
            acts = [("CANCEL", {"reason": "no more time"})]
        elif view.step_id == "end":
            acts.append(("REQUEST_SIGNATURE", {"field_id": "sign"}))
        kind, fields = self.rng.choice(acts)
        self.staff.put(kind, **fields)

    def come_to_rest(self, network: Network) -> None:
        """Plug everything in, and let the patient enter again."""
        for screen in (self.patient, self.staff):
            if not screen.up and not (screen is self.patient and self.gone):
                screen.plug_in()
                network.present(screen)
        view = self.staff.side.view
        if view is not None and not self.staff.side.undecided:
            if view.status is SessionStatus.PAUSED:
                self.staff.put("RESUME")
            elif view.signature is not None and view.signature.status == "requested":
                self.staff.put("CANCEL_SIGNATURE")

    def settle(self, settled: Settled[Any]) -> None:
        """Note what the patient's screen was told."""
        for typed, outcome in settled:
            if isinstance(typed, Typed):
                assert typed.outcome is None, "told twice"
                typed.outcome = outcome.code if isinstance(outcome, Refused) else "accepted"


async def _couples(stage: Stage, network: Network, count: int) -> list[Couple]:
    flow, names = load_flow(json.dumps(_FORM).encode()), range(count)
    opened: list[Any] = []

    def enrol(work: UnitOfWork) -> None:
        keep_flow(work, flow)
        for n in names:
            for name, role in ((f"desk-{n}", Role.FACILITY), (f"kiosk-{n}", Role.PATIENT)):
                work.put_device(Device(name, name, role, enrolled_at=datetime.now(UTC)))

    def begin(work: UnitOfWork) -> None:
        for n in names:
            desk = work.device(f"desk-{n}")
            assert desk is not None
            patient = f"kiosk-{n}"
            request = OpenSession(request_id="1", flow_id=flow.flow_id, patient_device=patient)
            opened.append(open_session(work, stage.store, desk, request))

    for job in (enrol, begin):
        stage.service.submit(job)
        await stage.service.settled()
    couples = []
    for n, answer in enumerate(opened):
        patient = Screen(f"kiosk-{n}", SessionState(answer.session), PatientView)
        staff = Screen(f"desk-{n}", SessionState(answer.session), FacilityView)
        couples.append(Couple(patient, staff, Random(n), guest=n % 2 == 0))
        for screen in (patient, staff):
            network.screens[screen.device] = screen
            network.present(screen)
    await stage.service.settled()
    return couples


def _entered(stage: Stage, session: str) -> Iterator[tuple[str, object]]:
    for event in stage.store.events(session):
        if isinstance(event.fact, f.FieldEntered):
            yield event.fact.field_id, event.fact.value


def _told(stage: Stage, network: Network, couples: list[Couple]) -> Counter[str]:
    """Count what became of each value; see that the record, or somebody, was told of it."""
    told: Counter[str] = Counter()
    for couple in couples:
        session = couple.patient.side.session
        recorded = Counter(_entered(stage, session))
        for typed in couple.typed:
            key = (typed.field_id, typed.value)
            if typed.outcome == "accepted":
                assert recorded[key] > 0, typed
                told["in the record"] += 1
            elif couple.gone and typed.outcome is None:
                assert session in network.away_at_end, typed
                told["still on a phone that was away at the end"] += 1
            else:
                assert typed.outcome is not None, f"nobody was told: {typed}"
                assert typed.field_id in network.not_taken[session], typed
                told[f"not taken: {typed.outcome}"] += 1
    return told


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_no_value_is_lost_without_a_word(tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Every one is in the log, or its screen was told, and a view for the staff named its field."""
    count = rounds(_SHORT, _FULL)
    async with staged(tmp_path) as stage:
        network = Network(stage)
        couples = await _couples(stage, network, count)
        for now in range(_ROUNDS + _DRAIN):
            busy = False
            for couple in couples:
                if now < _ROUNDS:
                    couple.act(network)
                else:
                    couple.come_to_rest(network)
                for screen in (couple.patient, couple.staff):
                    network.pump(screen, now)
                    network.deliver(screen)
                    settled = screen.hear(couple.rng)
                    couple.settle(settled)
                    waits = screen.side.undecided and not (screen is couple.patient and couple.gone)
                    busy = busy or bool(settled or waits or screen.views)
            await stage.service.settled()
            if now >= _ROUNDS and not busy:
                break
        told = _told(stage, network, couples)
    note(sessions=count, typed=sum(told.values()), **told)
    assert told["in the record"] > 10 * count
    assert told["not taken: wrong_field_kind"] > 0
    assert told["not taken: locked_for_signature"] > 0
    assert told["not taken: session_ended"] > 0
    assert told["still on a phone that was away at the end"] > 0
    if FULL:
        assert told["not taken: field_not_on_this_step"] > 0, "one in a thousand"
