"""Persons on shared desks, on a service without sockets."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Role
from schemas.topics import InboxTopic, LobbyTopic, RejectionTopic, RequestTopic, StateTopic
from schemas.wire.requests import REQUEST
from session_controller.integrity.data_folder import told_entries, verify
from session_controller.security import pins
from session_controller.service import duties
from session_controller.service.handlers.requests import HANDLERS
from session_controller.service.handlers.timers import run_timers
from session_controller.settings import Settings
from session_controller.storage.entities import ALL_ENTRIES, Device
from session_controller.storage.store import Store
from tests.faults.loopback import Stage, staged

NOW = datetime(2040, 1, 1, 12, tzinfo=UTC)
PIN, WRONG = "271828", "314159"
LABEL, VALUE = "Zorblatt at ten", "Quizzlethorpe"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory: what is tested here does not depend on it."""
    monkeypatch.setattr(pins, "_MEMORY_KIB", 8)
    monkeypatch.setattr(pins, "_PASSES", 1)


class Clock:
    """Both clocks of a box, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> datetime:
        """Return the box's time."""
        return NOW + timedelta(seconds=self.seconds - 1_000.0)

    def steady(self) -> float:
        """Return the time that does not jump."""
        return self.seconds


class Site(Stage):
    """A stage whose clock is moved by hand."""

    clock: Clock

    async def answer(self, device: str, type_: str, /, **fields: Any) -> dict[str, Any]:
        """Make a request, and return its answer."""
        topic = InboxTopic(device)
        before = len(self.said(topic))
        self.ask(device, type_, **fields)
        await self.service.settled()
        while len(self.said(topic)) == before:  # a PIN is hashed on another thread
            await next(iter(self.service._background._tasks))
            await self.service.settled()
        return self.said(topic)[-1]

    async def add(self, name: str, *roles: str) -> dict[str, Any]:
        """Add a person."""
        return await self.answer("it", "ADD_PERSON", name=name, roles=roles, pin=PIN, user="root")

    async def sign_in(self, person: str, pin: str = PIN, device: str = "desk") -> dict[str, Any]:
        """Try to sign in."""
        return await self.answer(device, "SIGN_IN", person=person, pin=pin)

    async def after(self, **span: float) -> None:
        """Move the clock, and run the timers."""
        self.clock.seconds += timedelta(**span).total_seconds()
        self.service.submit(run_timers)
        await self.service.settled()

    async def command(self, type_: str, device: str = "desk", /, **fields: Any) -> str | None:
        """Send a command; return the code of its refusal, or None if it was accepted."""
        before = self.said(RejectionTopic(self.session, device))
        self.say(device, type_, **fields)
        await self.service.settled()
        after = self.said(RejectionTopic(self.session, device))
        return after[-1]["code"] if len(after) > len(before) else None

    def view(self, device: str = "desk") -> dict[str, Any]:
        """Return what a screen shows of the session now."""
        return self.said(StateTopic(self.session, device))[-1]

    def lobby(self, device: str = "desk") -> dict[str, Any]:
        """Return the lobby of a screen now."""
        return self.said(LobbyTopic(device))[-1]

    def log(self, what: str) -> list[dict[str, Any]]:
        """Return the log entries of a kind, as `handrail audit list` has them."""
        found = told_entries(self.store._folder, ALL_ENTRIES)
        return [entry for entry in found if entry["what"] == what][::-1]


@asynccontextmanager
async def site(data: Path, **settings: Any) -> AsyncIterator[Site]:
    """Yield a service with a session that has a value, and nobody who could sign in."""
    clock = Clock()
    chosen = Settings(lobby_pause=timedelta(0), **settings)
    async with staged(data, clock=clock.now, steady=clock.steady, settings=chosen) as stage:
        stage.__class__ = Site
        assert isinstance(stage, Site)
        stage.clock = clock
        await stage.open()
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value=VALUE)
        await stage.service.settled()
        yield stage


# --- the policy --------------------------------------------------------------------------------


