"""What may go into a log: never a payload or password, and no raw string of a stranger."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger("broker")

_SHOWN = 80


def clean(text: str) -> str:
    """Make a stranger's string safe for a log line: printable ASCII, no quotes, bounded."""
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return "".join(
        c if c.isascii() and c.isprintable() and c not in "'\"\\" else "?" for c in shown
    )


def place(error: BaseException) -> str:
    """Name an exception and its place without its message, which may quote a payload."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    code = trace.tb_frame.f_code
    return f"{type(error).__name__} in {Path(code.co_filename).name}:{trace.tb_lineno}"
