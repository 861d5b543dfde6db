"""The log on standard error: for people, for the journal, as JSON; never an exception's text."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pytest

from clients.cli import running
from clients.cli.logs import ForJournal, ForPeople, JsonLines, LogFormat, LogLevel, log_unhandled
from session_controller.service.log_line import LogLine

from .conftest import Handrail, Serving

FORMATS = [ForPeople(), ForJournal(), JsonLines()]
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


def record(message: object, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    """Make a record as a logger does."""
    return logging.LogRecord("session_controller.x", level, "x.py", 1, message, arguments, None)


def failed() -> logging.LogRecord:
    """Make a record of an exception whose text must not be shown."""
    try:
        int("Zorblatt")
    except ValueError:
        found = record("a task failed", level=logging.ERROR)
        found.exc_info = sys.exc_info()
        return found


def test_a_line_for_people() -> None:
    """Time with its offset, level, sentence and fields."""
    text = ForPeople().format(record(LogLine("session opened", session="s-1", by="desk")))
    assert re.fullmatch(rf"{_TIME} INFO session opened session=s-1 by=desk", text)


@pytest.mark.parametrize(
    ("level", "prefix"), [(logging.INFO, "<6>"), (logging.WARNING, "<4>"), (logging.ERROR, "<3>")]
)
def test_a_line_for_the_journal(level: int, prefix: str) -> None:
    """Its priority, and no time: the journal has its own."""
    text = ForJournal().format(record("cannot read %s", "x", level=level))
    assert text == f"{prefix}cannot read x"


def test_a_line_as_json() -> None:
    """The fields are keys; a message without fields is whole."""
    found = json.loads(JsonLines().format(record(LogLine("device online", device="k", n=2))))
    at = datetime.fromisoformat(found.pop("at"))
    assert at.tzinfo is not None
    assert found == {
        "level": "info",
        "logger": "session_controller.x",
        "message": "device online",
        "device": "k",
        "n": 2,
    }
    assert json.loads(JsonLines().format(record("to %s", "x")))["message"] == "to x"


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: type(form).__name__)
def test_a_record_is_one_line_without_an_exceptions_text(form: logging.Formatter) -> None:
    """Control characters are escaped; of an exception its type and place are shown."""
    assert "\n" not in form.format(record("a\nb\x1b[31m\u2028c"))
    assert "\x1b" not in form.format(record("a\nb\x1b[31m\u2028c"))
    text = form.format(failed())
    assert "ValueError at" in text
    assert "Zorblatt" not in text
    assert "\n" not in text


def test_a_failed_task_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """Asyncio's own line repeats the exception."""

    async def fail() -> None:
        asyncio.get_running_loop().set_exception_handler(log_unhandled)
        asyncio.get_running_loop().call_soon(int, "Zorblatt")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(fail())
    assert "a task failed: ValueError at" in caplog.text
    assert "Zorblatt" not in caplog.text


def test_a_box_logs_failed_tasks_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop of `serve` has that handler."""
    monkeypatch.setattr(running, "_calm_collector", lambda: None)
    running.run_until_told(_Failing, tmp_path, lambda _: None)
    assert "a task failed: ValueError at" in caplog.text


class _Failing:
    """A box whose callback fails, and that ends itself."""

    stores = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def where(self) -> dict[str, Any]:
        return {"site": "main", "mqtt": "mqtt://127.0.0.1:1", "http": None}

    def reload(self) -> None:
        pass

    async def displaced(self) -> None:
        asyncio.get_running_loop().call_soon(int, "Zorblatt")
        await asyncio.sleep(0)
        await asyncio.sleep(0)


_SETS_UP = """
import logging, sys
from clients.cli.logs import LogFormat, LogLevel, log_to_stderr
log_to_stderr(LogFormat(sys.argv[1]), LogLevel(sys.argv[2]))
for name in ("session_controller.x", "broker", "paho", "aiohttp.server", "asyncio"):
    logging.getLogger(name).debug("%s debug", name)
    logging.getLogger(name).info("%s info", name)
    logging.getLogger(name).warning("%s warning", name)
"""


def _logged(form: LogFormat, level: LogLevel, stderr: Path, journal: str = "") -> list[str]:
    with stderr.open("wb") as file:
        found = os.fstat(file.fileno())
        stream = journal or f"{found.st_dev}:{found.st_ino}"
        order = [sys.executable, "-P", "-c", _SETS_UP, form.value, level.value]
        env = {**os.environ, "JOURNAL_STREAM": stream}
        subprocess.run(order, stderr=file, check=True, env=env)
    return stderr.read_text().splitlines()


def test_levels_are_those_of_the_program(tmp_path: Path) -> None:
    """Other libraries, which may quote what passes through them, only ever warn."""
    lines = _logged(LogFormat.TEXT, LogLevel.DEBUG, tmp_path / "log", "other")
    said = [line.split(" ", 2)[2] for line in lines]
    ours = [f"{name} {level}" for name in ("session_controller.x", "broker")
            for level in ("debug", "info", "warning")]  # fmt: skip
    assert said == [*ours, "paho warning", "aiohttp.server warning", "asyncio warning"]
    lines = _logged(LogFormat.TEXT, LogLevel.ERROR, tmp_path / "log", "other")
    assert not [line for line in lines if "session_controller" in line or "broker" in line]


def test_the_journal_is_recognized_by_its_stream(tmp_path: Path) -> None:
    """`JOURNAL_STREAM` of another stream, as of a shell's redirection, does not count."""
    lines = _logged(LogFormat.TEXT, LogLevel.INFO, tmp_path / "log")
    assert lines[0] == "<6>session_controller.x info"
    lines = _logged(LogFormat.TEXT, LogLevel.INFO, tmp_path / "log", "8:1234")
    assert re.match(_TIME, lines[0])
    (line, *_) = _logged(LogFormat.JSON, LogLevel.INFO, tmp_path / "log")
    assert json.loads(line)["at"], "JSON lines have their time everywhere"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """Return a file for a token."""
    return tmp_path / "token"


@pytest.mark.parametrize("text", [None, "", "short", "two words of a token, long enough", "é" * 20])
def test_a_token_file_that_cannot_be_used_is_named(
    token: Path, text: str | None, handrail: Handrail
) -> None:
    """And its content is not repeated."""
    if text is not None:
        token.write_text(text)
    ran = handrail("serve", "--data", token.with_name("data"), "--metrics-token-file", token)
    assert ran.code == 2
    assert str(token) in " ".join(ran.err.split())
    assert not text or text not in ran.err


def test_a_box_logs_its_start_and_its_end(tmp_path: Path) -> None:
    """With version, site and addresses; and in the other format the same."""
    with Serving(tmp_path / "data") as serving:
        assert serving.end() == 0
    lines = [line.split(" ", 2)[2] for line in serving.log.read_text().splitlines()]
    assert "box started version=" in lines[-3]
    assert "site=main epoch=1 mqtt=mqtt://127.0.0.1:" in lines[-3]
    assert lines[-2:] == ["box stopping", "box stopped"]
    serving.log.unlink()
    with Serving(tmp_path / "data", "--log-format", "json", "--log-level", "info") as serving:
        assert serving.end() == 0
    found = [json.loads(line) for line in serving.log.read_text().splitlines()]
    assert [line["message"] for line in found] == ["box started", "box stopping", "box stopped"]
    assert found[0]["site"] == "main"