async def test_without_a_person_a_desk_works_as_a_device(tmp_path: Path) -> None:
    """Nothing is refused, nothing is hidden, and the lobby has no desk."""
    async with site(tmp_path) as stage:
        assert await stage.command("COVER_SCREEN", covered=True) is None
        assert stage.view()["fields"]["last-name"]["value"] == VALUE
        shown = await stage.answer("desk", "SHOW_DESK")
        assert shown["desk"] is None
        assert shown["persons"] == []
        assert "desk" not in stage.lobby()
        refused = await stage.answer("desk", "CANCEL_SESSION", session=stage.session, reason="x")
        assert refused["code"] == "not_allowed_for_role"


async def test_with_the_first_person_desks_are_signed_out(tmp_path: Path) -> None:
    """Their views and lobbies are replaced at once, also what a broker retains for them."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        assert VALUE not in json.dumps(stage.view())
        assert stage.view()["signed_out"] is True
        assert stage.view()["enabled"] == []
        assert stage.lobby()["sessions"] == []
        assert stage.lobby()["desk"] == {"signed_in": None, "log_off_s": 600}
        assert stage.view("kiosk")["fields"]["last-name"]["value"] == VALUE
        assert await stage.command("ENTER_FIELD", "kiosk", field_id="last-name", value="B") is None
        assert "B" not in json.dumps(stage.view()["fields"])


async def test_a_signed_out_desk_is_refused_all_that_shows_a_patient(tmp_path: Path) -> None:
    """Each command and each such request; what shows none is answered."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        assert await stage.command("PAUSE") == "sign_in_required"
        assert stage.view()["acknowledged_seq"] == 1
        for type_, fields in ASKED.items():
            asked = {k: stage.session if v == "SESSION" else v for k, v in fields.items()}
            answer = await stage.answer("desk", type_, **asked)
            assert answer.get("code") == "sign_in_required", type_
        for type_ in ("LIST_FLOWS", "LIST_KIOSKS", "SHOW_DESK", "SIGN_OUT"):
            assert (await stage.answer("desk", type_))["type"] != "REJECTION"
        assert VALUE not in json.dumps(stage.said(InboxTopic("desk")))


ASKED: dict[str, dict[str, Any]] = {
    "OPEN_SESSION": {"flow_id": "quick-check-in"},
    "JOIN_SESSION": {"session": "SESSION"},
    "LEAVE_SESSION": {"session": "SESSION"},
    "LIST_SESSIONS": {"ended": True},
    "SHOW_SESSION": {"session": "SESSION"},
    "SESSION_TIMELINE": {"session": "SESSION"},
    "FIELD_HISTORY": {"session": "SESSION"},
    "REVEAL_FIELD": {"session": "SESSION", "field_id": "last-name"},
    "IDENTIFY_PATIENT": {"session": "SESSION", "family": "Roe"},
    "CANCEL_SESSION": {"session": "SESSION", "reason": "left"},
    "EXPORT_SESSION": {"session": "SESSION", "format": "pdf"},
    "READ_EXPORT": {"session": "SESSION", "export": "export-1", "offset": 0},
    "SHOW_DELIVERY": {"session": "SESSION"},
    "LIST_EMERGENCY_ACCESS": {},
    "REVIEW_EMERGENCY_ACCESS": {"access": "emergency-0"},
}


def test_each_request_of_a_desk_has_a_duty() -> None:
    """Whatever a facility screen may ask says who may ask it; the rest needs a sign-in."""
    of_desks = {kind for kind, (roles, _) in HANDLERS.items() if Role.FACILITY in roles}
    assert duties.DUTIES.keys() == of_desks
    named = {kind.model_fields["type"].default for kind, who in duties.DUTIES.items() if who}
    assert named == ASKED.keys()


async def test_signing_in_shows_and_allows_everything_again(tmp_path: Path) -> None:
    """The session went on; the desk is still its host."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        answer = await stage.sign_in("ana-roe")
        assert answer["type"] == "SIGNED_IN"
        assert answer["seconds_left"] == 600
        assert answer["signed_in"]["name"] == "Ana Roe"
        assert stage.view()["fields"]["last-name"]["value"] == VALUE
        assert "signed_out" not in stage.view()
        assert len(stage.lobby()["sessions"]) == 1
        assert stage.lobby()["desk"]["signed_in"]["person"] == "ana-roe"
        assert await stage.command("COVER_SCREEN", covered=True) is None
        await stage.answer("desk", "SIGN_OUT")
        assert VALUE not in json.dumps(stage.view())
        assert stage.lobby()["sessions"] == []


async def test_a_desk_that_comes_back_is_still_signed_in(tmp_path: Path) -> None:
    """A lost connection is not a person who left; the time without an act goes on."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        stage.online("desk", connection=2)
        await stage.service.settled()
        assert stage.view()["fields"]["last-name"]["value"] == VALUE
        await stage.after(seconds=601)
        stage.online("desk", connection=3)
        await stage.service.settled()
        assert VALUE not in json.dumps(stage.view())


