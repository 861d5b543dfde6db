"""`python -m tests.faults.storm < order`: hundreds of screens in a process of their own.

They speak MQTT as the SDK does, with its back-off, and next to no work of their own: what takes
time is the box. The order is JSON: port, secrets by device, and session, host, patient of each
pair. It prints `ready` when all screens show their sessions; then the box is to restart, and it
prints a JSON object with the seconds from the loss of each connection.
"""

import asyncio
import json
import resource
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.command_round_trip.screens import LoadError, MqttScreen, MqttSite
from clients import Backoff

_UNDER_WAY = 50
"""Screens that connect at once in the beginning, which is not measured."""


@dataclass
class Post:
    """One screen's place: it comes back whenever its connection is lost."""

    site: MqttSite
    device: str
    session: str
    step: str = ""
    revision: int = 0
    connection: int = 1
    screen: MqttScreen | None = None
    lost_at: float = 0.0
    back_at: float = 0.0
    """When it showed its step again."""
    whole_at: float = 0.0
    """When it showed that the other is back as well."""
    tries: int = 0
    wrong: list[str] = field(default_factory=list)

    async def arrive(self) -> None:
        """Connect for the first time."""
        self.screen = await self.site.screen(self.device, self.session)
        await self._until_whole(self.screen)
        found = _view(self.screen)
        self.step, self.revision = found["step_id"], found["revision"]

    async def return_(self) -> None:
        """Notice the loss, try again and again, and note when all is as it was."""
        assert self.screen is not None
        await self._lost(self.screen)
        self.lost_at = time.monotonic()
        backoff = Backoff()
        while not self.back_at:
            await asyncio.sleep(backoff.next())  # the screens' own pace, which is measured
            self.tries += 1
            self.connection += 1
            try:
                screen = await self.site.screen(
                    self.device, self.session, connection=self.connection
                )
            except (OSError, LoadError, TimeoutError):
                continue
            self._compare(_view(screen))
            self.back_at = time.monotonic()
            await self._until_whole(screen)
            self.whole_at = time.monotonic()
            self.screen = screen

    async def _lost(self, screen: MqttScreen) -> None:
        while not screen.failed:
            with suppress(LoadError, TimeoutError):
                await screen.until(lambda: False)

    async def _until_whole(self, screen: MqttScreen) -> None:
        await screen.until(lambda: all(p["online"] for p in _people(_view(screen))))

    def _compare(self, found: dict[str, Any]) -> None:
        if found["step_id"] != self.step or found["revision"] < self.revision:
            self.wrong.append(f"{self.device} came back at {found['step_id']}")


def _view(screen: MqttScreen) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(screen.view.payload)
    return found


def _people(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the participants of a session, as this screen's view lists them."""
    if "participants" in found:
        return list(found["participants"].values())
    return [{"online": found["host_online"]}]


async def _storm(order: dict[str, Any]) -> dict[str, Any]:
    site = MqttSite(order["port"], order["secrets"], lobby=True)
    posts = [Post(site, device, session) for session, *pair in order["plan"] for device in pair]
    gate = asyncio.Semaphore(_UNDER_WAY)

    async def arrive(post: Post) -> None:
        async with gate:
            await post.arrive()

    await asyncio.gather(*(arrive(post) for post in posts))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*(post.return_() for post in posts))
    return {
        "back": [post.back_at - post.lost_at for post in posts],
        "whole": [post.whole_at - post.lost_at for post in posts],
        "tries": sum(post.tries for post in posts),
        "wrong": [line for post in posts for line in post.wrong],
        "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
    }


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.stdout.write(json.dumps(asyncio.run(_storm(json.load(sys.stdin)))))
