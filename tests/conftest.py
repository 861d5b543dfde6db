"""Boxes for tests: real ones, on free loopback ports, gone when the test ends."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from cli import embedded_broker
from session_controller.box import Box, BoxSettings
from session_controller.world import Settings

ROOT = Path(__file__).parents[1]
QUESTIONNAIRES = ROOT.parent / "shared" / "questionnaires"
"""Real public forms; tests that need them are skipped where they are not."""

_FREE = ("127.0.0.1", 0)

# A machine that is busy makes no example wrong.
hypothesis_settings.register_profile("handrail", deadline=None)
hypothesis_settings.load_profile("handrail")


@dataclass(frozen=True)
class RunningBox:
    """A box that serves: where, and the secrets of its admin devices."""

    data: Path
    mqtt: str
    """`mqtt://host:port`"""
    http: str
    site: str
    admins: dict[str, str]
    box: Box

    @property
    def port(self) -> int:
        """The MQTT port."""
        return int(self.mqtt.rsplit(":", 1)[1])


def _running(data: Path, box: Box) -> RunningBox:
    where = box.where()
    admins = json.loads((data / "admin.json").read_text())
    return RunningBox(data, where["mqtt"], where["http"], where["site"], admins, box)


@pytest.fixture
async def async_box(tmp_path: Path) -> AsyncIterator[RunningBox]:
    """A box in the test's own event loop."""
    data = tmp_path / "data"
    async with Box(BoxSettings(data, mqtt=_FREE, http=_FREE), embedded_broker) as box:
        yield _running(data, box)


StartBox = Callable[..., AbstractContextManager[RunningBox]]


@pytest.fixture
def start_box() -> StartBox:
    """Start boxes, each in a thread: `with start_box(data, port=…, settings=…) as box:`."""

    @contextmanager
    def start(
        data: Path,
        *,
        port: int = 0,
        settings: Settings | None = None,
        deliver: bool = False,
    ) -> Iterator[RunningBox]:
        box_settings = BoxSettings(
            data,
            mqtt=("127.0.0.1", port),
            http=_FREE,
            session=settings or Settings(),
            deliver=deliver,
        )
        ready: list[RunningBox] = []
        failed: list[BaseException] = []
        started, stop = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with Box(box_settings, embedded_broker) as box:
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

    return start


@pytest.fixture
def box(start_box: StartBox, tmp_path: Path) -> Iterator[RunningBox]:
    """A box in a thread of its own."""
    with start_box(tmp_path / "data") as running:
        yield running