async def test_a_restart_signs_everybody_out(tmp_path: Path) -> None:
    """Persons and what they did wrong are on disk; who was signed in is not."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe", WRONG)
        await stage.sign_in("ana-roe")
        await stage.sign_in("ana-roe", WRONG)
    async with staged(tmp_path) as again:
        views = [json.dumps(view) for view in again.said(StateTopic(_session(again), "desk"))]
        assert views
        assert all(VALUE not in view for view in views)
        assert again.said(LobbyTopic("desk"))[-1]["sessions"] == []
        assert again.service.registry.persons["ana-roe"].wrong_pins == 1


def _session(stage: Stage) -> str:
    [name] = stage.service.registry.sessions
    return name


async def test_the_last_person_who_is_retired_ends_the_policy(tmp_path: Path) -> None:
    """The desk works as a device again, and shows that at once."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.answer("it", "RETIRE_PERSON", person="ana-roe")
        assert stage.view()["fields"]["last-name"]["value"] == VALUE
        assert len(stage.lobby()["sessions"]) == 1


# --- PINs --------------------------------------------------------------------------------------


async def test_a_wrong_pin_says_how_many_tries_are_left(tmp_path: Path) -> None:
    """Then it locks, each time for longer, whatever is tried meanwhile."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        found = [await stage.sign_in("ana-roe", WRONG) for _ in range(5)]
        assert {one["code"] for one in found} == {"pin_refused"}
        assert [one["details"]["tries_left"] for one in found] == [4, 3, 2, 1, 0]
        assert found[3]["message"] == "The PIN is wrong; 1 try is left."
        assert found[4]["details"]["wait_s"] == 60
        assert (await stage.sign_in("ana-roe"))["details"]["wait_s"] == 60, "the right one too"
        await stage.after(seconds=61)
        again = await stage.sign_in("ana-roe", WRONG)
        assert again["details"] == {"tries_left": 0, "wait_s": 120}
        await stage.after(seconds=121)
        assert (await stage.sign_in("ana-roe"))["type"] == "SIGNED_IN"
        assert stage.service.registry.persons["ana-roe"].wrong_pins == 0


async def test_a_person_is_locked_at_every_desk_and_a_desk_for_everybody(tmp_path: Path) -> None:
    """Neither another screen nor another name gives five more tries."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.add("Bo Poe", "front-desk")
        second = Device("second", "Second", Role.FACILITY, enrolled_at=NOW)
        stage.service.submit(lambda work: work.put_device(second))
        for _ in range(5):
            await stage.sign_in("ana-roe", WRONG)
        assert (await stage.sign_in("ana-roe", device="second"))["code"] == "pin_refused"
        assert (await stage.sign_in("bo-poe"))["code"] == "pin_refused"
        assert (await stage.sign_in("bo-poe", device="second"))["type"] == "SIGNED_IN"


async def test_facility_it_unlocks_a_person(tmp_path: Path) -> None:
    """Not the desk: that waits."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        for _ in range(5):
            await stage.sign_in("ana-roe", WRONG)
        listed = await stage.answer("it", "LIST_STAFF")
        assert listed["persons"][0]["wrong_pins"] == 5
        assert listed["persons"][0]["locked_until"]
        assert "locked-pin" in {one.check for one in await stage.service.watch.find()}
        answer = await stage.answer("it", "UNLOCK_PERSON", person="ana-roe")
        assert (answer["wrong_pins"], answer["locked_until"]) == (0, None)
        assert "locked-pin" not in {one.check for one in await stage.service.watch.find()}


async def test_a_request_that_arrives_twice_counts_once(tmp_path: Path) -> None:
    """MQTT delivers again what was not acknowledged; a person has five tries all the same."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        for _ in range(3):
            first = await stage.answer(
                "desk", "SIGN_IN", person="ana-roe", pin=WRONG, request_id="r-1"
            )
        assert first["details"]["tries_left"] == 4
        assert stage.service.registry.persons["ana-roe"].wrong_pins == 1
        stage.ask("it", "ADD_PERSON", name="Bo", roles=["it"], pin=PIN, request_id="r-2")
        await stage.answer("it", "ADD_PERSON", name="Bo", roles=["it"], pin=PIN, request_id="r-2")
        await stage.answer("it", "LIST_STAFF")
        again = await stage.answer(
            "it", "ADD_PERSON", name="Bo", roles=["it"], pin=PIN, request_id="r-2"
        )
        assert again["person"] == "bo"
        assert len(stage.log("PersonChanged")) == 2


