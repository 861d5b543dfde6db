"""The messages to and from the inspection process: a line of JSON, then bytes."""

import json
from typing import Any

from session_controller.media.outcome import REASONS, Inspected, Unfit


def write_question(data: bytes, media_type: str, allowed: tuple[str, ...]) -> bytes:
    """Write a request to inspect a document."""
    return _written({"media_type": media_type, "allowed": allowed}, data)


def read_question(letter: bytes) -> tuple[bytes, str, tuple[str, ...]]:
    """Read what `write_question` wrote. Raises ValueError or KeyError for anything else."""
    head, data = _read(letter)
    return data, head["media_type"], tuple(head["allowed"])


def write_answer(answer: Inspected | Unfit) -> bytes:
    """Write the result of an inspection."""
    if isinstance(answer, Unfit):
        return _written({"reason": answer.reason}, b"")
    head = {
        "media_type": answer.media_type,
        "size": len(answer.data),
        "width": answer.width,
        "height": answer.height,
        "pages": answer.pages,
    }
    return _written(head, answer.data)


def read_answer(letter: bytes) -> Inspected | Unfit:
    """Read what `write_answer` wrote; `damaged` if the process did not finish."""
    try:
        head, data = _read(letter)
        if head.get("reason") in REASONS:
            return Unfit(head["reason"])
        if head.pop("size") == len(data):
            return Inspected(data=data, **head)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return Unfit("damaged")


def _written(head: dict[str, Any], data: bytes) -> bytes:
    return json.dumps(head).encode() + b"\n" + data


def _read(letter: bytes) -> tuple[dict[str, Any], bytes]:
    line, _, data = letter.partition(b"\n")
    return json.loads(line), data
