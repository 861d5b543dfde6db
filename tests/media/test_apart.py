"""Documents are looked at in processes of their own, which all end."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest
from PIL import ImageCms

from session_controller.media import apart
from session_controller.media.apart import inspect_apart
from session_controller.media.inspection import inspect
from session_controller.media.letters import read_answer
from session_controller.media.outcome import Inspected, Unfit
from tests.media.samples import TYPES, huge_png, noise, pdf, telling, written
from tests.media.test_pictures import NOTHING_TO_DROP, media_type

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


_BEFORE: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def _before() -> None:
    """Other tests of this process may have left a helper of Python running."""
    _BEFORE.clear()
    _BEFORE.update(psutil.Process().children())


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children()) - _BEFORE


@pytest.mark.parametrize(
    ("data", "media_type", "allowed"),
    [
        *((telling(kind), TYPES[kind], ("image/*",)) for kind in TYPES),
        (written(noise(), "PNG", save_all=True, append_images=[noise()]), "image/png", ()),
        (written(noise("CMYK"), "JPEG", progressive=True), "image/jpg", ()),
        (pdf(), "application/pdf", ()),
        (b"a,b\n", "text/csv", ()),
        (b"\xff", "text/plain", ()),
        (b"PK\x05\x06" + bytes(18), WORD, (WORD,)),
        (b"", "image/png", ()),
        (huge_png(50_000, 50_000), "image/png", ()),
        (b"<svg>", "image/svg+xml", ("image/*",)),
        (b"line\nline\n", "text/plain", ("text/plain",)),
    ],
)
async def test_apart_it_is_as_in_process(
    data: bytes, media_type: str, allowed: tuple[str, ...]
) -> None:
    """A process that may open no file says the same of every kind of document."""
    assert await inspect_apart(data, media_type, allowed) == inspect(data, media_type, allowed)
    assert not _children()


async def test_apart_every_make_of_picture_is_taken() -> None:
    """No decoder wants to open a file of its own when it meets a rare kind."""
    samples = [(media_type(name), data) for name, data in NOTHING_TO_DROP.items()]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in TYPES:
        samples.append((TYPES[kind], telling(kind, icc_profile=profile)))
        samples.append((TYPES[kind], written(noise(), kind)[:-20]))
    asked = [inspect_apart(data, announced, ()) for announced, data in samples]
    for (announced, data), answer in zip(samples, await asyncio.gather(*asked), strict=True):
        assert answer == inspect(data, announced, ())


def _run(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(apart, "_COMMAND", (sys.executable, "-c", program))


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.abort()",
        "raise SystemExit(3)",
        "pass",
        "print('{}')",
        "print('[]')",
        "print('null')",
        "import sys; sys.stdin.buffer.read(1); sys.stdin.close(); print('no JSON')",
        'print(\'{"media_type": "image/png", "size": 5}\')',
        'print(\'{"reason": "no such reason"}\')',
    ],
)
async def test_a_crash_is_a_damaged_document(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of the process, the caller has an answer."""
    _run(monkeypatch, program)
    assert await inspect_apart(bytes(1 << 20), "image/png", ()) == Unfit("damaged")
    assert not _children()


async def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not come to an end is killed."""
    _run(monkeypatch, "import signal; signal.pause()")
    assert await inspect_apart(b"x", "text/plain", (), within_s=0.2) == Unfit("too_large")
    assert not _children()


async def test_one_that_uses_all_its_time_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel ends what has used its CPU time."""
    _run(
        monkeypatch,
        "import resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); "
        "r.setrlimit(r.RLIMIT_CPU, (1, 9))\nwhile True: pass",
    )
    assert await inspect_apart(b"x", "text/plain", ()) == Unfit("too_large")


class _Watched:
    """Counts the processes that live, and tells when one has started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.living = self.most = 0
        self.started = asyncio.Event()
        self._real = apart._process
        monkeypatch.setattr(apart, "_process", self._process)

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[Process]:
        async with self._real() as process:
            self.living += 1
            self.most = max(self.most, self.living)
            self.started.set()
            yield process
        self.living -= 1


async def test_nobody_who_stops_waiting_leaves_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that is cancelled takes its process along."""
    _run(monkeypatch, "import signal; signal.pause()")
    watched = _Watched(monkeypatch)
    task = asyncio.create_task(inspect_apart(b"x", "text/plain", ()))
    await watched.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _children()


async def test_few_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten documents at a time are two processes at a time, and all are answered."""
    watched = _Watched(monkeypatch)
    answers = await asyncio.gather(*(inspect_apart(b"x", "text/plain", ()) for _ in range(10)))
    assert answers == [Inspected("text/plain", b"x")] * 10
    assert watched.most == apart.AT_ONCE


async def test_a_reader_may_use_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has bounds of memory and time, writes no file and opens none."""
    program = """
import resource as r
from session_controller.media import limits
limits.restrain(); limits.open_nothing_more()
bounds = [r.getrlimit(x)[1] for x in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_CORE, r.RLIMIT_FSIZE)]
assert bounds == [1 << 30, 20, 0, 0], bounds
try: open('/dev/null')
except OSError: pass
else: raise SystemExit('opened a file')
try: bytearray(1 << 30)
except MemoryError: print('{"reason": "empty"}')
"""
    _run(monkeypatch, program)
    assert await inspect_apart(b"x", "text/plain", ()) == Unfit("empty")


async def test_a_reader_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the box is not in the surroundings of a process that reads a stranger's file."""
    monkeypatch.setenv("HANDRAIL_BOX_KEY", "secret")
    _run(
        monkeypatch,
        "import os; print('HANDRAIL_BOX_KEY' in os.environ or '{\"reason\": \"empty\"}')",
    )
    assert await inspect_apart(b"x", "text/plain", ()) == Unfit("empty")


def test_an_answer_that_was_cut_is_none() -> None:
    """An answer without all its bytes is not taken for one."""
    assert read_answer(b'{"media_type": "text/plain", "size": 5}\nabcd') == Unfit("damaged")


async def test_a_document_of_some_megabytes_comes_back_whole() -> None:
    """Pipes hold less than a document: it is written and read at the same time."""
    data = b"0123456789abcde\n" * 500_000
    answer = await inspect_apart(data, "text/plain", ())
    assert answer == Inspected("text/plain", data)
