"""The outbox on disk."""

import os
import stat

import pytest

from clients.sdk.journal import Journal, journals
from tests.clients.test_outbox import command

SECRET = b"Zebulon"


def reload(folder):
    """Read what another run of the program would find."""
    found = journals(folder)
    return found["s-1"].load() if "s-1" in found else []


@pytest.fixture
def journal(tmp_path):
    """Yield a journal that is closed afterwards."""
    made = Journal(tmp_path, "s-1")
    yield made
    made.close()


def test_what_was_put_is_there_after_a_crash(journal, tmp_path):
    """Commands come back in order, with the numbers that they went out with."""
    commands = [command(n) for n in range(3)]
    for each in commands:
        journal.put(each)
    journal.numbered({commands[0].command_id: 5, commands[1].command_id: 6})
    assert reload(tmp_path) == [(commands[0], 5), (commands[1], 6), (commands[2], None)]


def test_what_was_settled_is_gone(journal, tmp_path):
    """Only what is not decided is sent again."""
    for number in range(3):
        journal.put(command(number))
    journal.settled([command(1).command_id, command(2).command_id])
    assert reload(tmp_path) == [(command(0), None)]


def test_nothing_stays_on_disk_when_nothing_is_held(journal, tmp_path):
    """What a patient entered is not kept longer than it has to be."""
    journal.put(command(0))
    journal.settled([command(0).command_id])
    assert (tmp_path / "s-1.outbox").read_bytes() == b""
    journal.put(command(1))
    assert reload(tmp_path) == [(command(1), None)]


def test_the_file_goes_with_the_session(journal, tmp_path):
    """`remove` leaves nothing behind."""
    journal.put(command(0))
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_for_its_owner_alone(journal, tmp_path):
    """Mode 0600, also after it was written anew."""
    os.umask(0)
    journal.put(command(0))
    path = tmp_path / "s-1.outbox"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    reload(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("torn", [b'{"put":{"v":1,"ty', b"\xff\x00", b'{"put":{}}\n', b"[1]\n"])
def test_a_torn_end_loses_only_itself(journal, tmp_path, torn):
    """What a power cut left half written is left out, and the file can be gone on with."""
    journal.put(command(0))
    with (tmp_path / "s-1.outbox").open("ab") as file:
        file.write(torn)
    assert reload(tmp_path) == [(command(0), None)]
    again = Journal(tmp_path, "s-1")
    again.load()
    again.put(command(1))
    again.close()
    assert reload(tmp_path) == [(command(0), None), (command(1), None)]


def test_other_files_are_no_journals(tmp_path):
    """Only files that are named for a session are read."""
    for name in ("notes.txt", "UPPER.outbox", ".outbox", "a b.outbox"):
        (tmp_path / name).write_bytes(SECRET)
    assert journals(tmp_path) == {}
