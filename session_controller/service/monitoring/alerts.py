"""Alerts: a message for each change of what is wrong, and a reminder while it lasts.

Each channel knows what its readers were told last, and is sent the difference. So nothing is lost
while one fails or is at its limit, a restart repeats nothing, and what came and went meanwhile is
not sent at all.
"""

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from schemas.base import rfc3339
from schemas.wire.deliveries import TrialStep
from session_controller.delivery.causes import Cause
from session_controller.errors import type_and_place
from session_controller.preflight.finding import Finding, Level
from session_controller.service.monitoring.alert_channels import (
    AlertSettings,
    Change,
    Channel,
    News,
)

_log = logging.getLogger(__name__)
TOLD = "alerts_told"
"""The property of a box with what was told, as JSON."""
_EVERY_S = 60.0
_HOUR_S = 3600.0
_LONGEST_S = 3600.0
"""Longest time between attempts of a channel that fails."""
_TEST = "this is a test: alerts of this box arrive here"
Find = Callable[[], Awaitable[Sequence[Finding]]]
Keep = Callable[[str], Awaitable[None]]
"""Stores a text, for the next start."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the readers of a channel know of a finding."""

    level: Level
    text: str
    since: datetime
    at: datetime
    """When they were told last."""
    count: int = 1
    """How many findings of this check they were told of."""


@dataclass(slots=True)
class _Line:
    """A channel, and what its readers were told."""

    channel: Channel
    told: dict[str, Told]
    failures: int = 0
    next_s: float = 0.0
    sent_s: deque[float] = field(default_factory=deque)
    problem: Cause | None = None
    """Why the last message was not taken."""

    def may_send(self, now_s: float, most: int) -> bool:
        """Return whether it is neither backing off nor at its limit."""
        while self.sent_s and now_s - self.sent_s[0] >= _HOUR_S:
            self.sent_s.popleft()
        return now_s >= self.next_s and len(self.sent_s) < most


class Alerts:
    """Looks each minute and tells what has changed. For use within one event loop."""

    def __init__(
        self,
        site: str,
        settings: AlertSettings,
        ways: Iterable[Channel],
        find: Find,
        *,
        clock: Callable[[], datetime],
        steady: Callable[[], float],
        keep: Keep,
        kept: str | None = None,
    ) -> None:
        self._site = site
        self._settings = settings
        self._find = find
        self._clock = clock
        self._steady = steady
        self._keep = keep
        known = _read(kept)
        self._lines = [_Line(way, dict(known.get(way.name, {}))) for way in ways]
        self._since: dict[str, datetime] = {}
        self._count: Counter[str] = Counter()

    async def run(self) -> None:
        """Look each minute, until cancelled; do nothing without channels."""
        while self._lines:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look may work
                _log.error("cannot look for alerts: %s", type_and_place(error))
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Find what is wrong now, and tell each channel what has changed for it."""
        findings = await self._find()
        found = _by_check(findings)
        self._count = Counter(one.check for one in findings if one.level.exit_code)
        at = self._clock()
        for line in self._lines:
            if line.problem is not None:
                found[_own(line)] = _about(line)
        self._since = {check: self._since.get(check, at) for check in found}
        await asyncio.gather(*(self._tell(line, found, at) for line in self._lines))

    async def _tell(self, line: _Line, found: Mapping[str, Finding], at: datetime) -> None:
        """Send a channel what its readers do not know yet, unless it has to wait."""
        others = {check: one for check, one in found.items() if check != _own(line)}
        for check, known in line.told.items():  # one less is not told; one more after it is
            line.told[check] = replace(known, count=min(known.count, self._count[check] or 1))
        changes = sorted(self._changes(line.told, others, at), key=_worst_first)
        now_s = self._steady()
        if not changes or not line.may_send(now_s, self._settings.most_per_hour):
            return
        line.problem = await line.channel.send(News(self._site, at, tuple(changes)))
        if line.problem is not None:
            line.failures += 1
            line.next_s = now_s + min(_EVERY_S * 2.0 ** (line.failures - 1), _LONGEST_S)
            _log.warning("an alert by %s was not sent: %s", line.channel.name, line.problem.text)
            return
        line.failures = 0
        line.sent_s.append(now_s)
        for change in changes:
            if change.kind == "over":
                del line.told[change.check]
            else:
                line.told[change.check] = Told(
                    change.level, change.text, change.since, at, self._count[change.check]
                )
        await self._keep(self._written())

    def _changes(
        self, told: Mapping[str, Told], found: Mapping[str, Finding], at: datetime
    ) -> Iterator[Change]:
        for check, one in found.items():
            known = told.get(check)
            since = known.since if known else self._since[check]
            if known is None or known.level != one.level or self._count[check] > known.count:
                yield Change("raised", check, one.level, one.text, one.mend, since)
            elif at - known.at >= self._settings.remind_after:
                yield Change("reminder", check, one.level, one.text, one.mend, since)
        for check, known in told.items():
            if check not in found:
                yield Change("over", check, known.level, known.text, None, known.since)

    # --- what outlives a restart -----------------------------------------------------------

    def _written(self) -> str:
        lines = {
            line.channel.name: {
                check: [one.level.value, one.text, rfc3339(one.since), rfc3339(one.at), one.count]
                for check, one in line.told.items()
            }
            for line in self._lines
        }
        return json.dumps(lines, ensure_ascii=False)

    # --- a test ----------------------------------------------------------------------------

    async def try_channels(self) -> tuple[TrialStep, ...]:
        """Send a test through each channel; return what became of it."""
        at = self._clock()
        change = Change("test", "test", Level.NOTE, _TEST, None, at)
        news = News(self._site, at, (change,))
        found = await asyncio.gather(*(line.channel.send(news) for line in self._lines))
        return tuple(map(_step, self._lines, found))


def _by_check(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Return what is to be mended, one finding for each check: the worst, with all texts."""
    found: dict[str, Finding] = {}
    for one in findings:
        before = found.get(one.check)
        if one.level.exit_code and before is None:
            found[one.check] = one
        elif one.level.exit_code and before is not None:
            worst = max(before, one, key=lambda each: each.level.exit_code)
            found[one.check] = replace(worst, text=f"{before.text}; {one.text}")
    return found


def _step(line: _Line, problem: Cause | None) -> TrialStep:
    name = line.channel.name
    if problem is None:
        return TrialStep(step=name, result="ok", text="a test message was taken")
    return TrialStep(step=name, result="failed", text=problem.text, mend=problem.mend)


def _own(line: _Line) -> str:
    return f"alerts-{line.channel.name}"


def _about(line: _Line) -> Finding:
    """Return that a channel fails, for the readers of the others."""
    problem = line.problem or Cause("", "")
    text = f"alerts by {line.channel.name} are not sent: {problem.text}"
    return Finding(_own(line), Level.WARNING, text, problem.mend)


def _worst_first(change: Change) -> tuple[bool, int, str]:
    return change.kind == "over", -change.level.exit_code, change.check


def _read(kept: str | None) -> dict[str, dict[str, Told]]:
    """Return what was told before a restart; nothing if that cannot be read."""
    try:
        return {
            name: {
                check: Told(Level(level), text, _moment(since), _moment(at), int(count))
                for check, (level, text, since, at, count) in told.items()
            }
            for name, told in json.loads(kept or "{}").items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
