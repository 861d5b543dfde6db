"""What alerts are about: what checks find of a box that runs, and what happened to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from session_controller.engine.limits import Limit
from session_controller.preflight.finding import Finding, Level, warning
from session_controller.preflight.staff import LOCKED_PIN, pin_findings
from session_controller.storage.entities import Person

_FOR_S = 3600.0
"""How long something that happened once counts as a finding."""


@dataclass(slots=True)
class Watch:
    """Gathers what is wrong with one box."""

    failing: Callable[[], Mapping[str, str]]
    """The checks of `/readyz` that fail, by name, each with a sentence."""
    findings: Callable[[], Sequence[Finding]]
    """What the last checks of the box found."""
    refused: Mapping[Limit, int]
    """What was refused at a limit since the start."""
    steady: Callable[[], float]
    persons: Callable[[], Iterable[Person]] = tuple
    """Those who sign in at front-desk screens, as they are now."""
    happened: dict[str, tuple[float, Finding]] = field(default_factory=dict)
    """What happened once, with when it no longer counts."""
    _codes: int = 0
    """The codes that were refused unread until the last look."""

    def note(self, finding: Finding) -> None:
        """Count something that happened as a finding for an hour."""
        self.happened[finding.check] = (self.steady() + _FOR_S, finding)

    async def find(self) -> Sequence[Finding]:
        """Return what is wrong now."""
        self._note_codes()
        now_s = self.steady()
        self.happened = {check: one for check, one in self.happened.items() if one[0] > now_s}
        unready = [
            Finding(k, Level.CRITICAL, text.rstrip(".")) for k, text in self.failing().items()
        ]
        checked = [one for one in self.findings() if one.check != LOCKED_PIN]  # minutes old
        happened = [finding for _, finding in self.happened.values()]
        return [*unready, *checked, *pin_findings(self.persons()), *happened]

    def _note_codes(self) -> None:
        """Note that so many wrong codes came that the box refused codes unread."""
        refused = self.refused[Limit.CODES]
        if refused > self._codes:
            text = f"{refused - self._codes} pairing codes were refused, after too many wrong ones"
            self.note(warning("wrong-codes", text, "the log says from which address they come"))
        self._codes = refused


def unclean_stop() -> Finding:
    """Return that a box was not stopped before it started."""
    text = "the box started after an unclean stop, such as a power cut; nothing stored is lost"
    return warning("unclean-stop", text, "check the power; handrail audit verify")
