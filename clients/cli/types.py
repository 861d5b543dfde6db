"""Parsers for command-line values: addresses, counts, spans and points of time."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import TypeVar

import typer

from session_controller.configuration import values

_T = TypeVar("_T")


def _as_parameter(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """Return a parser that raises what typer expects."""

    @wraps(parse)
    def parsed(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parsed


host_port = _as_parameter(values.host_port)
counts = _as_parameter(values.counts)
span = _as_parameter(values.span)


def since(text: str) -> datetime:
    """Parse a moment: a date or time by ISO 8601, local if it names no zone, or a span ago."""
    if values.SPAN.fullmatch(text):
        return datetime.now(UTC) - span(text)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{text!r} is neither a date, such as 2026-11-30, nor a span of time, such as 7d"
        ) from None
