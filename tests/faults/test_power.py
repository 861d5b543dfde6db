"""The power goes while the box serves: what it acknowledged is on the disk, again and again."""

import os
import random
import time
from pathlib import Path

import pytest

from session_controller.integrity.data_folder import reading, verify
from session_controller.storage.documents import DocumentStore
from tests.machine import free_port, needs
from tests.pictures import png
from tests.waiting import wait_until

from .checks import check
from .conftest import FULL, Note, Rounds
from .crew import Couple, Crew, crew
from .log import Log
from .mounts import Disk, disk, needs_root
from .processes import BoxProcess
from .test_crashes import conclude, hire, until_decided
from .test_documents import DOCUMENT, couple_at_a_document, taken_after_a_start
from .victim import UNSYNCED

needs_ext4 = needs("mkfs.ext4", "e2fsck")


def _cut(people: Crew, place: Disk, port: int, after_s: float, trap: str = "none") -> float:
    """Serve for a while, cut the power, and bring the disk back as it is now; gives the moment."""
    with BoxProcess(place.at / "data", port, point=trap) as box:
        assert box.ready()
        until_decided(people, 5)
        time.sleep(after_s)  # the fault is about time
        box.freeze()  # a machine without power says nothing more
        place.cut_power()
        moment = time.monotonic()
        box.kill()
    place.unmount()
    place.power_on()
    return moment


@pytest.mark.slow
@needs_root
@needs_ext4
@pytest.mark.timeout(7200 if FULL else 300)
def test_power_cuts(tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Nothing acknowledged is lost, at fifty moments that nobody chose."""
    port, rng = free_port(), random.Random(11)
    with disk(tmp_path) as place, crew() as people:
        data = place.at / "data"
        hire(people, data, port)
        cuts = [_cut(people, place, port, rng.uniform(0, 0.5)) for _ in range(rounds(3, 50))]
        conclude(people, data, port, cuts, note, name="power_cuts")
        place.unmount()
        place.check()


@pytest.mark.slow
@needs_root
@needs_ext4
@pytest.mark.timeout(7200 if FULL else 300)
def test_power_cuts_while_a_document_arrives(tmp_path: Path, rounds: Rounds) -> None:
    """What a view counted of it is on the disk; the screen sends the rest, and it is taken."""
    port, document = free_port(), png(6_000_000)
    with disk(tmp_path) as place:
        data = place.at / "data"
        for _ in range(rounds(2, 20)):
            with couple_at_a_document(data, port) as couple:
                with BoxProcess(data, port) as box:
                    assert box.ready()
                    sent = couple.patient.start_upload(
                        couple.session, DOCUMENT, document, "image/png"
                    )
                    wait_until(lambda: _received(couple) > 0, "bytes arrive", 60)
                    box.freeze()  # a machine without power says nothing more
                    place.cut_power()
                    box.kill()
                seen = _received(couple)
                place.unmount()
                place.power_on()
                assert _held(data, couple.session) >= seen
                taken_after_a_start(data, port, sent)
                assert verify(data / "handrail.sqlite").faults == ()
        place.unmount()
        place.check()


def _received(couple: Couple) -> int:
    """Return how many bytes of the document the patient's newest view counts."""
    view = couple.patient.view(couple.session)
    shown = view.documents.get(DOCUMENT) if view else None
    return (shown.received or 0) if shown else 0


def _held(data: Path, session: str) -> int:
    """Return how many bytes the state counts, once it was seen that the part holds them."""
    with reading(data / "handrail.sqlite") as reader:
        state = reader.state(session)
    assert state is not None
    document = state.documents[DOCUMENT]
    if document.stored is None:
        upload = session, document.upload
        assert DocumentStore(data).holds(upload, document.received)
    return document.received


@needs_root
@needs_ext4
def test_a_power_cut_is_one(tmp_path: Path) -> None:
    """Bytes that were only written are gone; those that were synced stay."""
    with disk(tmp_path) as place:
        for name in ("synced", "written"):
            with (place.at / name).open("wb", buffering=0) as file:
                file.write(b"x" * 4096)
                if name == "synced":
                    os.fsync(file.fileno())
        place.cut_power()
        place.unmount()
        place.power_on()
        assert (place.at / "synced").read_bytes() == b"x" * 4096
        assert not (place.at / "written").exists()


@pytest.mark.slow
@needs_root
@needs_ext4
@pytest.mark.timeout(300)
def test_a_box_that_does_not_sync_is_found_out(tmp_path: Path) -> None:
    """The test above can fail: with SQLite's NORMAL, acknowledged commands are lost and seen so."""
    port = free_port()
    with disk(tmp_path) as place, crew() as people:
        data = place.at / "data"
        hire(people, data, port)
        for _ in range(5):
            _cut(people, place, port, 0.3, trap=UNSYNCED)
            if any(line.startswith("P1") for line in check(people.history, Log.read(data))):
                return
    pytest.fail("five power cuts took nothing from a box that does not sync")
