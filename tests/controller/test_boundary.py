"""The transaction boundary: what fails before the commit is dropped whole, and nothing after it."""

import dataclasses
import random
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli import embedded_broker
from schemas.base import Role
from schemas.topics import GrantTopic, InboxTopic, RejectionTopic
from schemas.wire import parse
from schemas.wire.rejections import RejectionCode
from schemas.wire.staff import StaffRole
from session_controller.box import Box, BoxSettings
from session_controller.engine.refusal import Refusal
from session_controller.errors import StoreError
from session_controller.integrity.data_folder import verify
from session_controller.security.codes import secret_hash
from session_controller.service.desks import Desk, SignedIn
from session_controller.service.handlers.requests import HANDLERS, _outcome
from session_controller.service.handlers.timers import everyone_left, run_timers
from session_controller.service.publisher import Publisher
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.entities import Device, Person
from session_controller.storage.store import Store
from session_controller.transport.mqtt import BrokerUrl, MqttLink
from tests.faults.loopback import Stage, staged

from .entering import enter_step_one, looked, take_as_it_is, upload

AT = datetime(2040, 1, 1, tzinfo=UTC)
IMPATIENT = Settings(commit_patience=timedelta(0))


@contextmanager
def broken_disk() -> Iterator[None]:
    """Refuse every transaction that writes, for as long as the block runs."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_write", full)
        yield


# --- the five faults ---------------------------------------------------------------------------


async def test_a_secret_that_is_answered_is_the_one_whose_hash_is_stored(tmp_path: Path) -> None:
    """A kiosk that was enrolled while the disk failed can connect with what it was given."""
    async with staged(tmp_path) as stage:
        await stage.open()
        with broken_disk():
            stage.ask("it", "ENROL_DEVICE", name="Tablet", role="patient")
            await stage.service.settled()
            assert stage.said(InboxTopic("it")) == []
        await stage.retry()
        [answer] = stage.said(InboxTopic("it"))
        stored = {device.device: device for device in stage.store.devices()}
        assert stored["tablet"].secret_sha256 == secret_hash(answer["secret"])
        assert stage.service.registry.devices["tablet"] == stored["tablet"]


async def test_a_write_that_was_undone_leaves_no_trace(tmp_path: Path) -> None:
    """Neither a gap in the log nor a session that cannot be read, once it is tried again."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with staged(tmp_path) as stage:
        await stage.open()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "_write_deliveries", full)  # after the log was written
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            stage.ask("desk", "OPEN_SESSION", flow_id="quick-check-in")
            await stage.service.settled()
        await stage.retry()
        assert stage.said(InboxTopic("desk"))[-1]["type"] == "SESSION_OPENED"
    checked = verify(tmp_path / "handrail.sqlite")
    assert (checked.sessions, checked.faults) == (2, ())


async def test_a_request_that_is_sent_again_gets_the_same_secret(tmp_path: Path) -> None:
    """An answer that was lost is repeated: the first one, should it have arrived, still works."""
    async with staged(tmp_path) as stage:
        await stage.open()
        for _ in range(2):
            stage.ask("it", "ENROL_DEVICE", name="Tablet", role="patient", request_id="1")
            await stage.service.settled()
        first, again = stage.said(InboxTopic("it"))
        assert again == first
        assert stage.store.devices()[-1].secret_sha256 == secret_hash(first["secret"])


