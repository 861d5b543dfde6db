"""`kill -9` of the serving process: nothing that was acknowledged is lost."""

import uuid
from pathlib import Path

import pytest

from tests.machine import free_port

from .forms import VISIT
from .raw import Device, Json, Pair, acknowledges, room
from .serving import admins_of, handrail_serve

KILLS = 2
COMMANDS = 400


def command(n: int) -> Json:
    """Make the command with `seq` n."""
    return {
        "v": 1,
        "type": "ENTER_FIELD",
        "command_id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(n))),
        "seq": n,
        "field_id": "name" if n % 10 else "nothing",
        "value": f"Name {n}",
    }


def check(view: Json) -> None:
    """See that a view shows the value of the last accepted command that it acknowledges."""
    last = view["acknowledged_seq"]
    shown = last - 1 if last % 10 == 0 else last
    expected = {} if last == 0 else {"value": f"Name {shown}"}
    assert view["fields"].get("name", {}) == expected, view


@pytest.mark.slow
def test_every_acknowledged_command_is_there_after_a_kill(tmp_path: Path) -> None:
    """Killed twice amid a stream of commands: what a view acknowledged stands, once."""
    data, port = tmp_path / "data", free_port()
    pair: Pair | None = None
    seen = revision = 0
    for kill in range(KILLS + 1):
        with handrail_serve(data, port) as serving, room(port, admins_of(data)) as here:
            if pair is None:
                pair = Pair(here, VISIT)
                phone = pair.patient
                revision = pair.both()[0]["revision"]
            else:
                phone = here.keep(Device(port, pair.patient.device, pair.patient.secret))
                phone.connection = kill
                phone.online()
                view = phone.view(pair.session)
                assert view["acknowledged_seq"] >= seen, "an acknowledged command is lost"
                check(view)
                seen = view["acknowledged_seq"]
            for n in range(seen + 1, COMMANDS + 1):
                phone.say(pair.session, command(n))
            enough = COMMANDS if kill == KILLS else seen + COMMANDS // (KILLS + 2)
            phone.view(pair.session, acknowledges(enough))
            if kill < KILLS:
                serving.kill()
                phone.wait_closed()
            for view in phone.views(pair.session):
                check(view)
                seen = max(seen, view["acknowledged_seq"])
            if kill == KILLS:
                final = phone.sync(pair.session)
                assert final["acknowledged_seq"] == COMMANDS
                accepted = COMMANDS - COMMANDS // 10
                presence_changes = final["revision"] - revision - accepted
                assert 0 <= presence_changes <= 4 * (KILLS + 1)
                assert serving.stop() == 0
            log = serving.stderr.read_text()
    assert "Name 1" not in log
    assert "Traceback" not in log


def test_sigterm_stops_it_cleanly(tmp_path: Path) -> None:
    """SIGTERM: exit code 0, devices hear that the controller goes, no error is logged."""
    data, port = tmp_path / "data", free_port()
    with handrail_serve(data, port) as serving, room(port, admins_of(data)) as here:
        desk = here.enrol("facility", "Desk")
        desk.wait(lambda m: m.topic.endswith("/status"))
        assert serving.stop() == 0
        desk.wait_closed()
        last = [m.json for m in desk.messages if m.topic.endswith("/status")][-1]
        assert last["online"] is False
        log = serving.stderr.read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log.upper()