async def test_two_persons_of_one_name_are_not_mistaken_for_one(tmp_path: Path) -> None:
    """The second request is refused, although it was sent before the first PIN was hashed."""
    async with site(tmp_path) as stage:
        stage.ask("it", "ADD_PERSON", name="Bo", roles=["it"], pin=PIN, request_id="r-1")
        stage.ask("it", "ADD_PERSON", name="Bo", roles=["supervisor"], pin=PIN, request_id="r-2")
        await stage.service.settled()
        while len(stage.said(InboxTopic("it"))) < 2:
            await next(iter(stage.service._background._tasks))
            await stage.service.settled()
        first, second = stage.said(InboxTopic("it"))[-2:]
        assert first["type"] == "PERSON_CHANGED"
        assert second["code"] == "malformed"
        assert [p.roles for p in stage.service.registry.persons.values()] == [("it",)]


async def test_a_revoked_device_adds_nobody(tmp_path: Path) -> None:
    """Not even by a request that it made before."""
    async with site(tmp_path) as stage:
        stage.ask("it", "ADD_PERSON", name="Bo", roles=["it"], pin=PIN)
        await stage.service.settled()
        stage.service.registry.devices["it"] = replace(
            stage.service.registry.devices["it"], revoked_at=NOW
        )
        for task in list(stage.service._background._tasks):
            await task
        await stage.service.settled()
        assert not stage.service.registry.persons


async def test_emergency_access_does_not_unlock_a_screen(tmp_path: Path) -> None:
    """Or PINs could be guessed for one person after the other."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.add("Bo Lee", "front-desk")
        for _ in range(5):
            await stage.sign_in("ana-roe", WRONG)
        await stage.answer("desk", "BEGIN_EMERGENCY_ACCESS", name="Eve", reason="none")
        await stage.answer("desk", "SIGN_OUT")
        refused = await stage.sign_in("bo-lee")
        assert refused["code"] == "pin_refused"
        assert refused["details"]["wait_s"] > 0


async def test_who_did_nothing_for_too_long_is_out_before_the_timers_say_so(
    tmp_path: Path,
) -> None:
    """An act after the end of that time does not begin it anew."""
    async with site(tmp_path, staff_log_off=timedelta(minutes=10)) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        stage.clock.seconds += 601
        assert (await stage.answer("desk", "LIST_SESSIONS"))["code"] == "sign_in_required"


async def test_a_code_is_not_told_again_to_a_signed_out_desk(tmp_path: Path) -> None:
    """A request that anybody may make does not fetch what an earlier one was answered."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        flow = stage.service.registry.sessions[stage.session].state.flow_ref.rpartition("-")[0]
        opened = await stage.answer("desk", "OPEN_SESSION", flow_id=flow, request_id="r-9")
        again = await stage.answer("desk", "LIST_FLOWS", request_id="r-9")
        assert again["code"] == opened["code"]
        await stage.answer("desk", "SIGN_OUT")
        refused = await stage.answer("desk", "LIST_FLOWS", request_id="r-9")
        assert refused["code"] == "sign_in_required"
        assert opened["code"] not in json.dumps(refused)


