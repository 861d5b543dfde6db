"""Measures one data folder: a start, lists, verification, a purge of half, and a restore."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import box
from .folders import YEARS
from .probe import Probe

_SETTLED_S = 3.0
"""After the start, before the memory is read."""
_PAGE = 50
HALF = f"{YEARS.days // 2}d"
_RETRY_S = 0.2

Figures = dict[str, float]
"""Figures by name; one that took too long is as long as the measurement waited, negated."""


@dataclass(slots=True)
class Measurement:
    """One round on a copy of a data folder."""

    data: Path
    timeout: float
    figures: Figures = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """What commands said that failed."""

    def all(self) -> None:
        """Measure everything, in the order of the table."""
        try:
            with box.serving(self.data, self.timeout) as it:
                self._note("ready_s", it.ready_s)
                time.sleep(_SETTLED_S)
                self._note("memory_mb", it.memory_mb())
                with Probe(self.data, self.timeout) as probe:
                    self._lists(probe)
                    backup = self._backup(probe)
                    self._purge(probe)
        except TimeoutError:
            self._note("ready_s", -self.timeout)
            return
        self._note("file_after_mb", _megabytes(self.data))
        self._note("free_after_mb", _free_megabytes(self.data))
        if backup is not None:
            self._restore(backup)

    def _note(self, figure: str, value: float) -> None:
        """Keep a figure, and print it: a round may take long, and be interrupted."""
        self.figures[figure] = value
        print(f"  {figure} {value:.3f}", flush=True)

    def _lists(self, probe: Probe) -> None:
        with probe.watching() as longest:
            time.sleep(_SETTLED_S)
        self._note("quiet_wait_s", longest[0])
        with probe.watching() as longest:
            self._command("sessions_s", "session", "list", *_page("session", "list"), "--all")
        self._note("sessions_wait_s", longest[0])
        with probe.watching() as longest:
            self._command("devices_s", "device", "list", *_page("device", "list"))
        self._note("devices_wait_s", longest[0])
        self._command("log_s", "audit", "list", *_page("audit", "list"))
        self._command("verify_s", "audit", "verify")
        self._command("verify_again_s", "audit", "verify")

    def _command(self, figure: str, *arguments: str | Path, data: Path | None = None) -> bool:
        done = box.command(*arguments, data=data or self.data, timeout=self.timeout)
        self._note(figure, -self.timeout if done.code is None else done.seconds)
        if done.code:
            self.failures.append(f"{arguments} exited with {done.code}: {done.output.strip()}")
        return done.code == 0

    def _backup(self, probe: Probe) -> Path | None:
        path = self.data.with_name("handrail.backup")
        with probe.watching() as longest:
            whole = self._command("backup_s", "backup", "--to", path)
        self._note("backup_wait_s", longest[0])
        if not whole:
            return None
        files = [file for file in path.rglob("*") if file.is_file()]
        self._note("backup_mb", sum(file.stat().st_size for file in files) / 1e6)
        return path

    def _purge(self, probe: Probe) -> None:
        """Purge half of the sessions; repeat a command that gives up before the box is done."""
        self._note("file_before_mb", _megabytes(self.data))
        began = time.monotonic()
        with probe.watching() as longest:
            while True:
                left = self.timeout - (time.monotonic() - began)
                if left <= 0:
                    self._note("purge_s", -self.timeout)
                    break
                if self._purged(left):
                    self._note("purge_s", time.monotonic() - began)
                    break
                time.sleep(_RETRY_S)
        self._note("purge_wait_s", longest[0])

    def _purged(self, timeout: float) -> bool:
        purge = ("session", "purge", "--older-than", HALF)
        done = box.command(*purge, data=self.data, timeout=timeout)
        if done.code:
            self.failures.append(f"purge exited with {done.code}: {done.output.strip()}")
        return done.code == 0

    def _restore(self, backup: Path) -> None:
        fresh = self.data.with_name("restored")
        fresh.mkdir(mode=0o700)
        self._command("restore_s", "restore", backup, data=fresh)


def _page(*command: str) -> Sequence[str]:
    """Return the options that ask for one page, where a command has them."""
    return ("--limit", str(_PAGE)) if box.offers("--limit", *command) else ()


def _megabytes(data: Path) -> float:
    """Return the size of the database with its write-ahead log."""
    files = (data / "handrail.sqlite", data / "handrail.sqlite-wal")
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6


def _free_megabytes(data: Path) -> float:
    """Return the size of the database's free pages; the box must have stopped."""
    with closing(sqlite3.connect(f"file:{data / 'handrail.sqlite'}?mode=ro", uri=True)) as file:
        (pages,) = file.execute("PRAGMA freelist_count").fetchone()
        (size,) = file.execute("PRAGMA page_size").fetchone()
    return float(pages * size / 1e6)


def measure(folder: Path, timeout: float) -> Measurement:
    """Measure a copy of a data folder, beside it on the same disk."""
    with _copy(folder) as data:
        measurement = Measurement(data, timeout)
        measurement.all()
        return measurement


@contextmanager
def _copy(folder: Path) -> Iterator[Path]:
    # `cp` copies 60,000 small files in a fraction of the time that Python takes.
    place = Path(tempfile.mkdtemp(prefix="measured-", dir=folder.parent))
    try:
        subprocess.run(["cp", "-a", str(folder), str(place / "data")], check=True)
        subprocess.run(["sync", "--file-system", str(place)], check=True)
        yield place / "data"
    finally:
        shutil.rmtree(place)
