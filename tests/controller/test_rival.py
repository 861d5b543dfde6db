"""Which of two controllers stops."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.wire.devices import ControllerStatus
from session_controller.service.rival import RivalWatch

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def _status(epoch: int, started_at: datetime) -> ControllerStatus:
    return ControllerStatus(online=False, epoch=epoch, version="1", started_at=started_at)


def _watch() -> RivalWatch:
    watch = RivalWatch(2, NOW)
    watch.connected(0.0)
    before = _status(2, NOW - _HOUR)
    assert not watch.must_stop(before, retained=True), "its predecessor's"
    assert not watch.must_stop(before, retained=False), "its predecessor's will"
    return watch


@pytest.mark.parametrize(
    ("other", "connections"),
    [
        (_status(3, NOW + _HOUR), 2),
        (_status(2, NOW - _HOUR), 2),
        (_status(2, NOW + _HOUR), 4),
        (_status(1, NOW - _HOUR), 4),
    ],
    ids=["restored later", "has run for longer", "has run for less", "restored before"],
)
def test_the_one_that_was_restored_later_stays(other: ControllerStatus, connections: int) -> None:
    """Then the one that has run for longer: it has the patience of two connections more."""
    watch = _watch()
    for nth in range(1, connections + 1):
        watch.connected(float(nth))
        for _ in range(3):
            stops = watch.must_stop(other, retained=False)
            assert stops == (nth == connections), "each connection counts once"


def test_a_status_that_a_crashed_broker_restores_is_no_rival() -> None:
    """Of an earlier start of this controller, or older: whoever runs, takes over again at once."""
    watch, ghost, own = _watch(), _status(2, NOW - _HOUR), _status(2, NOW)
    watch.connected(10.0)
    assert not watch.must_stop(ghost, retained=True)
    watch.connected(11.0)
    assert not watch.must_stop(own, retained=True), "it was published again"
    watch.connected(12.0)
    assert not watch.must_stop(ghost, retained=True)
    watch.connected(80.0)
    assert not watch.must_stop(ghost, retained=True), "a minute later the broker crashed again"
    watch.connected(81.0)
    assert watch.must_stop(ghost, retained=True)


def test_its_own_publication_that_comes_back_breaks_no_row() -> None:
    """Only what the broker retains shows that nobody else published since."""
    watch, other, own = _watch(), _status(2, NOW - _HOUR), _status(2, NOW)
    watch.connected(1.0)
    assert not watch.must_stop(other, retained=True)
    assert not watch.must_stop(own, retained=False)
    watch.connected(2.0)
    assert watch.must_stop(other, retained=True)