@pytest.mark.parametrize(
    ("pin", "problem"),
    [
        ("12345", "must be 6 to 12 digits"),
        ("12a456", "must be 6 to 12 digits"),
        ("1234567890123", "must be 6 to 12 digits"),
        ("000000", "must not repeat"),
        ("111112", "must not repeat"),
        ("121212", "must not repeat"),
        ("123123", "must not repeat"),
        ("123456", "a row of digits"),
        ("987654", "a row of digits"),
        ("890123", "a row of digits"),
        ("271828", None),
    ],
)
def test_a_pin_that_many_people_choose_is_refused(pin: str, problem: str | None) -> None:
    """The problem does not repeat the PIN."""
    found = pins.pin_problem(pin)
    assert (found is None) if problem is None else (problem in (found or ""))
    assert pin not in (found or "") or pin == "123456"


async def test_a_trivial_pin_is_refused_by_the_box(tmp_path: Path) -> None:
    """Whatever program asks."""
    async with site(tmp_path) as stage:
        answer = await stage.answer("it", "ADD_PERSON", name="A", roles=["it"], pin="111111")
        assert answer["code"] == "malformed"
        assert not stage.service.registry.persons


def test_a_hash_of_a_pin_is_keyed_and_bound_to_its_person() -> None:
    """Without the box's key it says nothing; in another person's row it opens nothing."""
    hashed = pins.hash_pin(b"k" * 32, "ana", PIN)
    assert hashed.startswith("$argon2id$")
    assert pins.is_pin(b"k" * 32, "ana", PIN, hashed)
    assert not pins.is_pin(b"x" * 32, "ana", PIN, hashed)
    assert not pins.is_pin(b"k" * 32, "bo", PIN, hashed)
    assert not pins.is_pin(b"k" * 32, "ana", WRONG, hashed)
    assert not pins.is_pin(b"k" * 32, "ana", PIN, "damaged")


def test_locks_grow_to_a_day() -> None:
    """And no further."""
    locks = [pins.lock_seconds(wrong) for wrong in (4, 5, 6, 7, 15, 16, 500)]
    assert locks == [0, 60, 120, 240, 61_440, 86_400, 86_400]


async def test_a_pin_is_nowhere_but_in_its_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the folder, nor in what is published, logged, or shown of an object."""
    caplog.set_level(logging.DEBUG)
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe", WRONG)
        await stage.sign_in("ana-roe")
        await stage.answer("it", "CHANGE_PERSON", person="ana-roe", pin="161803")
        await stage.answer("it", "CHANGE_PERSON", person="nobody", pin="161803")
        await stage.answer("desk", "SIGN_IN", person="ana-roe", pin="161803", extra={"a": PIN})
        await stage.answer("desk", "SIGN_IN", person=["x"], pin="161803")
        said = json.dumps([payload.decode() for _, payload in stage.link.published])
        stored = _stored(tmp_path)
        for pin in (PIN, WRONG, "161803"):
            assert pin not in said
            assert pin.encode() not in stored
            assert pin not in caplog.text
            asked = {"v": 1, "type": "SIGN_IN", "request_id": "1", "person": "a", "pin": pin}
            assert pin not in repr(REQUEST.validate_json(json.dumps(asked)))


def _stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


# --- log-off, roles, devices -------------------------------------------------------------------


async def test_a_desk_is_signed_out_after_no_act(tmp_path: Path) -> None:
    """By the box, whatever its page does; commands and a touch count as acts, polling does not."""
    async with site(tmp_path, staff_log_off=timedelta(minutes=2)) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        await stage.after(seconds=100)
        await stage.command("COVER_SCREEN", covered=True)
        await stage.after(seconds=100)
        assert (await stage.answer("desk", "STAY_SIGNED_IN"))["seconds_left"] == 120
        await stage.after(seconds=119)
        await stage.answer("desk", "SESSION_TIMELINE", session=stage.session)
        assert (await stage.answer("desk", "SHOW_DESK"))["seconds_left"] == 1
        await stage.after(seconds=1)
        assert stage.view()["signed_out"] is True
        assert (await stage.answer("desk", "STAY_SIGNED_IN"))["code"] == "sign_in_required"
        assert stage.log("PersonSignedOut")[-1]["about"]["reason"] == "no_act"


async def test_zero_never_logs_off(tmp_path: Path) -> None:
    """Until somebody signs out."""
    async with site(tmp_path, staff_log_off=timedelta(0)) as stage:
        await stage.add("Ana Roe", "front-desk")
        assert (await stage.sign_in("ana-roe"))["seconds_left"] is None
        await stage.after(hours=3)
        assert "signed_out" not in stage.view()


async def test_what_it_may_do_at_a_desk_shows_no_patient(tmp_path: Path) -> None:
    """The person is signed in, and the desk shows nothing."""
    async with site(tmp_path) as stage:
        await stage.add("Ivy", "it")
        await stage.sign_in("ivy")
        assert VALUE not in json.dumps(stage.view())
        assert stage.lobby()["sessions"] == []
        assert stage.lobby()["desk"]["signed_in"]["roles"] == ["it"]
        assert await stage.command("PAUSE") == "not_allowed_for_role"


async def test_a_supervisor_cancels_what_another_desk_leads(tmp_path: Path) -> None:
    """The front desk does not; a supervisor also leads sessions."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.add("Sue", "supervisor")
        await stage.sign_in("ana-roe")
        asked = {"session": stage.session, "reason": "left"}
        refused = await stage.answer("desk", "CANCEL_SESSION", **asked)
        assert refused["code"] == "not_allowed_for_role"
        await stage.sign_in("sue")
        assert await stage.command("COVER_SCREEN", covered=True) is None
        answer = await stage.answer("desk", "CANCEL_SESSION", **asked)
        assert answer["type"] == "SESSION_CANCELLED"
        assert stage.log("PersonSignedOut")[-1]["about"] == {
            "subject": "ana-roe",
            "reason": "replaced",
        }


