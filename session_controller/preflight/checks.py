"""The checks, and who runs which: all of them are read-only."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from session_controller.backup.backups import advice
from session_controller.preflight.backups import backup_findings, content_findings
from session_controller.preflight.certificate import ca_findings, certificate_findings
from session_controller.preflight.clock import clock_findings
from session_controller.preflight.copies import copy_findings, drill_findings
from session_controller.preflight.database import (
    database_findings,
    document_findings,
    log_findings,
    start_findings,
)
from session_controller.preflight.deliveries import delivery_findings
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.folder import disk_findings, folder_findings
from session_controller.preflight.kinds import kind_findings
from session_controller.preflight.network import clear_text_findings, network_findings
from session_controller.preflight.network_name import network_name_findings
from session_controller.preflight.options import (
    configuration_findings,
    environment_findings,
    option_findings,
    site_findings,
)
from session_controller.preflight.provider import provider_findings
from session_controller.preflight.recovery import recovery_findings
from session_controller.preflight.rows import needed_row_findings, row_findings
from session_controller.preflight.staff import staff_findings
from session_controller.preflight.start_options import StartOptions
from session_controller.preflight.subject import (
    Subject,
    is_locked,
    known_start_options,
)
from session_controller.storage.room import DiskUsage

Check = Callable[[Subject], Iterable[Finding]]

AT_START: tuple[Check, ...] = (
    folder_findings,
    start_findings,
    needed_row_findings,
    site_findings,
    ca_findings,
)
"""What `serve` checks before it opens the data folder."""
_REFUSING = frozenset(
    {
        "folder",
        "file-access",
        "file-kinds",
        "file-owners",
        "database",
        "schema",
        "keys",
        "admin-secrets",
        "site",
        "certificate-ca",
        "rows",
    }
)
"""Checks of which a critical finding would keep a box from starting, or from storing anything."""
MAY_PASS = frozenset({"folder", "file-access", "file-kinds"})
"""Those of them that another start may not meet: a disk may be mounted later."""
WHILE_RUNNING: tuple[Check, ...] = (
    disk_findings,
    backup_findings,
    copy_findings,
    drill_findings,
    recovery_findings,
    certificate_findings,
    delivery_findings,
    clock_findings,
    clear_text_findings,
    network_name_findings,
    environment_findings,
    option_findings,
    staff_findings,
    provider_findings,
)
"""What a running box checks from time to time, for `status`, its log and /metrics."""
ALL: tuple[Check, ...] = (
    folder_findings,
    start_findings,
    site_findings,
    database_findings,
    log_findings,
    row_findings,
    document_findings,
    backup_findings,
    content_findings,
    copy_findings,
    drill_findings,
    recovery_findings,
    certificate_findings,
    delivery_findings,
    clock_findings,
    clear_text_findings,
    network_findings,
    network_name_findings,
    environment_findings,
    configuration_findings,
    option_findings,
    staff_findings,
    provider_findings,
)
"""What `doctor` checks, whether or not a box runs."""


def subject_of(
    data: Path,
    at: datetime,
    start: StartOptions | None = None,
    usage: DiskUsage = shutil.disk_usage,
    *,
    configuration: Path | None = None,
) -> Subject:
    """Return what is to be checked; without options, as the configuration says."""
    start = start or known_start_options(data, configuration)
    return Subject(data, at, start, is_locked(data), usage, configuration)


def run(checks: Iterable[Check], subject: Subject) -> Iterator[Finding]:
    """Yield the findings of checks. What keeps one from its end is a finding, too.

    Where a file is a folder, or the other way round, the others could not be relied on.
    """
    usable = subject.data.is_dir() and not any(kind_findings(subject.data))
    for check in checks if usable else (folder_findings,):
        try:
            yield from check(subject)
        except OSError as error:
            text = f"{error.filename or subject.data} cannot be read: {error.strerror}"
            mend = "give its owner access to it; if it is not what it should be, restore a backup"
            yield Finding("file-access", Level.CRITICAL, text, mend)
        except sqlite3.Error as error:
            text = f"{subject.database} cannot be read ({error})"
            yield Finding("database", Level.CRITICAL, text, advice(subject.data))


def refusals(subject: Subject) -> list[Finding]:
    """Return what keeps a box from starting on a data folder; of a new folder, nothing."""
    new = not subject.data.exists() and not subject.data.is_symlink()
    if new or subject.running:
        return []
    found = run(AT_START, subject)
    return [each for each in found if each.level is Level.CRITICAL and each.check in _REFUSING]
