"""The log of a running box on standard error: for people, for the journal, or as JSON lines."""

import json
import logging
import os
import re
import sys
from datetime import datetime
from typing import Any, TextIO

from session_controller.configuration.values import LogFormat, LogLevel

_OURS = ("broker", "clients", "session_controller")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""sd-daemon(3): what the journal takes as the level of a line."""


def log_to_stderr(form: LogFormat = LogFormat.TEXT, level: LogLevel = LogLevel.INFO) -> None:
    """Log to stderr; of other libraries only warnings, which name no data of ours."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else _text_to(sys.stderr))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.raiseExceptions = False  # a full disk under the log must not be told in the log
    for name in _OURS:
        logging.getLogger(name).setLevel(level.name)
    for name in ("amqtt", "transitions"):  # our broker logs what matters of theirs
        logging.getLogger(name).setLevel(logging.CRITICAL)


def log_unhandled(_: object, context: dict[str, Any]) -> None:
    """Log an error of a callback or task; asyncio's own message repeats the exception's text."""
    from clients.sdk.errors import type_and_place

    error = context.get("exception")
    place = type_and_place(error) if isinstance(error, BaseException) else "no exception"
    logging.getLogger(__name__).error("a task failed: %s", place)


def _text_to(stream: TextIO) -> logging.Formatter:
    return ForJournal() if _is_journal(stream) else ForPeople()


def _is_journal(stream: TextIO) -> bool:
    """Return whether a stream is connected to the journal (systemd.exec(5), `JOURNAL_STREAM`)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class ForPeople(logging.Formatter):
    """Time with offset, level and sentence, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{_time(record)} {record.levelname} {_on_one_line(_message(record))}"


class ForJournal(logging.Formatter):
    """The priority for the journal, and the sentence; the journal adds the time."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"<{_PRIORITIES.get(record.levelname, 6)}>{_on_one_line(_message(record))}"


class JsonLines(logging.Formatter):
    """A JSON object with `at`, `level`, `logger`, `message`, and the fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: Any = record.msg  # a `LogLine` of the controller, or a text
        fields = getattr(line, "fields", {})
        sentence = line.sentence if fields else _message(record)
        head = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": sentence,
        }
        return json.dumps(head | fields)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    """Return the message, and of an exception its type and place: its text may quote anything."""
    from clients.sdk.errors import type_and_place

    error = record.exc_info[1] if record.exc_info else None
    return f"{record.getMessage()}: {type_and_place(error)}" if error else record.getMessage()


def _on_one_line(text: str) -> str:
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