@pytest.mark.parametrize(
    ("type_", "fields", "reason"),
    [
        ("CHANGE_PERSON", {"person": "ana-roe", "roles": ["it"]}, "person_changed"),
        ("CHANGE_PERSON", {"person": "ana-roe", "pin": "161803"}, "person_changed"),
        ("RETIRE_PERSON", {"person": "ana-roe"}, "person_changed"),
        ("REENROL_DEVICE", {"device": "desk", "by": "secret"}, "device_changed"),
        ("REVOKE_DEVICE", {"device": "desk"}, "device_changed"),
    ],
)
async def test_what_changes_a_person_or_a_desk_signs_out(
    tmp_path: Path, type_: str, fields: dict[str, Any], reason: str
) -> None:
    """Whoever holds the screen now proves again who it is."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.add("Bo", "front-desk")
        await stage.sign_in("ana-roe")
        await stage.answer("it", type_, **fields)
        assert stage.service.registry.desks["desk"].signed_in is None
        assert stage.log("PersonSignedOut")[-1]["about"]["reason"] == reason


# --- emergency access --------------------------------------------------------------------------


async def test_emergency_access_lasts_half_an_hour_and_is_reviewed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the log at once, a warning, and in lists until a supervisor has seen it."""
    async with site(tmp_path, staff_log_off=timedelta(0)) as stage:
        await stage.add("Sue", "supervisor")
        why = {"name": "Eve Poe", "reason": f"{VALUE} fell, no PIN"}
        answer = await stage.answer("desk", "BEGIN_EMERGENCY_ACCESS", **why)
        access = answer["signed_in"]["person"]
        assert answer["seconds_left"] == 1_800
        assert await stage.command("COVER_SCREEN", covered=True) is None
        refused = await stage.answer("desk", "LIST_EMERGENCY_ACCESS")
        assert refused["code"] == "not_allowed_for_role"
        [warning] = [r for r in caplog.records if r.levelno == logging.WARNING]
        assert "emergency access began" in warning.getMessage()
        assert not {"Eve", VALUE} & set(warning.getMessage().split())
        [entry] = stage.log("EmergencyAccessBegun")
        assert (entry["person"], entry["about"]["name"]) == (access, "Eve Poe")
        assert stage.log("ScreenCovered")[-1]["person"] == access
        await stage.after(minutes=31)
        assert stage.view()["signed_out"] is True
        assert stage.log("PersonSignedOut")[-1]["about"]["reason"] == "time"
        await stage.sign_in("sue")
        [line] = (await stage.answer("desk", "LIST_EMERGENCY_ACCESS"))["accesses"]
        assert (line["reason"], line["reviewed_by"]) == (why["reason"], None)
        await stage.answer("desk", "REVIEW_EMERGENCY_ACCESS", access=access)
        [line] = (await stage.answer("it", "LIST_STAFF"))["accesses"]
        assert (line["reason"], line["reviewed_by"]) == (why["reason"], "sue")
        await stage.after(days=8)
        assert (await stage.answer("it", "LIST_STAFF"))["accesses"] == []
    assert why["reason"].encode() not in _stored(tmp_path)


