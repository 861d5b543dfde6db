"""A long test under load and faults: waves of sessions on a box that is killed once and stalled.

The box is a separate process, so that its memory and file descriptors can be measured; they are
read from /proc after each wave, once the wave's sessions are purged.
"""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from clients.sdk.admin import AdminClient
from clients.sdk.credential import Credential
from clients.simulator.simulator import outcomes, simulate
from schemas.base import Role

_STALL_EVERY_S = 15.0
_STALL_S = 2.0
_WAVE_WITHIN_S = 300.0
_READY_WITHIN_S = 30.0
_SPARE_BYTES = 8 << 20
_SPARE_DESCRIPTORS = 8
_GROWTH = 1.10
"""Allowed growth from the second to the last third of a run, as caches fill slowly."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory and file descriptors of the box's process."""

    resident: int
    descriptors: int


@dataclass(slots=True)
class SoakReport:
    """The result of a run."""

    outcomes: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    stalls: int = 0
    kills: int = 0

    @property
    def well(self) -> bool:
        """Whether all sessions were completed and nothing grew."""
        return set(self.outcomes) == {"completed"} and self.flat

    @property
    def flat(self) -> bool:
        """Whether memory and descriptors did not grow."""
        third = len(self.samples) // 3
        if third == 0:
            return True  # too short to tell
        before, after = self.samples[third : 2 * third], self.samples[-third:]
        memory = median(s.resident for s in after)
        handles = median(s.descriptors for s in after)
        return (
            memory <= median(s.resident for s in before) * _GROWTH + _SPARE_BYTES
            and handles <= median(s.descriptors for s in before) + _SPARE_DESCRIPTORS
        )


class BoxUnderSoak:
    """A box's process that can be killed, stalled and measured."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order = order
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            self._order, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._process = process
        watchdog = threading.Timer(_READY_WITHIN_S, process.kill)
        watchdog.start()
        line = process.stdout.readline() if process.stdout else b""
        watchdog.cancel()
        if b"ready" not in line:
            raise RuntimeError("the box did not start")

    def kill(self) -> None:
        """Kill the process and start it again."""
        with self._lock:
            self._process.kill()
            self._reap()
            self._start()

    def stall(self, seconds: float) -> None:
        """Suspend the process, as an unresponsive disk or host would."""
        with self._lock:
            self._process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            self._process.send_signal(signal.SIGCONT)

    def sample(self) -> Sample:
        """Return its current memory and descriptors."""
        folder = Path("/proc") / str(self._process.pid)
        resident = int((folder / "statm").read_text().split()[1]) * _PAGE
        return Sample(resident, len(list((folder / "fd").iterdir())))

    def stop(self) -> None:
        """Stop the process."""
        with self._lock:
            self._process.terminate()
            try:
                self._process.wait(_READY_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reap()

    def _reap(self) -> None:
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def soak(
    box: BoxUnderSoak,
    url: str,
    admin: Credential,
    flow_id: str,
    *,
    seconds: float,
    sessions: int,
    pace: float = 0.2,
    progress: Callable[[SoakReport], object] = lambda _: None,
) -> SoakReport:
    """Play waves of sessions until the time is up; return the report."""
    report, began, wave = SoakReport(), time.monotonic(), 0
    pairs = _enrol(url, admin, sessions)
    with _faults(box, report, seconds):
        while time.monotonic() - began < seconds:
            wave += 1
            results = simulate(
                url, pairs, flow_id, sessions, pace=pace, seed=wave, timeout=_WAVE_WITHIN_S
            )
            report.outcomes += outcomes(results)
            with AdminClient(url, admin) as it:
                it.purge_sessions(older_than_s=0)
            report.samples.append(box.sample())
            progress(report)
    return report


def _enrol(url: str, admin: Credential, count: int) -> list[tuple[Credential, Credential]]:
    def one(it: AdminClient, role: Role, number: int) -> Credential:
        enrolled = it.enrol_device(f"soak {role} {number}", role)
        return Credential(enrolled.site, enrolled.device, role, enrolled.secret or "")

    with AdminClient(url, admin) as it:
        return [(one(it, Role.FACILITY, n), one(it, Role.PATIENT, n)) for n in range(count)]


@contextmanager
def _faults(box: BoxUnderSoak, report: SoakReport, seconds: float) -> Iterator[None]:
    """Kill the box once, in the first quarter, and stall it repeatedly."""
    over = threading.Event()
    draw = random.SystemRandom()

    def run() -> None:
        if over.wait(seconds * draw.uniform(0.1, 0.25)):
            return
        box.kill()
        report.kills += 1
        while not over.wait(min(_STALL_EVERY_S, seconds / 4)):
            box.stall(_STALL_S)
            report.stalls += 1

    thread = threading.Thread(target=run, name="handrail-soak")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
