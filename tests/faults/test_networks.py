"""Bad networks between the screens and the box: no entry lost, none doubled, all agree again."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartBox
from tests.machine import free_port
from tests.waiting import wait_until

from .checks import check
from .conftest import FULL, Note, Rounds
from .crew import Crew, crew
from .log import Log
from .proxy import Proxy, Weather, proxied
from .test_crashes import until_decided

AGREE_WITHIN_S = 2.0


@contextmanager
def at_work(
    start_box: StartBox, data: Path, couples: int, **options: int
) -> Iterator[tuple[Crew, Proxy]]:
    """Yield a working crew behind a proxy; afterwards check everything against the log."""
    port = free_port()
    with proxied(port) as proxy, crew() as people:
        with start_box(data, port=port) as box:
            through = f"mqtt://127.0.0.1:{proxy.port}"
            people.hire(data, box.mqtt, couples, through=through, **options)
            people.work()
            until_decided(people, 10)
            yield people, proxy
        assert check(people.history, Log.read(data)) == []


def all_online(people: Crew) -> bool:
    """Return whether every screen is connected."""
    return all(c.staff.online and c.patient.online for c in people.couples)


def back(people: Crew) -> float:
    """Wait until every screen is connected, then until all agree; gives the second wait."""
    wait_until(lambda: all_online(people), "every screen has a connection", 30)
    return people.rest()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_wifi_that_drops_again_and_again(
    start_box: StartBox, tmp_path: Path, rounds: Rounds, note: Note
) -> None:
    """Every ten seconds for ten minutes: all entries arrive once, and the screens agree at once."""
    every_s = 10.0 if FULL else 1.0
    drops = rounds(8, 60)
    with at_work(start_box, tmp_path / "data", 3) as (people, proxy):
        for _ in range(drops):
            time.sleep(every_s)  # the fault is about time
            proxy.cut()
        agreed = back(people)
    assert agreed < AGREE_WITHIN_S
    note(
        drops=drops,
        acknowledged=people.history.acknowledged(),
        lost=0,
        doubled=0,
        agreed_after=f"{agreed:.2f} s",
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cut_at_any_byte(start_box: StartBox, tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Wherever in a packet the connection ends, both sides take up where they were."""
    rng = random.Random(5)
    with at_work(start_box, tmp_path / "data", 2) as (people, proxy):
        wanted = rounds(40, 1000)
        deadline = time.monotonic() + 600
        while proxy.cuts < wanted:
            assert time.monotonic() < deadline
            proxy.weather = Weather(cut_after=rng.randint(1, 6000))
            time.sleep(0.05)  # the fault's own pace: so often the weather changes
        proxy.weather = Weather()
        agreed = back(people)
    note(cuts=proxy.cuts, acknowledged=people.history.acknowledged(), agreed=f"{agreed:.2f} s")


@pytest.mark.slow
@pytest.mark.parametrize(
    "weather",
    [
        Weather(delay_s=0.15, jitter_s=0.1),
        Weather(bytes_per_s=60_000),
    ],
    ids=["delay-and-jitter", "60-kB-per-s"],
)
def test_slow_networks(
    weather: Weather, start_box: StartBox, tmp_path: Path, rounds: Rounds, note: Note
) -> None:
    """Slow is not broken: commands are decided, in order, and the screens agree."""
    with at_work(start_box, tmp_path / "data", 2) as (people, proxy):
        proxy.weather = weather
        until_decided(people, rounds(30, 300), 100)
        rested = people.rest()
    note(acknowledged=people.history.acknowledged(), agreed=f"{rested:.2f} s")


@pytest.mark.slow
@pytest.mark.parametrize("deaf", ["up", "down"])
def test_one_side_is_not_heard(deaf: str, start_box: StartBox, tmp_path: Path, note: Note) -> None:
    """Half-open: keep-alive finds it, the other side is shown it, and all is made up for."""
    with at_work(start_box, tmp_path / "data", 1, keepalive=2) as (people, proxy):
        couple = people.couples[0]
        proxy.weather = Weather(deaf_up=deaf == "up", deaf_down=deaf == "down")
        wait_until(
            lambda: not (couple.staff.online or couple.patient.online),
            "the half-open connection is noticed",
            30,
        )
        proxy.weather = Weather()
        until_decided(people, 10)
        agreed = back(people)
    note(agreed=f"{agreed:.2f} s")
