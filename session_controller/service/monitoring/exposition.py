"""Metrics in the text format of Prometheus, version 0.0.4."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Labels = Mapping[str, str]
NO_LABELS: Labels = {}
Sample = tuple[str, Labels, float]
"""Suffix of the name, labels and value; only those of a histogram have a suffix."""


@dataclass(frozen=True, slots=True)
class Family:
    """The samples of one metric. A counter's name ends with `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: Sequence[Sample]


def gauge(name: str, text: str, value: float | Iterable[tuple[Labels, float]]) -> Family:
    """Return a gauge without labels, or with the samples given."""
    return Family(name, "gauge", text, _samples(value))


def counter(name: str, text: str, value: float | Iterable[tuple[Labels, float]]) -> Family:
    """Return a counter without labels, or with the samples given."""
    return Family(name, "counter", text, _samples(value))


def _samples(value: float | Iterable[tuple[Labels, float]]) -> Sequence[Sample]:
    found = [(NO_LABELS, value)] if isinstance(value, int | float) else value
    return [("", labels, number) for labels, number in found]


@dataclass(slots=True)
class Histogram:
    """Counts observations by upper bounds, in ascending order."""

    name: str
    help: str
    bounds: Sequence[float]
    _counts: list[int] = field(init=False)
    _sum: float = 0.0

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self._sum += value

    def family(self) -> Family:
        """Return the counts so far; each bucket includes those below it."""
        samples: list[Sample] = []
        total = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self._counts, strict=True):
            total += count
            samples.append(("_bucket", {"le": bound}, total))
        samples += [("_sum", NO_LABELS, self._sum), ("_count", NO_LABELS, total)]
        return Family(self.name, "histogram", self.help, samples)


def exposition(families: Iterable[Family]) -> str:
    """Return the text of all families."""
    return "".join(map(_text, families))


def _text(family: Family) -> str:
    head = f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
    return head + "".join(_line(family.name, *sample) for sample in family.samples)


def _line(name: str, suffix: str, labels: Labels, value: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    braced = f"{{{pairs}}}" if pairs else ""
    return f"{name}{suffix}{braced} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
