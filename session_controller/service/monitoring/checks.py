"""Runs the checks of `handrail doctor` that a running box can make of itself, from time to time."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from session_controller.preflight.checks import WHILE_RUNNING, run
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.start_options import StartOptions
from session_controller.preflight.subject import Subject
from session_controller.service.log_line import LogLine

_log = logging.getLogger(__name__)

EVERY_S = 300.0
_LEVELS = {Level.WARNING: logging.WARNING, Level.CRITICAL: logging.ERROR}


class PeriodicChecks:
    """Keeps what the last checks of a running box have found."""

    def __init__(self, data: Path, start: StartOptions, clock: Callable[[], datetime]) -> None:
        self._data, self.start, self._clock = data, start, clock
        self.findings: Sequence[Finding] = ()
        """Those of the last checks; none before the first ones."""

    async def keep(self) -> None:
        """Check now, and every five minutes, until cancelled."""
        while True:
            self.take(await asyncio.to_thread(self.look))
            await asyncio.sleep(EVERY_S)

    def look(self) -> Sequence[Finding]:
        """Run the checks; changes nothing."""
        subject = Subject(
            self._data, self._clock(), self.start, running=True, usage=shutil.disk_usage
        )
        return tuple(run(WHILE_RUNNING, subject))

    def take(self, findings: Sequence[Finding]) -> None:
        """Remember findings; log each problem once when it comes, and when it has gone."""
        before, now = _problems(self.findings), _problems(findings)
        for key, finding in now.items():
            if key not in before:
                line = LogLine("a check found a problem", check=finding.check, text=finding.text)
                line.fields |= {"mend": finding.mend} if finding.mend else {}
                _log.log(_LEVELS[finding.level], line)
        for check in sorted({check for check, _ in before} - {check for check, _ in now}):
            _log.info(LogLine("a problem has gone", check=check))
        self.findings = findings


def _problems(findings: Sequence[Finding]) -> dict[tuple[str, Level], Finding]:
    """Return what is to be mended; by check and level, since a text may tell a growing number."""
    return {(each.check, each.level): each for each in findings if each.level in _LEVELS}
