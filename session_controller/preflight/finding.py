"""What a check has found."""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.wire.levels import Level

__all__ = ["Finding", "Level", "configure", "critical", "note", "ok", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check."""

    check: str
    """Its name: words of lower case with hyphens, such as `file-modes`."""
    level: Level
    text: str
    """What is so, without a full stop; names no patient and no secret."""
    mend: str | None = None
    """The command that mends it, or what to do; None if there is nothing to do."""
    fix: Callable[[], object] | None = None
    """Mends it; only where that cannot lose anything. Raises `OSError`."""


def ok(check: str, text: str) -> Finding:
    """Return that a check has found nothing to do."""
    return Finding(check, Level.OK, text)


def note(check: str, text: str, mend: str | None = None) -> Finding:
    """Return something for information."""
    return Finding(check, Level.NOTE, text, mend)


def warning(check: str, text: str, mend: str) -> Finding:
    """Return something to be mended."""
    return Finding(check, Level.WARNING, text, mend)


def critical(check: str, text: str, mend: str) -> Finding:
    """Return something that keeps screens from being served, or that risks data."""
    return Finding(check, Level.CRITICAL, text, mend)


def configure(section: str, key: str, value: str, option: str) -> str:
    """Return what to write into the configuration, and the option of `serve` that does the same."""
    return f'{key} = "{value}" in [{section}] of the configuration ({option} {value})'
