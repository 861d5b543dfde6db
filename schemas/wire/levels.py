"""How bad it is what a check has found; without pydantic, since commands load it."""

from enum import StrEnum


class Level(StrEnum):
    """How bad it is what a check has found, least first."""

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
