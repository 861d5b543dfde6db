"""The controller on a broker that is not ours: Mosquitto, started by the test on a free port."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import embedded_broker
from session_controller.box import Box, BoxSettings
from session_controller.settings import Settings
from tests.conftest import StartBox
from tests.machine import free_port
from tests.waiting import wait_until

from .forms import PERSON, PNG, VISIT, complete, reach, upload
from .raw import ROOT, Device, Pair, Room, on, room
from .serving import admins_of, handrail_serve, mosquitto

pytestmark = pytest.mark.timeout(90)


def test_a_lost_broker_makes_a_box_unready(tmp_path: Path) -> None:
    """Until it is back."""
    port = free_port()
    with mosquitto(tmp_path / "broker", port) as broker, controller(tmp_path / "data", port) as box:
        assert box.failing() == {}
        broker.kill()
        wait_until(lambda: "broker" in box.failing(), "the check fails")
        with mosquitto(tmp_path / "broker", port):
            wait_until(lambda: not box.failing(), "the check passes again")


@contextmanager
def controller(data: Path, port: int, session: Settings | None = None) -> Iterator[Box]:
    """Run a controller on the broker at that port, in a thread of its own."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    started, boxes, failed = threading.Event(), [], []
    settings = BoxSettings(
        data,
        http=None,
        broker_url=f"mqtt://127.0.0.1:{port}",
        session=session or Settings(),
    )

    async def serve() -> None:
        async with Box(settings, embedded_broker) as box:
            boxes.append(box)
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            failed.append(error)
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run, name="controller")
    thread.start()
    started.wait(20)
    try:
        if failed:
            raise failed[0]
        yield boxes[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(20)


def test_a_whole_session_over_another_broker(tmp_path: Path) -> None:
    """Pairing, entering, uploading, signing, completing: the same contract on Mosquitto."""
    port, data = free_port(), tmp_path / "data"
    with (
        mosquitto(tmp_path / "broker", port),
        controller(data, port) as box,
        room(port, admins_of(data)) as here,
    ):
        pair = Pair(here, VISIT)
        reach(pair, "end")
        complete(pair, "end")
        pair.lead_in_vain("NAVIGATE", "unknown_step", step_id="nowhere")
        pair.lead("COMPLETE")
        assert [view["status"] for view in pair.both()] == ["completed", "completed"]
        assert box.counters.get("bugs", 0) == 0


def test_no_command_is_lost_while_the_controller_is_away(tmp_path: Path) -> None:
    """Commands that a broker took while the controller was stopped are handled when it is back."""
    port, data = free_port(), tmp_path / "data"
    with mosquitto(tmp_path / "broker", port), room(port, {}) as here:
        with controller(data, port):
            here.admins = admins_of(data)
            pair = Pair(here, VISIT)
            pair.enter(name="Before")
            status = f"{ROOT}/controller/status"
        pair.patient.wait(lambda m: m.topic == status and not m.json["online"])
        for n in range(50):
            command = pair.patient.send(
                pair.session, "ENTER_FIELD", field_id="name", value=f"Away {n}"
            )
            topic = f"{ROOT}/sessions/{pair.session}/commands/{pair.patient.device}"
            assert pair.patient.deliver(topic, command), "the broker took it, perhaps twice"
        since = pair.patient.mark()
        with controller(data, port):
            view = pair.patient.answer(pair.session, command, since)
            assert view["acknowledged_seq"] == 51
            assert view["fields"]["name"]["value"] == "Away 49"
            staff = pair.staff.view(pair.session, lambda v: v["revision"] >= view["revision"])
            assert staff["fields"]["name"]["value"] == "Away 49"


@pytest.mark.slow
def test_no_command_is_lost_when_the_controller_is_killed(tmp_path: Path) -> None:
    """`kill -9` amid a stream of commands: nobody resends, and yet each is applied, once."""
    port, data = free_port(), tmp_path / "data"
    url = ("--broker", f"mqtt://127.0.0.1:{port}")
    with mosquitto(tmp_path / "broker", port), room(port, {}) as here:
        with handrail_serve(data, free_port(), *url) as serving:
            here.admins = admins_of(data)
            pair = Pair(here, VISIT)
            before = pair.both()[0]["revision"]
            for n in range(300):
                command = pair.patient.send(
                    pair.session, "ENTER_FIELD", field_id="name", value=f"Name {n}"
                )
            pair.patient.view(pair.session, lambda v: v["acknowledged_seq"] >= 30)
            serving.kill()
        pair.staff.wait(lambda m: m.topic.endswith("/status") and not m.json["online"])
        with handrail_serve(data, free_port(), *url):
            view = pair.patient.answer(pair.session, command)
            assert view["fields"]["name"]["value"] == "Name 299"
            assert view["acknowledged_seq"] == 300
            assert view["revision"] == before + 300


def test_a_broker_that_lost_everything_is_told_it_all_again(tmp_path: Path) -> None:
    """The broker is killed and comes back empty: views, flows, status are all published again."""
    port, data = free_port(), tmp_path / "data"
    with controller_on_a_broker(tmp_path, port, data) as (here, pairs, restart):
        before = [pair.both()[1] for pair in pairs]
        restart()
        for pair, known in zip(pairs, before, strict=True):
            quiet = here.keep(Device(port, pair.patient.device, pair.patient.secret))
            quiet.connect()
            quiet.subscribe(
                f"{ROOT}/sessions/{pair.session}/state/{quiet.device}",
                f"{ROOT}/flows/{pair.flow_ref}",
                f"{ROOT}/controller/status",
                f"{ROOT}/devices/{quiet.device}/assignment",
            )
            view = quiet.view(pair.session, deadline=40)
            assert view["fields"] == known["fields"]
            assert view["step_id"] == known["step_id"]
            quiet.wait(lambda m: "/flows/" in m.topic)
            quiet.wait(lambda m: m.topic.endswith("/status") and m.json["online"])
            quiet.wait(lambda m: m.topic.endswith("/assignment") and m.json["session"])
        pair = pairs[0]
        for device in (pair.staff, pair.patient):
            device.online()
            device.view(pair.session)
        pair.enter(**PERSON)
        pair.go("visits")


@contextmanager
def controller_on_a_broker(
    tmp_path: Path, port: int, data: Path
) -> Iterator[tuple[Room, list[Pair], Callable[[], None]]]:
    """Yield three sessions on a broker, and a function that kills it and starts an empty one."""
    with room(port, {}) as here, controller_and_brokers(tmp_path, port, data) as restart:
        here.admins = admins_of(data)
        staff = here.enrol("facility", "Desk")
        pairs = [Pair(here, VISIT, staff=staff) for _ in range(3)]
        for n, pair in enumerate(pairs):
            pair.enter(name=f"Patient {n}")
        yield here, pairs, restart


@contextmanager
def controller_and_brokers(tmp_path: Path, port: int, data: Path) -> Iterator[Callable[[], None]]:
    """Run a controller over a broker that can be killed and replaced by an empty one."""
    running = [mosquitto(tmp_path / "broker-0", port)]
    first = running[0].__enter__()

    def restart() -> None:
        first.kill()
        running.append(mosquitto(tmp_path / "broker-1", port))
        running[-1].__enter__()

    try:
        with controller(data, port):
            yield restart
    finally:
        for broker in reversed(running):
            broker.__exit__(None, None, None)


def test_a_document_goes_over_another_broker(tmp_path: Path) -> None:
    """Chunks of 64 KiB and FETCH_DOCUMENT work through Mosquitto as through ours."""
    port, data = free_port(), tmp_path / "data"
    with (
        mosquitto(tmp_path / "broker", port),
        controller(data, port),
        room(port, admins_of(data)) as here,
    ):
        pair = Pair(here, VISIT)
        reach(pair, "papers")
        name = str(uuid.uuid4())
        upload(pair, "card", name, PNG)
        begins = f"{ROOT}/sessions/{pair.session}/documents/{pair.staff.device}/"
        pair.lead("FETCH_DOCUMENT", field_id="card")
        parts = [pair.staff.wait(on(f"{begins}{name}/{offset}")) for offset in (0, 65_536)]
        assert b"".join(part.payload for part in parts) == PNG


def test_a_data_folder_moves_to_another_broker(tmp_path: Path, start_box: StartBox) -> None:
    """The data folder that served with the embedded broker serves on another one too."""
    data, port = tmp_path / "data", free_port()
    with start_box(data) as box, room(box.port, box.admins) as here:
        pair = Pair(here, VISIT)
        pair.enter(name="Ada")
    with (
        mosquitto(tmp_path / "broker", port),
        controller(data, port),
        room(port, admins_of(data)) as here,
    ):
        phone = here.keep(Device(port, pair.patient.device, pair.patient.secret))
        phone.connection = 5
        assert phone.online().view(pair.session)["fields"]["name"] == {"value": "Ada"}


def test_a_request_that_was_retained_by_mistake_is_carried_out_once(tmp_path: Path) -> None:
    """What a device retains beside its presence is not done again when the controller is back."""
    port, data = free_port(), tmp_path / "data"
    with mosquitto(tmp_path / "broker", port), room(port, {}) as here:
        with controller(data, port):
            here.admins = admins_of(data)
            pair = Pair(here, VISIT)
            observer = here.enrol("facility", "Observer")
            observer.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
            leave = {"v": 1, "type": "LEAVE_SESSION", "request_id": "r-1", "session": pair.session}
            requests = f"{ROOT}/devices/{observer.device}/requests"
            observer.deliver(requests, leave, retain=True)
            pair.staff.view(pair.session, lambda v: observer.device not in v["participants"])
            observer.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
        pair.staff.wait(lambda m: m.topic.endswith("/status") and not m.json["online"])
        since = pair.staff.mark()
        with controller(data, port):
            pair.staff.wait(lambda m: "/state/" in m.topic, since)
            view = pair.staff.sync(pair.session)
            assert observer.device in view["participants"]
