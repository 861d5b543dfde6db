"""Whatever the controller publishes in a session of any form is of the contract's types."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter

from schemas import topics
from schemas.questionnaire.load import load_flow
from schemas.spec.asyncapi import CHANNELS
from schemas.wire.devices import Assignment, ControllerStatus, Lobby, PairingGrant
from schemas.wire.rejections import Rejection
from schemas.wire.requests import Answer
from schemas.wire.views import FacilityView, PatientView, SessionStatus
from session_controller.settings import Settings
from tests.clients.conftest import QUICK
from tests.contract.forms import VISIT
from tests.controller.entering import take_as_it_is
from tests.controller.walking import Walk
from tests.engine.test_moves import FLOW
from tests.faults.loopback import Stage, staged
from tests.flow.everything import EVERYTHING
from tests.flow.filling import OURS

FORMS: dict[str, Any] = {
    **{path.stem: path.read_bytes() for path in sorted(OURS.glob("*.json"))},
    "everything": EVERYTHING,
    "moves": FLOW.canonical,
    "quick": QUICK,
    "visit": VISIT,
}
_AT_ONCE = Settings(lobby_pause=timedelta(0))

_TYPES: dict[type[topics.Topic], TypeAdapter[Any]] = {
    topics.ControllerStatusTopic: TypeAdapter(ControllerStatus),
    topics.GrantTopic: TypeAdapter(PairingGrant | Rejection),
    topics.InboxTopic: TypeAdapter(Annotated[Answer | Rejection, Field(discriminator="type")]),
    topics.AssignmentTopic: TypeAdapter(Assignment),
    topics.LobbyTopic: TypeAdapter(Lobby),
    topics.RejectionTopic: TypeAdapter(Rejection),
}
_VIEWS = {"kiosk": TypeAdapter(PatientView), "desk": TypeAdapter(FacilityView)}
_REQUESTS: dict[str, dict[str, Any]] = {
    "LIST_DEVICES": {},
    "LIST_KIOSKS": {},
    "LIST_FLOWS": {},
    "LIST_SESSIONS": {},
    "SHOW_SESSION": {"session": ...},
    "SESSION_TIMELINE": {"session": ...},
    "LIST_DOCUMENTS": {"session": ...},
}


def check(topic: Any, payload: bytes) -> str:
    """Check that a payload is of its topic's type, whole and with nothing more; return which."""
    kind = type(topic)
    if not payload:
        assert kind.RETAINED, "only a retained topic is cleared"
        return "nothing"
    if kind is topics.DocumentTopic:
        assert len(payload) <= topics.MAX_CHUNK
        return "Bytes"
    if kind is topics.FlowTopic:
        assert load_flow(payload).canonical == payload
        return "Questionnaire"
    adapter = _VIEWS[topic.device] if kind is topics.StateTopic else _TYPES[kind]
    read = adapter.validate_json(payload, strict=True)
    assert json.loads(read.to_json()) == json.loads(payload)
    return type(read).__name__


async def _ask_all(stage: Stage) -> None:
    for type_, fields in _REQUESTS.items():
        stage.ask("it", type_, **dict.fromkeys(fields, stage.session))
    stage.ask("desk", "SYNC", session=stage.session)
    await stage.service.settled()


def test_every_topic_of_the_controller_has_its_types() -> None:
    """Those of the contract: none is left out here."""
    sent = {channel.topic for channel in CHANNELS if not channel.from_device}
    assert sent == {*_TYPES, topics.StateTopic, topics.FlowTopic, topics.DocumentTopic}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("form", FORMS)
async def test_what_is_published_is_of_its_type(tmp_path: Path, form: str, seed: int) -> None:
    """Byte string for byte string, from the first step to the end, refusals and detours too."""
    flow = load_flow(FORMS[form])
    async with staged(tmp_path, settings=_AT_ONCE, inspect=take_as_it_is) as stage:
        await stage.open(flow)
        seen = await Walk(stage, flow, Random(seed)).to_its_end()
        assert seen.status is SessionStatus.COMPLETED
        await _ask_all(stage)
        kinds: Counter[str] = Counter()
        for name, payload in stage.link.published:
            kinds[check(topics.parse("main", name), payload)] += 1
    assert {"PatientView", "FacilityView", "Rejection", "Questionnaire", "Lobby"} <= kinds.keys()
    assert {"ControllerStatus", "Assignment", "SessionJoined", "Timeline"} <= kinds.keys()