async def test_emergency_access_is_not_for_who_could_sign_out(tmp_path: Path) -> None:
    """Nor where nobody has to sign in; a request that arrives twice begins it once."""
    async with site(tmp_path) as stage:
        why = {"name": "Eve", "reason": "no PIN"}
        assert (await stage.answer("desk", "BEGIN_EMERGENCY_ACCESS", **why))[
            "code"
        ] == "unavailable"
        await stage.add("Ana Roe", "front-desk")
        for _ in range(2):
            await stage.answer("desk", "BEGIN_EMERGENCY_ACCESS", **why, request_id="r-1")
        assert len(stage.log("EmergencyAccessBegun")) == 1
        assert (await stage.answer("desk", "BEGIN_EMERGENCY_ACCESS", **why))[
            "code"
        ] == "unavailable"


# --- who did what ------------------------------------------------------------------------------


async def test_each_entry_of_a_signed_in_desk_bears_the_person(tmp_path: Path) -> None:
    """The patient's have none; the command line's bear its user; the chain verifies."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        await stage.command("COVER_SCREEN", covered=True)
        await stage.answer("desk", "SHOW_SESSION", session=stage.session)
        await stage.command("ENTER_FIELD", "kiosk", field_id="last-name", value="B")
        await stage.answer("it", "RETIRE_PERSON", person="ana-roe", user="root")
        await stage.answer("it", "CANCEL_SESSION", session=stage.session, reason="x")
        people = {what: stage.log(what)[-1]["person"] for what in PEOPLE}
        assert people == PEOPLE
        told = await stage.answer("it", "SESSION_TIMELINE", session=stage.session)
        [line] = [one for one in told["events"] if one["event"] == "ScreenCovered"]
        assert (line["person"], line["person_name"]) == ("ana-roe", "Ana Roe")
        assert "person" not in told["events"][0]
    assert verify(tmp_path / "handrail.sqlite").faults == ()


PEOPLE = {
    "ScreenCovered": "ana-roe",
    "SessionSeen": "ana-roe",
    "PersonSignedIn": "ana-roe",
    "FieldEntered": None,
    "PersonChanged": "os:root",
    "Cancelled": None,
}


async def test_what_is_done_later_bears_who_asked(tmp_path: Path) -> None:
    """A record that is exported in the background, by the user who asked for it."""
    async with site(tmp_path) as stage:
        asked = {"session": stage.session, "format": "json", "user": "maria"}
        stage.ask("it", "EXPORT_SESSION", **asked)
        stage.ask("it", "LIST_DEVICES", user="root")
        await stage.service.settled()
        for task in [*stage.service._background._tasks]:
            await task
        await stage.service.settled()
        assert [entry["person"] for entry in stage.log("SessionExported")] == ["os:maria"]


async def test_persons_outlive_a_purge(tmp_path: Path) -> None:
    """And what the log says of them."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        await stage.command("CANCEL", reason="left")
        await stage.answer("it", "PURGE_SESSIONS", sessions=[stage.session])
        assert stage.log("Cancelled")[-1]["person"] == "ana-roe"
    store = Store(tmp_path)
    assert [person.name for person in store.persons()] == ["Ana Roe"]
    store.close()
    assert verify(tmp_path / "handrail.sqlite").faults == ()


# --- a disk that refuses -----------------------------------------------------------------------


def _refuse(stage: Site, *, refuse: bool = True) -> None:
    """Make the database refuse to store, or store again."""
    stage.store._db.execute(f"PRAGMA query_only={int(refuse)}")


async def _looked_at(stage: Site) -> None:
    """Wait until each PIN is checked or hashed, and what comes of it was tried."""
    while True:
        await stage.service.settled()
        tasks = stage.service._background._tasks
        if not tasks:
            return
        await asyncio.wait(set(tasks))


