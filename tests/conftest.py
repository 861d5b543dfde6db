"""Boxes for tests: real ones, on free loopback ports, gone when the test ends."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as hypothesis_settings

from session_controller.openid.settings import OpenIdSettings
from session_controller.settings import Settings

if TYPE_CHECKING:
    from session_controller.box import Box

ROOT = Path(__file__).parents[1]

_FREE = ("127.0.0.1", 0)

# A machine that is busy makes no example wrong. A full run tries ten times as many.
FULL = os.environ.get("HANDRAIL_FAULTS") == "full"
hypothesis_settings.register_profile("quick", deadline=None, max_examples=50)
hypothesis_settings.register_profile("full", deadline=None, max_examples=500)
hypothesis_settings.load_profile("full" if FULL else "quick")


@dataclass(frozen=True)
class RunningBox:
    """A box that serves: where, and the secrets of its admin devices."""

    data: Path
    mqtt: str
    """`mqtt://host:port`"""
    http: str
    site: str
    admins: dict[str, str]
    box: "Box"

    @property
    def port(self) -> int:
        """The MQTT port."""
        return int(self.mqtt.rsplit(":", 1)[1])


def _box(data: Path, **settings: Any) -> "Box":
    """Make a box; imported here, as the tests of rules need none and are fast."""
    from cli import embedded_broker  # noqa: PLC0415
    from session_controller.box import Box, BoxSettings  # noqa: PLC0415

    return Box(BoxSettings(data, **settings), embedded_broker)


def _running(data: Path, box: "Box") -> RunningBox:
    where = box.where()
    admins = json.loads((data / "admin.json").read_text())
    return RunningBox(data, where["mqtt"], where["http"], where["site"], admins, box)


@pytest.fixture
async def async_box(tmp_path: Path) -> AsyncIterator[RunningBox]:
    """A box in the test's own event loop."""
    data = tmp_path / "data"
    async with _box(data, mqtt=_FREE, http=_FREE) as box:
        yield _running(data, box)


StartBox = Callable[..., AbstractContextManager[RunningBox]]


@contextmanager
def starting_box(
    data: Path,
    *,
    port: int = 0,
    settings: Settings | None = None,
    deliver: bool = False,
    openid: OpenIdSettings | None = None,
) -> Iterator[RunningBox]:
    """Start a box in a thread for the duration of the `with`."""
    made = _box(
        data,
        mqtt=("127.0.0.1", port),
        http=_FREE,
        session=settings or Settings(),
        deliver=deliver,
        openid=openid,
    )
    ready: list[RunningBox] = []
    failed: list[BaseException] = []
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with made as box:
            ready.append(_running(data, box))
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            failed.append(error)
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run, name="box")
    thread.start()
    started.wait(20)
    try:
        if failed:
            raise failed[0]
        yield ready[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(20)
    if failed:
        raise failed[0]


@pytest.fixture
def start_box() -> StartBox:
    """Start boxes, each in a thread: `with start_box(data, port=…, settings=…) as box:`."""
    return starting_box


@pytest.fixture
def box(start_box: StartBox, tmp_path: Path) -> Iterator[RunningBox]:
    """A box in a thread of its own."""
    with start_box(tmp_path / "data") as running:
        yield running
