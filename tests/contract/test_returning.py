"""Who unplugs, at any point, comes back to the authoritative step; so does a whole box."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartBox

from .forms import PERSON, PNG, VISIT, begin, chunks, put, reach, sign
from .raw import ROOT, Device, Json, Pair, Room, on, room


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on its first step."""
    return Pair(clinic, VISIT)


def come_back(device: Device, session: str) -> Json:
    """Connect anew as a fresh client that knows nothing; give the first view that it is shown."""
    device.messages.clear()
    device.online()
    return device.view(session)


def send_all(pair: Pair) -> None:
    """Send all chunks, and wait until the last has arrived."""
    for offset, chunk in chunks(PNG):
        put(pair, "card-1", offset, chunk)
    pair.patient.view(pair.session, lambda v: v["documents"]["card"]["received"] == len(PNG))


def points(pair: Pair) -> list[Callable[[], object]]:
    """Return the steps of a whole session, one after the other."""
    return [
        lambda: pair.enter(**PERSON),
        lambda: pair.lead("HIGHLIGHT_FIELD", field_id="name"),
        lambda: pair.go("visits"),
        lambda: pair.go("family"),
        lambda: pair.enter(has_children=True),
        lambda: pair.fill("ENTER_FIELD", field_id="children[0].child-name", value="Ann"),
        lambda: pair.go("papers"),
        lambda: begin(pair, "card", "card-1", PNG),
        lambda: send_all(pair),
        lambda: pair.fill("FINISH_UPLOAD", upload="card-1"),
        lambda: pair.go("consent"),
        lambda: pair.fill("REPORT_READING", field_id="notice", fraction=1),
        lambda: pair.lead("PAUSE"),
        lambda: pair.lead("RESUME"),
        lambda: sign(pair, "agree"),
        lambda: pair.lead("COVER_SCREEN", covered=True),
        lambda: pair.lead("COVER_SCREEN", covered=False),
        lambda: pair.go("end"),
        lambda: pair.enter(correct=True),
        lambda: pair.lead("REQUEST_CORRECTION", field_id="correct", message="Sure?"),
        lambda: pair.enter(correct=True),
    ]


def test_a_patient_unplugged_at_any_point_returns_to_the_same_view(pair: Pair) -> None:
    """After each step of a session the patient's screen vanishes, and is shown it all again."""
    for step in points(pair):
        step()
        before = pair.both()[1]
        pair.patient.vanish()
        pair.staff.view(
            pair.session, lambda v: not v["participants"][pair.patient.device]["online"]
        )
        view = come_back(pair.patient, pair.session)
        changing = {"revision", "updated_at"}
        assert {k: v for k, v in view.items() if k not in changing} == {
            k: v for k, v in before.items() if k not in changing
        }
    pair.lead("COMPLETE")


def test_a_host_unplugged_at_any_point_returns_to_the_same_view(pair: Pair) -> None:
    """The host comes back as the host, with the seq that it stood at."""
    for step in points(pair):
        step()
        before = pair.both()[0]
        pair.staff.vanish()
        pair.patient.view(pair.session, lambda v: v["host_online"] is False)
        pair.staff.messages.clear()
        pair.staff.online()
        view = pair.staff.view(
            pair.session, lambda v: v["participants"][pair.staff.device]["online"]
        )
        changing = {"revision", "updated_at", "participants"}
        assert {k: v for k, v in view.items() if k not in changing} == {
            k: v for k, v in before.items() if k not in changing
        }
        assert view["participants"][pair.staff.device]["host"]
    pair.lead("COMPLETE")


def test_the_session_moves_on_while_the_patient_is_away(pair: Pair) -> None:
    """Who returns sees the step where the session stands now, without asking."""
    pair.enter(**PERSON)
    pair.patient.vanish()
    pair.lead("NAVIGATE", step_id="visits")
    view = come_back(pair.patient, pair.session)
    assert view["step_id"] == "visits"
    assert view["fields"] == {}


