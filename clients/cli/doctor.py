"""`handrail doctor`: read-only checks of a data folder."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clients.cli.context import DATA, FAILED, AsJson, Data, Failure, bare, program
from clients.cli.output import out, print_json
from session_controller.data_folder import BOX_FILE

if TYPE_CHECKING:
    from clients.sdk.credential import Credential

app = typer.Typer()
_PRIVATE_FILES = ("handrail.sqlite", "admin.json", "box.key", "delivery.json", BOX_FILE)

_LITTLE = 1 << 30
_TOO_LITTLE = 100 << 20
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_RESET_BUG = ((3, 7, 0), (3, 51, 2))
"""SQLite versions whose write-ahead log can be corrupted when two connections checkpoint at once
(sqlite.org/wal.html, "the WAL-reset bug"). The box uses one connection, so it is not affected."""
_MARKS = {"ok": "[green]✓[/]", "note": "[cyan]i[/]", "bad": "[bold red]✗[/]"}


@app.command(epilog="Example: handrail doctor --data /var/lib/handrail --json")
def doctor(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """Check a data folder for problems; exit with 1 if there are any.

    Read-only; works whether or not the box is running. Of a running box it asks for an answer, and
    tries whether its broker refuses what it must.
    """
    from sqlite_utils import Database

    from clients.cli.intrusion import broker_findings
    from session_controller.backup.outlook import report as backup_report
    from session_controller.delivery.configuration import delivery_problems
    from session_controller.integrity.certificates import certificate_findings
    from session_controller.integrity.data_folder import key_problem
    from session_controller.storage.schema import SCHEMA

    known = frozenset(m.name for m in SCHEMA.pending(Database(memory=True)))
    layout = Layout("handrail.sqlite", "lock", BOX_FILE, _PRIVATE_FILES, known)

    def others(data: Path) -> list[tuple[str, str, str]]:
        now = datetime.now(UTC)
        found = [*map(astuple, backup_report(data, now)), *certificate_findings(data, now)]
        with suppress(Failure), program(context).running(data) as place:
            found += [*box_findings(place.url, place.credential)]
            found += [*broker_findings(place.url, place.credential)]
        return found

    findings = examine(data, layout, key_problem, delivery_problems, others)
    if not report(findings, as_json=as_json):
        raise typer.Exit(FAILED)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `state` is `ok`, `note` (for information) or `bad`."""

    check: str
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a data folder."""

    database: str
    lock: str
    box: str
    private: tuple[str, ...]
    migrations: frozenset[str]
    """Names of all migrations that this version knows."""


def examine(
    data: Path,
    layout: Layout,
    key_problem: Callable[[Path], str | None],
    delivery_problems: Callable[[Path], Sequence[str]],
    others: Callable[[Path], Sequence[tuple[str, str, str]]],
) -> list[Finding]:
    """Run all checks.

    `key_problem` returns why a folder's keys cannot be opened, or None; `delivery_problems` what
    keeps sessions from arriving; `others` findings about backups and the certificate.
    """
    if not data.is_dir():
        text = f"{data} is not a folder; `handrail serve --data {data}` creates it"
        return [Finding("folder", "bad", text)]
    return [
        *_permissions(data, layout),
        *_space(data),
        *_running(data, layout),
        *_sqlite(),
        *_database(data / layout.database, layout),
        *_keys(data, key_problem),
        *_deliveries(data, delivery_problems),
        *(Finding(*found) for found in others(data)),
    ]


def box_findings(url: str, credential: Credential) -> Iterator[tuple[str, str, str]]:
    """Yield whether the controller of a running box answers and stores."""
    from clients.sdk.admin import AdminClient
    from clients.sdk.errors import HandrailError

    try:
        with AdminClient(url, credential) as admin:
            shown = admin.show_status()
    except (HandrailError, OSError) as error:
        yield "controller", "bad", f"the controller does not answer ({error}); restart the box"
        return
    if shown.disk_error is None:
        yield "controller", "ok", "the controller answers"
    else:
        text = f"the database does not store ({shown.disk_error}); make room on the disk"
        yield "controller", "bad", text


def report(findings: list[Finding], *, as_json: bool) -> bool:
    """Print the findings; return whether none is `bad`."""
    well = all(finding.state != "bad" for finding in findings)
    if as_json:
        print_json({"well": well, "findings": [asdict(finding) for finding in findings]})
        return well
    for finding in findings:
        out().print(f"{_MARKS[finding.state]} [bold]{finding.check}[/]  ", end="")
        out().print(finding.text, markup=False)
    return well


def _permissions(data: Path, layout: Layout) -> Iterator[Finding]:
    names = [data, *(data / name for name in layout.private)]
    there = [path for path in names if path.exists()]
    for path in there:
        if path.stat().st_mode & _OTHERS:
            mode = "700" if path.is_dir() else "600"
            text = f"other users can access {path}; run `chmod {mode} {path}`"
            yield Finding("permissions", "bad", text)
        elif not os.access(path, os.R_OK | os.W_OK):
            text = f"{path} is not writable by this user; run as its owner, or change the owner"
            yield Finding("permissions", "bad", text)
    if not any(path.stat().st_mode & _OTHERS for path in there):
        yield Finding("permissions", "ok", f"only the owner can access {data}")


def _space(data: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(data).free
    state = "bad" if free < _TOO_LITTLE else "note" if free < _LITTLE else "ok"
    yield Finding("disk", state, f"{free / (1 << 30):.1f} GiB free")


def _running(data: Path, layout: Layout) -> Iterator[Finding]:
    if not _locked(data / layout.lock):
        yield Finding("box", "note", "no box is running on this folder")
        return
    from clients.sdk.address import Address

    try:
        where = json.loads((data / layout.box).read_text())
        address = Address.parse(bare(where["mqtt"]))
        socket.create_connection((address.host, address.port), timeout=2).close()
    except (OSError, ValueError, KeyError) as error:
        text = f"a box has locked this folder but cannot be reached: {error}; restart it"
        yield Finding("box", "bad", text)
    else:
        yield Finding("box", "ok", f"a box is running at {address.host}, port {address.port}")


def _locked(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _keys(data: Path, key_problem: Callable[[Path], str | None]) -> Iterator[Finding]:
    problem = key_problem(data)
    if problem is None:
        yield Finding("keys", "ok", "all keys can be opened with the box's key")
    else:
        yield Finding("keys", "bad", problem)


def _deliveries(
    data: Path, delivery_problems: Callable[[Path], Sequence[str]]
) -> Iterator[Finding]:
    problems = delivery_problems(data)
    for problem in problems:
        yield Finding("deliveries", "bad", problem)
    if not problems:
        yield Finding("deliveries", "ok", "every destination is known, and has its files")


def _sqlite() -> Iterator[Finding]:
    found = sqlite3.sqlite_version
    first, last = _RESET_BUG
    if first <= sqlite3.sqlite_version_info <= last:
        text = f"{found} has the WAL-reset bug; the box is not affected, as it uses one connection"
        text = f"{text}; do not open the database in another program while the box is running"
        yield Finding("sqlite", "note", text)
    else:
        yield Finding("sqlite", "ok", found)


def _database(path: Path, layout: Layout) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("database", "note", "there is no database yet; the first start creates it")
        return
    try:
        with closing(_open(path)) as database:
            yield from _integrity(database)
            yield from _schema(database, layout)
            yield from _contents(database)
    except sqlite3.Error as error:
        yield Finding("database", "bad", f"{path} cannot be read ({error}); restore a backup")


def _open(path: Path) -> sqlite3.Connection:
    # Without a write-ahead log there is no writer; then SQLite need not create its side files.
    whole = not path.with_name(path.name + "-wal").exists()
    options = "mode=ro&immutable=1" if whole else "mode=ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, timeout=5)


def _integrity(database: sqlite3.Connection) -> Iterator[Finding]:
    problems = [row[0] for row in database.execute("PRAGMA integrity_check(5)")]
    if problems == ["ok"]:
        yield Finding("integrity", "ok", "the database is intact")
    else:
        text = "; ".join(map(str, problems))
        yield Finding("integrity", "bad", f"the database is damaged: {text}; restore a backup")


def _schema(database: sqlite3.Connection, layout: Layout) -> Iterator[Finding]:
    applied = {row[0] for row in database.execute("SELECT name FROM _sqlite_migrations")}
    if applied - layout.migrations:
        text = "the database was created by a newer or unreleased version; update Handrail"
        yield Finding("schema", "bad", text)
    elif layout.migrations - applied:
        yield Finding("schema", "note", "the next start will migrate the database")
    else:
        yield Finding("schema", "ok", "up to date")


def _contents(database: sqlite3.Connection) -> Iterator[Finding]:
    counted = {
        "open sessions": "SELECT count(*) FROM sessions WHERE ended_at IS NULL",
        "ended sessions": "SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL",
        "flows": "SELECT count(DISTINCT flow_id) FROM flows",
    }
    parts = [f"{database.execute(sql).fetchone()[0]} {name}" for name, sql in counted.items()]
    yield Finding("contents", "note", ", ".join(parts))