async def test_a_pin_is_acknowledged_once_it_is_on_disk(tmp_path: Path) -> None:
    """A new person, a new PIN, and a wrong PIN that counts; each also where it arrives twice."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        orders: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("it", "ADD_PERSON", {"name": "Bo Li", "roles": ["it"], "pin": PIN}),
            ("it", "CHANGE_PERSON", {"person": "ana-roe", "pin": "161803"}),
            ("desk", "SIGN_IN", {"person": "ana-roe", "pin": WRONG}),
        )
        for device, type_, fields in orders:
            _refuse(stage)
            said = len(stage.said(InboxTopic(device)))
            body = {"v": 1, "type": type_, "request_id": "0" * 8 + type_, **fields}
            topic, payload = RequestTopic(device).under("main"), json.dumps(body).encode()
            sent = [stage.link.deliver(topic, payload) for _ in range(2)]
            await _looked_at(stage)
            assert [one.acknowledged for one in sent] == [0, 0], type_
            assert len(stage.said(InboxTopic(device))) == said
            _refuse(stage, refuse=False)
            await stage.retry()
            assert [one.acknowledged for one in sent] == [1, 1], type_
        assert stage.service.registry.persons["bo-li"].roles == ("it",)
        assert stage.service.registry.persons["ana-roe"].wrong_pins == 1, "and not two"
        assert len(stage.log("PinRefused")) == 1


async def test_a_pin_that_was_given_back_keeps_nobody_out(tmp_path: Path) -> None:
    """The sender may have gone: the screen takes another one, and the first counts for nothing."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        _refuse(stage)
        sent = stage.ask("desk", "SIGN_IN", person="ana-roe", pin=WRONG)
        await _looked_at(stage)
        await stage.after(seconds=31)
        await stage.retry()
        assert (sent.acknowledged, sent.given_back) == (0, 1)
        _refuse(stage, refuse=False)
        await stage.retry()
        assert (await stage.sign_in("ana-roe"))["type"] == "SIGNED_IN"
        assert stage.log("PinRefused") == []


async def test_signing_out_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """At once on the screen, also behind what waits; the log has it when the disk stores again."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        _refuse(stage)
        stage.say("desk", "COVER_SCREEN", covered=True)
        await stage.service.settled()
        sent = stage.ask("desk", "SIGN_OUT")
        await stage.service.settled()
        assert stage.said(InboxTopic("desk"))[-1]["type"] == "SIGNED_OUT"
        assert sent.acknowledged == 1
        assert stage.view()["signed_out"] is True
        assert VALUE not in json.dumps(stage.view())
        assert stage.lobby()["sessions"] == []
        assert stage.lobby()["desk"]["signed_in"] is None
        _refuse(stage, refuse=False)
        await stage.retry()
        entries = stage.log("PersonSignedOut")
        assert [(e["about"]["subject"], e["about"]["reason"]) for e in entries] == [
            ("ana-roe", "asked")
        ]
    assert verify(tmp_path / "handrail.sqlite").faults == ()


async def test_the_log_off_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """Nor does the end of emergency access; each is in the log once."""
    async with site(tmp_path, staff_log_off=timedelta(minutes=2)) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        _refuse(stage)
        await stage.after(minutes=3)
        assert stage.view()["signed_out"] is True
        await stage.after(seconds=1)
        _refuse(stage, refuse=False)
        await stage.retry()
        assert [e["about"]["reason"] for e in stage.log("PersonSignedOut")] == ["no_act"]


# --- what staff see on demand --------------------------------------------------------------------


async def test_a_masked_value_that_was_seen_is_in_the_log_with_the_person(tmp_path: Path) -> None:
    """Who, at which screen, which field; never the value."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        await stage.sign_in("ana-roe")
        asked = {"session": stage.session, "field_id": "last-name"}
        answer = await stage.answer("desk", "REVEAL_FIELD", **asked)
        assert answer["value"] == VALUE
        [entry] = stage.log("FieldRevealed")
        assert entry["person"] == "ana-roe"
        assert entry["device"] == "desk"
        assert VALUE not in json.dumps(entry)
        assert "last-name" in json.dumps(entry)


async def test_a_desk_reads_the_paper_of_completed_sessions_only(tmp_path: Path) -> None:
    """Other formats and sessions that are open stay with facility IT."""
    async with site(tmp_path) as stage:
        asked = {"session": stage.session}
        for form in ("pdf", "json"):
            answer = await stage.answer("desk", "EXPORT_SESSION", format=form, **asked)
            assert answer["code"] == "not_allowed_for_role", form
