"""Packets are lost and the line is narrow, between a box and screens in different networks."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.machine import free_port
from tests.waiting import wait_until

from .checks import check
from .conftest import FULL, Note, Rounds
from .crew import Crew, crew
from .log import Log
from .namespaces import Network, needs_namespaces, network
from .processes import BoxProcess
from .test_crashes import until_decided
from .test_networks import AGREE_WITHIN_S, back

_KEEPALIVE_S = 4


@dataclass(frozen=True)
class Line:
    """What lies between the two."""

    loss: float = 0.0
    bytes_per_s: int | None = None


_LINES = {
    "loses-2-%": Line(0.02),
    "loses-20-%": Line(0.20),
    "60-kB-per-s": Line(bytes_per_s=60_000),
    "loses-5-%-at-60-kB-per-s": Line(0.05, 60_000),
}


def _set_up(net: Network, data: Path, people: Crew) -> BoxProcess:
    """Start a box inside and let the screens work, all well so far."""
    port = free_port()
    box = BoxProcess(data, port, host=net.inside, wrap=net.wrap)
    assert box.ready()
    url = f"mqtt://{net.inside}:{port}"
    people.hire(data, url, 2, keepalive=_KEEPALIVE_S)
    people.work()
    until_decided(people, 10)
    return box


@pytest.mark.slow
@needs_namespaces
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", _LINES if FULL else ["loses-5-%-at-60-kB-per-s"])
def test_a_bad_line(name: str, tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Sessions go through on it, nothing is lost or doubled, and then all agree at once."""
    line, data = _LINES[name], tmp_path / "data"
    with network() as net, crew() as people:
        with _set_up(net, data, people) as box:
            net.lose(line.loss)
            net.limit(line.bytes_per_s)
            until_decided(people, rounds(40, 400), within_s=300)
            dropped = net.lost()
            net.lose(0)
            net.limit(None)
            agreed = back(people)
            assert box.stop() == 0
        assert check(people.history, Log.read(data)) == []
    note(
        packets_dropped=dropped,
        acknowledged=people.history.acknowledged(),
        lost=0,
        doubled=0,
        agreed=f"{agreed:.2f} s",
    )
    assert (dropped > 0) == (line.loss > 0)
    assert agreed < AGREE_WITHIN_S


@pytest.mark.slow
@needs_namespaces
@pytest.mark.timeout(600)
def test_a_wall_again_and_again(tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Nothing gets through for longer than the keep-alive, while nobody's socket is closed."""
    data, walls = tmp_path / "data", rounds(1, 20)
    with network() as net, crew() as people:
        with _set_up(net, data, people) as box:
            for _ in range(walls):
                net.lose(1)
                _until_all_notice(people)
                net.lose(0)
                until_decided(people, 20)
            agreed = back(people)
            assert box.stop() == 0
        assert check(people.history, Log.read(data)) == []
    note(
        partitions=walls,
        acknowledged=people.history.acknowledged(),
        lost=0,
        doubled=0,
        agreed=f"{agreed:.2f} s",
    )
    assert agreed < AGREE_WITHIN_S


def _until_all_notice(people: Crew) -> None:
    def noticed() -> bool:
        return not any(c.staff.online or c.patient.online for c in people.couples)

    wait_until(noticed, "the dead line is noticed", 10 * _KEEPALIVE_S)
