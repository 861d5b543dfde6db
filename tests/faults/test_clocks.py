"""Clocks that jump an hour: nothing expires that should not, all that should, and order stays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Role
from schemas.wire.requests import OpenSession
from schemas.wire.views import SessionStatus
from session_controller.security.rate_limit import CodeRateLimit
from session_controller.service.handlers.sessions import open_session
from session_controller.service.handlers.timers import run_timers
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings

from .checks import check
from .log import Log
from .loopback import Stage, staged

_HOUR = timedelta(hours=1)
_JUMPS = [_HOUR, -_HOUR, timedelta(days=20_000), -timedelta(days=3_000)]


@dataclass
class Clocks:
    """The wall's clock, which jumps, and the steady one, which does not."""

    wall: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 10, tzinfo=UTC))
    steady: float = 1000.0

    def options(self) -> dict[str, Callable[[], Any]]:
        """Return the clocks as options of the service."""
        return {"clock": lambda: self.wall, "steady": lambda: self.steady}

    async def pass_(self, stage: Stage, span: timedelta) -> None:
        """Advance both clocks, and run the timers."""
        self.wall += span
        self.steady += span.total_seconds()
        await look(stage)


async def look(stage: Stage) -> None:
    """Run the timers now."""
    stage.service.submit(run_timers)
    await stage.service.settled()


def _status(stage: Stage) -> SessionStatus:
    return stage.service.registry.sessions[stage.session].state.status


@pytest.mark.parametrize("jump", _JUMPS)
async def test_a_jump_ends_no_session(jump: timedelta, tmp_path: Path) -> None:
    """A session that is in use stays; one that is idle for the whole limit ends all the same."""
    clocks = Clocks()
    async with staged(tmp_path, **clocks.options()) as stage:
        await stage.open()
        await look(stage)
        clocks.wall += jump
        await clocks.pass_(stage, timedelta(hours=3))
        assert _status(stage) is SessionStatus.ACTIVE
        await clocks.pass_(stage, timedelta(hours=2))
        assert _status(stage) is SessionStatus.EXPIRED


@pytest.mark.parametrize("jump", _JUMPS)
async def test_a_code_lives_ten_minutes_by_a_watch(jump: timedelta, tmp_path: Path) -> None:
    """A jump neither shortens nor lengthens it, and the staff's screen shows the new time."""
    clocks = Clocks()
    async with staged(tmp_path, **clocks.options()) as stage:
        await stage.open()
        opened: list[Any] = []

        def begin(work: UnitOfWork) -> None:
            desk = work.device("desk")
            assert desk is not None
            order = OpenSession(request_id="2", flow_id="quick-check-in")
            opened.append(open_session(work, stage.store, desk, order))

        stage.service.submit(begin)
        await stage.service.settled()
        await look(stage)
        registry = stage.service.registry

        def works() -> bool:
            return UnitOfWork(registry, clocks.wall).code(opened[0].code) is not None

        clocks.wall += jump
        await look(stage)
        await clocks.pass_(stage, timedelta(minutes=9))
        assert works()
        shown = registry.sessions[opened[0].session].state.code
        assert shown is not None
        assert timedelta(0) < shown.expires_at - clocks.wall <= timedelta(minutes=1)
        await clocks.pass_(stage, timedelta(minutes=2))
        assert not works()
        assert registry.sessions[opened[0].session].state.code is None


@pytest.mark.parametrize("jump", _JUMPS)
async def test_a_code_works_right_after_a_jump(jump: timedelta, tmp_path: Path) -> None:
    """Also for whoever types it in before the upkeep comes by; and it ends when it should."""
    clocks = Clocks()
    async with staged(tmp_path, **clocks.options()) as stage:
        await stage.open()
        codes: list[Any] = []
        found: list[bool] = []

        def begin(work: UnitOfWork) -> None:
            desk = work.device("desk")
            assert desk is not None
            order = OpenSession(request_id="2", flow_id="quick-check-in")
            codes.append(open_session(work, stage.store, desk, order).code)

        stage.service.submit(begin)
        await stage.service.settled()
        clocks.wall += jump
        stage.service.submit(lambda work: found.append(work.code(codes[0]) is not None))
        await stage.service.settled()
        clocks.steady += 601
        clocks.wall += timedelta(seconds=601)
        stage.service.submit(lambda work: found.append(work.code(codes[0]) is not None))
        await stage.service.settled()
    assert found == [True, False]


async def test_order_is_by_revision_not_by_time(tmp_path: Path) -> None:
    """A clock that goes back an hour between commands changes no promise."""
    clocks = Clocks()
    async with staged(tmp_path, **clocks.options()) as stage:
        await stage.open()
        for n in range(6):
            clocks.wall += _HOUR if n % 2 else -_HOUR
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value=f"Ada {n}")
            await stage.service.settled()
        history = stage.history
    log = Log.read(tmp_path)
    assert check(history, log, quiet=False) == []
    assert log.roles["kiosk"] is Role.PATIENT


async def test_a_night_that_the_box_was_off_leaves_some_minutes(tmp_path: Path) -> None:
    """A session is not gone the moment that the box starts; it is, soon after, if nobody comes."""
    clocks = Clocks()
    async with staged(tmp_path, **clocks.options()) as stage:
        await stage.open()
        session = stage.session
    clocks.wall += timedelta(days=2)
    async with staged(tmp_path, **clocks.options()) as stage:
        stage.session = session
        await look(stage)
        assert not _status(stage).ended
        await clocks.pass_(stage, Settings().idle_limit)
        assert _status(stage) is SessionStatus.EXPIRED


def test_guessing_is_slowed_by_a_watch() -> None:
    """Whoever guesses waits, whatever the wall's clock does; who comes later does not."""
    guard = CodeRateLimit()
    for n in range(10):
        guard.wrong(f"c{n}", 100.0 + n)
    assert guard.wait_s(110.0) == 0.0
    assert guard.wait_s(110.0) == 3.0
    assert guard.wait_s(800.0) == 0.0
    assert guard.next_free is None
