"""A kiosk that is away for long is locked: another person may be at it when it comes back."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from schemas.topics import PresenceTopic
from session_controller.service.handlers.timers import run_timers
from session_controller.settings import Settings
from tests.faults.loopback import Stage, staged

_SETTINGS = Settings(screen_lock=timedelta(minutes=10))


@dataclass
class Clock:
    """A steady clock that is moved by hand."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now_s


async def _after(stage: Stage, clock: Clock, minutes: float) -> bool:
    """Return whether the screen is locked so many minutes later."""
    clock.now_s += 60 * minutes
    stage.service.submit(run_timers)
    await stage.service.settled()
    return stage.service.registry.sessions[stage.session].state.locked


def _present(stage: Stage, *, online: bool) -> None:
    body = {"v": 1, "online": online, "connection": 1}
    stage.link.deliver(PresenceTopic("kiosk").under("main"), json.dumps(body).encode())


async def test_a_kiosk_that_is_away_is_locked_after_the_sites_time(tmp_path: Path) -> None:
    """Not before, and again only when the time has passed since the staff showed it."""
    clock = Clock()
    async with staged(tmp_path, settings=_SETTINGS, steady=clock) as stage:
        await stage.open()
        assert not await _after(stage, clock, 60)
        _present(stage, online=False)
        assert not await _after(stage, clock, 0)
        assert not await _after(stage, clock, 9)
        _present(stage, online=True)
        assert not await _after(stage, clock, 2), "it was back in between"
        _present(stage, online=False)
        assert not await _after(stage, clock, 0)
        assert await _after(stage, clock, 10)
        assert await _after(stage, clock, 5)
        stage.say("desk", "COVER_SCREEN", covered=False)
        assert not await _after(stage, clock, 1)
        assert await _after(stage, clock, 10)


async def test_a_phone_that_is_away_is_not_locked(tmp_path: Path) -> None:
    """It is the patient's own, and in their pocket."""
    clock = Clock()
    async with staged(tmp_path, settings=_SETTINGS, steady=clock) as stage:
        await stage.open()
        kiosk = stage.service.registry.devices["kiosk"]
        guest = replace(kiosk, guest_of=stage.session)
        stage.service.submit(lambda work: work.put_device(guest))
        _present(stage, online=False)
        assert not await _after(stage, clock, 0)
        assert not await _after(stage, clock, 60)