@pytest.mark.parametrize("lost", [0, 1, 3, 7, 10])
def test_commands_sent_into_a_dying_connection_are_applied_once(pair: Pair, lost: int) -> None:
    """Some of ten commands were sent when the plug was pulled; all are sent again; each counts."""
    commands = [
        {
            "v": 1,
            "type": "ENTER_FIELD",
            "command_id": str(uuid.uuid4()),
            "seq": n + 1,
            "field_id": "name",
            "value": f"Name {n}",
        }
        for n in range(10)
    ]
    before = pair.staff.sync(pair.session)["revision"]
    for command in commands[:lost]:
        pair.patient.say(pair.session, command)
    pair.patient.vanish()
    view = come_back(pair.patient, pair.session)
    for command in commands[view["acknowledged_seq"] :]:
        pair.patient.say(pair.session, command)
    last = pair.patient.answer(pair.session, commands[-1])
    assert last["fields"]["name"]["value"] == "Name 9"
    presence = 2 if pair.both()[0]["revision"] != before + 10 else 0
    assert pair.both()[0]["revision"] == before + 10 + presence


def test_a_restarted_box_knows_it_all(start_box: StartBox, tmp_path: Path) -> None:
    """Same sessions, revisions, steps, values, documents, codes; and each device's seq."""
    with start_box(tmp_path / "data") as box, room(box.port, box.admins) as here:
        port = box.port
        pair = Pair(here, VISIT)
        reach(pair, "papers")
        begin(pair, "card", "card-1", PNG)
        put(pair, "card-1", *chunks(PNG)[0])
        pair.patient.view(pair.session, lambda v: v["documents"]["card"].get("received") == 65_536)
        refused = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="consent")
        waiting = pair.staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")
        staff_view, patient_view = pair.both()
    with start_box(tmp_path / "data", port=port) as box, room(port, box.admins) as here:
        staff = pair.staff = here.keep(Device(port, pair.staff.device, pair.staff.secret))
        phone = pair.patient = here.keep(Device(port, pair.patient.device, pair.patient.secret))
        staff.connection, phone.connection = 10, 10
        for device, before in ((staff.online(), staff_view), (phone.online(), patient_view)):
            view = device.view(pair.session)
            assert view["revision"] >= before["revision"]
            assert view["epoch"] == before["epoch"]
            for key in ("step_id", "fields", "documents", "check_words", "acknowledged_seq"):
                assert view[key] == before[key]
        staff.seq = {pair.session: staff_view["acknowledged_seq"]}
        phone.seq = {pair.session: patient_view["acknowledged_seq"]}
        again = {
            "v": 1,
            "type": "NAVIGATE",
            "command_id": refused["command_id"],
            "seq": refused["seq"],
            "step_id": "consent",
        }
        staff.say(pair.session, again)
        assert staff.wait(lambda m: "/rejections/" in m.topic).json == refused
        put(pair, "card-1", *chunks(PNG)[1])
        pair.fill("FINISH_UPLOAD", upload="card-1")
        pair.go("consent")
        assert staff.view(waiting["session"])["code"] == waiting["code"]
        here.pair(waiting["code"]).view(waiting["session"])


def test_a_restarted_box_publishes_every_open_sessions_views(
    start_box: StartBox, tmp_path: Path
) -> None:
    """A device that only subscribes, and says nothing, has its view, flow and assignment."""
    with start_box(tmp_path / "data") as box, room(box.port, box.admins) as here:
        port = box.port
        pairs = [Pair(here, VISIT) for _ in range(3)]
    with start_box(tmp_path / "data", port=port) as box, room(port, box.admins) as here:
        for pair in pairs:
            quiet = here.keep(Device(port, pair.patient.device, pair.patient.secret))
            quiet.connect()
            quiet.subscribe(
                f"{ROOT}/sessions/+/state/{quiet.device}",
                f"{ROOT}/flows/+",
                f"{ROOT}/devices/{quiet.device}/assignment",
            )
            view = quiet.view(pair.session)
            assert view["session"] == pair.session
            quiet.wait(on(f"{ROOT}/flows/{pair.flow_ref}"))
            assigned = quiet.wait(lambda m: m.topic.endswith("/assignment")).json
            assert assigned["session"] == pair.session


def test_an_opened_session_asked_again_after_a_restart_is_the_same(
    start_box: StartBox, tmp_path: Path
) -> None:
    """`request_id` is remembered across a restart, and the code is the same."""
    request_id = str(uuid.uuid4())
    with start_box(tmp_path / "data") as box, room(box.port, box.admins) as here:
        port = box.port
        here.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
        staff = here.enrol("facility", "Desk")
        first = staff.request("OPEN_SESSION", request_id, flow_id="visit")
    with start_box(tmp_path / "data", port=port) as box, room(port, box.admins) as here:
        again = here.device(staff.device, staff.secret)
        assert again.request("OPEN_SESSION", request_id, flow_id="visit") == first