async def test_a_message_beside_a_bug_makes_one_secret(tmp_path: Path, monkeypatch: Any) -> None:
    """Another message of the same batch that hits a bug changes nothing about an enrolment."""
    async with staged(tmp_path) as stage:
        await stage.open()

        def bug(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr("session_controller.service.service.handle_claim", bug)
        stage.ask("it", "ENROL_DEVICE", name="Tablet", role="patient")
        claimed = stage.claim("pairing-" + "0" * 32, "BBBBBBBB")
        await stage.service.settled()
        answer = stage.said(InboxTopic("it"))[-1]
        stored = {device.device: device for device in stage.store.devices()}
        assert stored["tablet"].secret_sha256 == secret_hash(answer["secret"])
        assert claimed.acknowledged == 1, "it was refused for good, and that is on disk"
        assert stage.said(GrantTopic("pairing-" + "0" * 32))[-1]["code"] == "unavailable"
        assert any(b"OutsiderRefused" in (e.content or b"") for e in stage.store.entries())


async def test_a_wrong_code_is_counted_once(tmp_path: Path) -> None:
    """However often its batch is handled, and only once it is on disk that it was refused."""
    client = "pairing-" + "1" * 32
    async with staged(tmp_path) as stage:
        await stage.open()
        with broken_disk():
            stage.claim(client, "BBBBBBBB")
            stage.ask("kiosk", "JOIN_SESSION", code="CCCCCCCC")
            await stage.service.settled()
            await stage.retry()
            assert not stage.service.registry.rate_limit.wrong_at
        await stage.retry()
        assert len(stage.service.registry.rate_limit.wrong_at) == 2
        assert stage.service.registry.rate_limit.by_client == {client: 1, "kiosk": 1}


async def test_what_fails_after_the_commit_is_not_handled_again(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """It is on disk: it is acknowledged, and is in the log once."""
    async with staged(tmp_path) as stage:
        await stage.open()
        before = stage.store.state(stage.session).revision

        def bug(*_: object) -> None:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr(Publisher, "publish", bug)
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Eve")
            await stage.service.settled()
        assert stage.store.state(stage.session).revision == before + 2
        assert [d.acknowledged for d in stage.link.delivered[-2:]] == [1, 1]
        assert stage.service.registry.sessions[stage.session].state.revision == before + 2
        assert stage.said(RejectionTopic(stage.session, "kiosk")) == []


async def test_a_puback_means_on_disk(tmp_path: Path) -> None:
    """While nothing can be stored nothing is acknowledged; then all is, in order, unasked."""
    async with staged(tmp_path) as stage:
        await stage.open()
        with broken_disk():
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Eve")
            stage.online("desk", connection=2)
            stage.ask("it", "ENROL_DEVICE", name="Tablet", role="patient")
            await stage.service.settled()
            await stage.retry()
            four = stage.link.delivered[-4:]
            assert [(d.acknowledged, d.given_back) for d in four] == [(0, 0)] * 4
            assert stage.said(RejectionTopic(stage.session, "kiosk")) == []
        await stage.retry()
        assert [(d.acknowledged, d.given_back) for d in four] == [(1, 0)] * 4
        state = stage.store.state(stage.session)
        assert state.answers["last-name"] == "Eve"
        assert state.acknowledged["kiosk"] == 2


async def test_what_cannot_be_stored_for_long_is_refused_and_not_acknowledged(
    tmp_path: Path,
) -> None:
    """`unavailable`, and its PUBACK withheld, so that MQTT delivers it again."""
    async with staged(tmp_path, settings=IMPATIENT) as stage:
        await stage.open()
        with broken_disk():
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            stage.online("desk", connection=2)
            stage.ask("it", "ENROL_DEVICE", name="Tablet", role="patient")
            stage.claim("pairing-" + "2" * 32, "BBBBBBBB")
            await stage.service.settled()
        four = stage.link.delivered[-4:]
        assert [(d.acknowledged, d.given_back) for d in four] == [(0, 1)] * 4
        [refused] = stage.said(RejectionTopic(stage.session, "kiosk"))
        assert (refused["code"], refused["seq"]) == ("unavailable", 1)
        assert [said["code"] for said in stage.said(InboxTopic("it"))] == ["unavailable"]


async def test_what_needs_no_disk_is_answered_without_one(tmp_path: Path) -> None:
    """A screen that comes back while the disk is full gets its view."""
    async with staged(tmp_path) as stage:
        await stage.open()
        with broken_disk():
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            await stage.service.settled()
            asked = stage.ask("desk", "SYNC", session=stage.session)
            await stage.service.settled()
            assert asked.acknowledged == 1
            assert stage.said(InboxTopic("desk"))[-1]["type"] == "SYNCED"


async def test_a_command_that_hits_a_bug_is_refused_for_good(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """It would hit the bug at each delivery: its refusal is recorded under its number."""
    async with staged(tmp_path) as stage:
        await stage.open()

        def bug(*_: object) -> None:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr("session_controller.service.handlers.commands.decide", bug)
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            await stage.service.settled()
        assert stage.link.delivered[-1].acknowledged == 1
        assert stage.store.state(stage.session).acknowledged["kiosk"] == 1
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Eve")
        await stage.service.settled()
        assert stage.store.state(stage.session).answers["last-name"] == "Eve"


async def test_each_message_is_parsed_once(tmp_path: Path, monkeypatch: Any) -> None:
    """FINISH_UPLOAD too, which waits for its document to be inspected."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", b"a picture")
        parsed: list[bytes] = []
        read = parse._read

        def counted(adapter: Any, payload: bytes) -> Any:
            parsed.append(payload)
            return read(adapter, payload)

        monkeypatch.setattr(parse, "_read", counted)
        finish = stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await looked(stage)
        assert parsed == [finish]
        assert stage.store.state(stage.session).documents["new-card"].status == "received"


@pytest.mark.parametrize("content", ["{", "[]", '{"admin-0": 3}', ""])
async def test_broken_credentials_of_the_commands_are_named(tmp_path: Path, content: str) -> None:
    """A broken `admin.json` is said with its path and what to do, and the box ends in order."""
    (tmp_path / "admin.json").write_text(content)
    box = Box(BoxSettings(tmp_path, mqtt=("127.0.0.1", 0), http=None), embedded_broker)
    with pytest.raises(StoreError, match=r"admin\.json is damaged .* Remove it"):
        await box.__aenter__()
    Store(tmp_path).close()  # the folder's lock was given back


def test_a_stale_acknowledgement_acknowledges_nothing() -> None:
    """A packet id belongs to its connection: that of an old one may be another message's now."""
    link = MqttLink(BrokerUrl.parse("mqtt://localhost"), "controller-main")
    acked: list[int] = []
    link._client.ack = lambda mid, _: acked.append(mid)
    received: list[Any] = []
    link._loop = SimpleNamespace(call_soon_threadsafe=lambda call, message: call(message))
    link._receive = received.append
    published = SimpleNamespace(mid=7, qos=1, topic="t", payload=b"", retain=False)
    link._generation = 1
    link._on_message(None, None, published)
    link._generation = 2
    link._on_message(None, None, published)
    received[0].done()
    assert acked == []
    received[1].done()
    assert acked == [7]


# --- handled twice -----------------------------------------------------------------------------


@contextmanager
def same_luck() -> Iterator[None]:
    """Draw the same random numbers in every such block."""
    luck = random.Random(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_hex", lambda n=32: luck.randbytes(n).hex())
        patch.setattr(secrets, "token_urlsafe", lambda n=32: luck.randbytes(n).hex())
        patch.setattr(secrets, "choice", luck.choice)
        yield


def outcome(stage: Stage, items: list[Any]) -> dict[str, Any]:
    """Handle a batch as the service does, and commit nothing."""
    service = stage.service
    work = UnitOfWork(service.registry, AT, 1_000.0, service._inspections.found)
    with same_luck():
        for item in items:
            service._handle(work, item)
    shown = {f.name: getattr(work, f.name) for f in dataclasses.fields(work)}
    del shown["registry"], shown["find_upload"]
    return shown | {"sessions": {name: s.state for name, s in work.sessions.items()}}


def known(stage: Stage) -> dict[str, Any]:
    """Return all that the service knows, as values that a later change does not reach."""
    registry = stage.service.registry
    found: dict[str, Any] = {}
    for each in dataclasses.fields(registry):
        value = getattr(registry, each.name)
        found[each.name] = dict(value) if isinstance(value, dict) else value
    found["taking_part"] = {name: set(held) for name, held in registry.taking_part.items()}
    found["rate_limit"] = dataclasses.astuple(registry.rate_limit)
    found["exports"] = dict(registry.exports._exports)
    found["copy_links"] = dict(registry.copy_links._links)
    found["held"] = dict(stage.service._inspections._held)
    found["found"] = dict(stage.service._inspections._found)
    return found


COMMANDS: list[tuple[str, str, dict[str, Any]]] = [
    ("kiosk", "ENTER_FIELD", {"field_id": "last-name", "value": "Ada"}),
    ("kiosk", "ENTER_FIELD", {"field_id": "nothing", "value": "Ada"}),
    ("kiosk", "CLEAR_FIELD", {"field_id": "last-name"}),
    ("kiosk", "FOCUS_FIELD", {"field_id": None}),
    ("kiosk", "ASK_FOR_HELP", {}),
    ("kiosk", "NAVIGATE", {"step_id": "changes"}),
    ("kiosk", "FINISH_UPLOAD", {"upload": "nothing"}),
    ("desk", "NAVIGATE", {"step_id": "changes"}),
    ("desk", "HIGHLIGHT_FIELD", {"field_id": "last-name"}),
    ("desk", "COVER_SCREEN", {"covered": True}),
    ("desk", "PAUSE", {}),
    ("desk", "REPLACE_PATIENT_DEVICE", {"device": None}),
    ("desk", "CANCEL", {"reason": "gone"}),
    ("it", "TAKE_OVER", {}),
]
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("it", "ENROL_DEVICE", {"name": "Tablet", "role": "patient"}),
    ("it", "ENROL_DEVICE", {"name": "Desk 2", "role": "facility", "by": "code"}),
    ("it", "ENROL_DEVICES", {"devices": [{"name": "A", "role": "patient"}], "by": "code"}),
    ("it", "REENROL_DEVICE", {"device": "kiosk", "by": "code"}),
    ("it", "REENROL_DEVICE", {"device": "kiosk", "by": "secret"}),
    ("it", "CHANGE_DEVICE", {"device": "kiosk", "name": "Kiosk 2", "room": "Lobby"}),
    ("it", "REVOKE_DEVICE", {"device": "desk", "retire": True}),
    ("it", "REVOKE_DEVICE", {"device": "kiosk"}),
    ("it", "LIST_DEVICES", {}),
    ("it", "LIST_SESSIONS", {"ended": True}),
    ("it", "CANCEL_SESSION", {"session": "SESSION", "reason": "gone"}),
    ("it", "PURGE_SESSIONS", {"older_than_s": 0}),
    ("it", "BACK_UP", {}),
    ("it", "EXPORT_SESSION", {"session": "SESSION", "format": "json"}),
    ("it", "EXPORT_DELIVERY", {"session": "SESSION", "destination": "ehr"}),
    ("it", "READ_EXPORT", {"export": "export-0", "offset": 0}),
    ("desk", "OPEN_SESSION", {"flow_id": "quick-check-in"}),
    ("desk", "JOIN_SESSION", {"session": "SESSION"}),
    ("desk", "SHOW_SESSION", {"session": "SESSION"}),
    ("desk", "SESSION_TIMELINE", {"session": "SESSION"}),
    ("desk", "IDENTIFY_PATIENT", {"session": "SESSION", "family": "Roe"}),
    ("desk", "FIELD_HISTORY", {"session": "SESSION"}),
    ("desk", "REVEAL_FIELD", {"session": "SESSION", "field_id": "last-name"}),
    ("desk", "EXPORT_SESSION", {"session": "SESSION", "format": "pdf"}),
    ("desk", "SIGN_IN", {"person": "ana", "pin": "271828"}),
    ("desk", "BEGIN_SIGN_IN", {"page": "https://clinic.local/facility"}),
    ("desk", "FINISH_SIGN_IN", {"state": "s", "code": "c"}),
    ("desk", "STAY_SIGNED_IN", {}),
    ("desk", "SIGN_OUT", {}),
    ("desk", "BEGIN_EMERGENCY_ACCESS", {"name": "Eve", "reason": "PIN forgotten"}),
    ("it", "REVIEW_EMERGENCY_ACCESS", {"access": "emergency-0"}),
    ("it", "ADD_PERSON", {"name": "Eve", "roles": ["it"], "pin": "271828"}),
    ("it", "LINK_PERSON", {"person": "ana", "account": None}),
    ("it", "CHANGE_PERSON", {"person": "ana", "roles": ["supervisor"]}),
    ("it", "CHANGE_PERSON", {"person": "ana", "pin": "314159"}),
    ("it", "UNLOCK_PERSON", {"person": "ana"}),
    ("it", "RETIRE_PERSON", {"person": "ana"}),
    ("kiosk", "JOIN_SESSION", {"code": "BBBBBBBB"}),
    ("kiosk", "LEAVE_SESSION", {"session": "SESSION"}),
    ("kiosk", "SYNC", {"session": "SESSION"}),
    ("kiosk", "PURGE_SESSIONS", {"older_than_s": 0}),
    ("kiosk", "CREATE_COPY_LINK", {"session": "SESSION"}),
]


def _sends(stage: Stage, what: tuple[str, Any], seqs: dict[str, int]) -> None:
    kind, detail = what
    if kind == "command":
        device, type_, fields = COMMANDS[detail]
        seqs[device] = seqs.get(device, 0) + 1
        stage.say(device, type_, seq=seqs[device], **fields)
    elif kind == "request":
        device, type_, fields = REQUESTS[detail]
        fields = {k: stage.session if v == "SESSION" else v for k, v in fields.items()}
        stage.ask(device, type_, **fields)
    elif kind == "claim":
        stage.claim("pairing-" + f"{detail:032x}", "BBBBBBBB")
    elif kind == "presence":
        stage.online("kiosk", connection=detail)
    else:
        stage.link.deliver("handrail/v1/main/devices/desk/requests", b"{")


MESSAGE = st.one_of(
    st.tuples(st.just("command"), st.integers(0, len(COMMANDS) - 1)),
    st.tuples(st.just("request"), st.integers(0, len(REQUESTS) - 1)),
    st.tuples(st.just("claim"), st.integers(0, 2)),
    st.tuples(st.just("presence"), st.integers(0, 3)),
    st.tuples(st.just("nonsense"), st.just(0)),
)
JOBS: list[Callable[[UnitOfWork], None]] = [run_timers, everyone_left]


@pytest.mark.parametrize("signed_in", [None, False, True], ids=["nobody", "out", "in"])
async def test_handled_twice_equals_handled_once(
    tmp_path_factory: pytest.TempPathFactory,
    signed_in: bool | None,
) -> None:
    """For every handler and any batch: no handler changes what the service knows."""
    async with staged(tmp_path_factory.mktemp("data")) as stage:
        await stage.open()
        if signed_in is not None:
            roles = (StaffRole.SUPERVISOR,)
            stage.service.registry.persons["ana"] = Person("ana", "Ana", roles, "no hash", AT)
            ana = SignedIn("ana", "Ana", roles, 1_000.0) if signed_in else None
            stage.service.registry.desks["desk"] = Desk(ana)
        taken: list[Any] = []

        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        @given(st.lists(MESSAGE, min_size=1, max_size=8), st.sampled_from([*JOBS, None]))
        def twice(batch: list[tuple[str, Any]], job: Callable[[UnitOfWork], None] | None) -> None:
            taken.clear()
            seqs = dict.fromkeys(("kiosk", "desk", "it"), 0)
            for what in batch:
                _sends(stage, what, seqs)
            items = [*taken, *([job] if job else [])]
            before = known(stage)
            first = outcome(stage, items)
            assert known(stage) == before
            again = outcome(stage, items)
            assert again == first
            assert known(stage) == before

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage.service, "_enqueue", taken.append)
            twice()


async def test_every_handler_of_a_request_is_tried_above() -> None:
    """Or is named here with the reason."""
    tried = {type_ for _, type_, _ in REQUESTS}
    known_types = {request.model_fields["type"].default for request in HANDLERS}
    left = known_types - tried
    only_read = {name for name in left if name.startswith(("LIST_", "SHOW_", "PREVIEW_"))}
    in_jobs = {"ROTATE_KEY", "SIGN_LOG", "DELIVER_NOW", "TRY_ALERTS"}
    in_jobs |= {f"{verb}_DESTINATION" for verb in ("ADD", "REMOVE", "TRY")}
    # RETRY_DELIVERY writes deliveries alone; ADD_FLOW needs a whole form: tests/contract.
    assert left - only_read - in_jobs == {"RETRY_DELIVERY", "ADD_FLOW"}


# --- who may ask what ----------------------------------------------------------------------------

FOR_PATIENTS = {"JOIN_SESSION", "LEAVE_SESSION", "SYNC"}
FOR_STAFF = FOR_PATIENTS | {
    "OPEN_SESSION",
    "LIST_FLOWS",
    "LIST_KIOSKS",
    "LIST_SESSIONS",
    "SHOW_SESSION",
    "SESSION_TIMELINE",
    "IDENTIFY_PATIENT",
    "FIELD_HISTORY",
    "CANCEL_SESSION",
    "EXPORT_SESSION",
    "READ_EXPORT",
    "SHOW_DELIVERY",
    "LIST_EMERGENCY_ACCESS",
    "REVIEW_EMERGENCY_ACCESS",
}
FOR_DESKS = {
    "SHOW_DESK",
    "SIGN_IN",
    "BEGIN_SIGN_IN",
    "FINISH_SIGN_IN",
    "STAY_SIGNED_IN",
    "SIGN_OUT",
    "BEGIN_EMERGENCY_ACCESS",
    "REVEAL_FIELD",
}
FOR_PATIENTS_ALONE = {"CREATE_COPY_LINK"}
"""Of the wire contract. All else is for facility IT alone."""

ROWS = [(request, role) for request, (_, _) in HANDLERS.items() for role in Role]


@pytest.mark.parametrize(
    ("request_type", "role"), ROWS, ids=[f"{r.__name__}-{role.value}" for r, role in ROWS]
)
async def test_a_role_outside_its_row_is_refused(
    request_type: Any, role: Role, tmp_path: Path
) -> None:
    """Each request is for the roles of the contract, and refused to every other."""
    name = request_type.model_fields["type"].default
    allowed = set() if name in FOR_DESKS | FOR_PATIENTS_ALONE else {Role.ADMIN}
    allowed |= {Role.FACILITY} if name in FOR_STAFF | FOR_DESKS else set()
    allowed |= {Role.PATIENT} if name in FOR_PATIENTS | FOR_PATIENTS_ALONE else set()
    assert HANDLERS[request_type][0] == allowed
    if role in allowed:
        return
    store = Store(tmp_path)
    try:
        asked = request_type.model_construct(request_id="1")
        work = UnitOfWork(SimpleNamespace(), at=None)  # type: ignore[arg-type]
        device = Device("somebody", "Somebody", role, enrolled_at=None)  # type: ignore[arg-type]
        refused = _outcome(work, store, device, asked)
        assert isinstance(refused, Refusal)
        assert refused.code is RejectionCode.NOT_ALLOWED_FOR_ROLE
        assert not work.transaction
    finally:
        store.close()
