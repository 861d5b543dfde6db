"""Logging without payloads, passwords or unescaped strings of clients."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger("broker")

_SHOWN = 80


def clean(text: str) -> str:
    """Return a client's string made safe for a log line: printable ASCII, no quotes, bounded."""
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return "".join(
        c if c.isascii() and c.isprintable() and c not in "'\"\\" else "?" for c in shown
    )


def traceback_location(error: BaseException) -> str:
    """Return type, file and line of an exception, not its message: that may quote a payload."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    code = trace.tb_frame.f_code
    return f"{type(error).__name__} in {Path(code.co_filename).name}:{trace.tb_lineno}"
