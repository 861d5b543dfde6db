"""Waiting for what happens in another thread, process or task: for the event, with a deadline."""

import asyncio
import time
from collections.abc import Callable

WITHIN_S = 20.0


def wait_until(
    holds: Callable[[], bool], what: str, within_s: float = WITHIN_S, every_s: float = 0.01
) -> None:
    """Wait until something holds that tells nobody when it changes; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(every_s)  # the interval of this poll, and the only one in the tests


async def until(holds: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    """Wait as `wait_until` does, for what happens in this event loop."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.005)  # the interval of this poll, and the only one in the tests


async def turns(number: int = 1) -> None:
    """Turn the event loop so often: callbacks that are due run, and no time passes."""
    for _ in range(number):
        await asyncio.sleep(0)
