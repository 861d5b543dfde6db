"""What a check has found."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is, least first; the words of the Nagios plugin interface, and `note`."""

    OK = "ok"
    NOTE = "note"
    """For information: nothing has to be done."""
    WARNING = "warning"
    """To be mended, but screens are served, and nothing is lost yet."""
    CRITICAL = "critical"
    """Screens are not served, or data is at risk."""

    @property
    def exit_code(self) -> int:
        """The exit code of a plugin of Nagios: 0, 1 or 2."""
        return {Level.WARNING: 1, Level.CRITICAL: 2}.get(self, 0)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check."""

    check: str
    """Its name: words of lower case with hyphens, such as `file-modes`."""
    level: Level
    text: str
    """What is so, as a sentence without a full stop; names no patient and no secret."""
    mend: str | None = None
    """The command that mends it, or what to do; None if there is nothing to do."""
    fix: Callable[[], object] | None = None
    """Mends it; only where that cannot lose anything. Raises `OSError`."""
