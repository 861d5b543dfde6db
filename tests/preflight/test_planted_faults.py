"""Planted faults: each is found, names its mend, and the mend mends it."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.backup.manifest import existing
from session_controller.backup.restore import restore
from session_controller.preflight.checks import ALL, refusals, run, subject_of
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.subject import StartOptions, Subject
from session_controller.security.encryption import required_box_keys
from session_controller.security.own_tls import OwnTls, WantedHosts
from session_controller.storage.database import RESTORING
from tests.conftest import starting_box

FREE = StartOptions({"--mqtt": ("127.0.0.1", 0), "--http": ("127.0.0.1", 0)})
"""Nothing else on this machine listens there."""
GIB = 1 << 30


@dataclass(frozen=True)
class Usage:
    """A file system."""

    total: int
    free: int
    used: int = 0


@dataclass(frozen=True)
class Fault:
    """A fault, what is said of it, and how it is mended."""

    name: str
    plant: Callable[[Path], object]
    check: str
    level: Level
    mend: str
    """A part of what it says is to be done."""
    repair: Callable[[Path, Finding], object] | None = None
    """Do what it says; None: by hand, elsewhere."""
    plan: Callable[[Path], StartOptions] = lambda _: FREE
    later: timedelta = timedelta()
    """How long after the folder was made it is checked."""
    usage: Usage = Usage(100 * GIB, 50 * GIB)
    environment: Mapping[str, str] = field(default_factory=dict)


def by_shell(data: Path, finding: Finding) -> None:
    """Type the command."""
    assert finding.mend is not None
    order = ["sh", "-c", finding.mend.split(";")[0]]
    subprocess.run(order, check=True, cwd=data.parent, timeout=60)


def by_fix(_: Path, finding: Finding) -> None:
    """Mend it as `--fix` does."""
    assert finding.fix is not None
    finding.fix()


def again(path: str) -> Callable[[Path, Finding], object]:
    """Put a file back that a test has put aside."""
    return lambda data, _: (data.parent / Path(path).name).replace(data / path)


def aside(path: str) -> Callable[[Path], object]:
    """Remove a file, but for a copy beside the folder."""
    return lambda data: shutil.move(data / path, data.parent / Path(path).name)


def spoil(path: str, content: bytes = b"junk") -> Callable[[Path], object]:
    """Write something else into a file, and keep a copy beside the folder."""

    def plant(data: Path) -> None:
        if (data / path).exists():
            shutil.copy2(data / path, data.parent / Path(path).name)
        (data / path).write_bytes(content)
        (data / path).chmod(0o600)

    return plant


def mode(path: str, bits: int) -> Callable[[Path], object]:
    """Change the mode of a file."""
    return lambda data: (data / path).chmod(bits)


def document(data: Path) -> str:
    """Return the document of a folder, relative to it."""
    [path] = [each for each in (data / "documents").rglob("*") if each.is_file()]
    return str(path.relative_to(data))


def pack(data: Path) -> Path:
    """Return the first pack of the backups."""
    return min((data / "backups" / "packs").iterdir())


def sql(*statements: str) -> Callable[[Path], object]:
    """Change the database behind the box's back."""

    def plant(data: Path) -> None:
        database = sqlite3.connect(data / "handrail.sqlite")
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    return plant


def damage_page(data: Path) -> None:
    """Overwrite pages in the middle of the database."""
    with (data / "handrail.sqlite").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(20 * 4096))


def certificate(at: timedelta) -> Callable[[Path], object]:
    """Make a certificate as if it were another day."""

    def plant(data: Path) -> None:
        keys = required_box_keys(data)
        OwnTls(data).create("main", WantedHosts(), keys, datetime.now(UTC) + at)

    return plant


def renew(data: Path, _: Finding) -> None:
    """Do as `handrail tls renew` and `create` do."""
    OwnTls(data).create("main", WantedHosts(), required_box_keys(data), datetime.now(UTC))


def given_certificate(data: Path) -> StartOptions:
    """Return the plan of a box with a certificate of the site's own."""
    files = (data / "tls" / "box.pem", data / "tls" / "box.key")
    return replace(FREE, certificate=files)


def back_up(data: Path, _: Finding) -> None:
    """Do as `handrail backup` does."""
    with starting_box(data) as box:
        assert box.box is not None
        from tests.clients.conftest import clinic_at  # noqa: PLC0415

        with clinic_at(box) as clinic:
            clinic.admin.back_up()


def restore_newest(data: Path, _: Finding) -> None:
    """Restore the backup that it names, or the newest."""
    restore(data, existing(data)[0], datetime.now(UTC))


def no_backups(data: Path) -> None:
    """Remove all backups and their keys."""
    shutil.rmtree(data / "backups")


def destination(**changed: object) -> Callable[[Path], object]:
    """Change a destination in `delivery.json`."""

    def plant(data: Path) -> None:
        found = json.loads((data / "delivery.json").read_text())
        found["destinations"][0] |= changed
        spoil("delivery.json", json.dumps(found).encode())(data)

    return plant


def owed(status: str) -> Callable[[Path], object]:
    """Make the session wait for its delivery, be held or be refused."""
    moment = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-3 hours')"
    return sql(
        f"UPDATE sessions SET ended_at = {moment}",
        "INSERT INTO deliveries (session, destination, status, attempts, next_at, updated_at) "
        f"SELECT session, 'share', '{status}', 3, {moment}, {moment} FROM sessions",
    )


def listening(**addresses: tuple[str, int]) -> Callable[[Path], StartOptions]:
    """Return a plan with other addresses."""
    found = {f"--{name}": address for name, address in addresses.items()}
    return lambda _: replace(FREE, listen=found)


FAULTS = [
    # The folder and the disk
    Fault("folder open", mode(".", 0o755), "file-modes", Level.CRITICAL, "chmod -R go=", by_shell),
    Fault(
        "database readable",
        mode("handrail.sqlite", 0o644),
        "file-modes",
        Level.CRITICAL,
        "chmod -R go=",
        by_fix,
    ),
    Fault("key readable", mode("box.key", 0o640), "file-modes", Level.CRITICAL, "chmod", by_fix),
    Fault("backups open", mode("backups", 0o750), "file-modes", Level.CRITICAL, "chmod", by_fix),
    Fault(
        "document readable",
        lambda data: (data / document(data)).chmod(0o604),
        "file-modes",
        Level.CRITICAL,
        "chmod",
        by_shell,
    ),
    Fault(
        "another owner",
        lambda data: os.chown(data / "handrail.sqlite", 12345, 12345),
        "file-owners",
        Level.CRITICAL,
        "sudo chown -R --reference=",
        lambda data, _: by_shell(
            data, Finding("", Level.OK, "", f"chown -R --reference={data} {data}")
        ),
    ),
    Fault(
        "disk full",
        lambda _: None,
        "disk",
        Level.CRITICAL,
        "handrail session purge",
        usage=Usage(32 * GIB, 20 << 20),
    ),
    Fault(
        "reserve begun",
        lambda _: None,
        "disk",
        Level.WARNING,
        "handrail session purge",
        usage=Usage(32 * GIB, 2 * GIB),
    ),
    Fault(
        "no room for a backup",
        no_backups,
        "backup-room",
        Level.WARNING,
        "handrail session purge",
        usage=Usage(10 * GIB, GIB + 1),
    ),
    # The database, its keys, the log
    Fault(
        "restore interrupted",
        lambda data: (data / RESTORING).touch(0o600),
        "database",
        Level.CRITICAL,
        "handrail restore",
        lambda data, _: (data / RESTORING).unlink(),
    ),
    Fault(
        "database gone",
        aside("handrail.sqlite"),
        "database",
        Level.CRITICAL,
        "handrail restore",
        again("handrail.sqlite"),
    ),
    Fault(
        "database overwritten",
        spoil("handrail.sqlite", b"not a database" * 1000),
        "database",
        Level.CRITICAL,
        "handrail restore",
        again("handrail.sqlite"),
    ),
    Fault(
        "pages damaged",
        damage_page,
        "database",
        Level.CRITICAL,
        "handrail restore",
        restore_newest,
    ),
    Fault(
        "a newer program's",
        sql(
            "INSERT INTO _sqlite_migrations SELECT 999, migration_set, 'later', '' "
            "FROM _sqlite_migrations LIMIT 1"
        ),
        "schema",
        Level.CRITICAL,
        "install the newer version",
        lambda data, _: sql("DELETE FROM _sqlite_migrations WHERE name = 'later'")(data),
    ),
    Fault("key gone", aside("box.key"), "keys", Level.CRITICAL, "put back", again("box.key")),
    Fault(
        "key of another box",
        spoil("box.key", b"k" * 32),
        "keys",
        Level.CRITICAL,
        "put back",
        again("box.key"),
    ),
    Fault("key torn", spoil("box.key"), "keys", Level.CRITICAL, "put back", again("box.key")),
    Fault(
        "key of the environment malformed",
        lambda _: None,
        "keys",
        Level.CRITICAL,
        "HANDRAIL_BOX_KEY",
        environment={"HANDRAIL_BOX_KEY": "not base64"},
    ),
    Fault(
        "another key in the environment",
        lambda _: None,
        "keys",
        Level.CRITICAL,
        "HANDRAIL_BOX_KEY",
        environment={"HANDRAIL_BOX_KEY": "a2trZWtrZWtrZWtrZWtrZWtrZWtrZWtrZWtrZWtrZWs="},
    ),
    Fault(
        "secrets of commands damaged",
        spoil("admin.json"),
        "admin-secrets",
        Level.CRITICAL,
        "rm ",
        by_fix,
    ),
    Fault(
        "an entry changed",
        sql("UPDATE events SET at = '2026-01-01T00:00:00.000Z' WHERE id = 2"),
        "log",
        Level.CRITICAL,
        "handrail audit verify --all",
        restore_newest,
    ),
    Fault(
        "an entry removed",
        sql("DELETE FROM events WHERE id = 3"),
        "log",
        Level.CRITICAL,
        "handrail audit verify --all",
        restore_newest,
    ),
    Fault(
        "document gone",
        lambda data: shutil.move(data / document(data), data.parent / "document"),
        "documents",
        Level.CRITICAL,
        "handrail restore",
        restore_newest,
    ),
    # Backups
    Fault("no backup", no_backups, "backups", Level.NOTE, "handrail backup", back_up),
    Fault(
        "backup old",
        lambda _: None,
        "backups",
        Level.WARNING,
        "handrail backup",
        later=timedelta(days=3),
    ),
    Fault(
        "backup's list damaged",
        lambda data: existing(data)[0].write_bytes(b"\xff\n"),
        "backups",
        Level.CRITICAL,
        "rm ",
        by_shell,
    ),
    Fault(
        "backup's keys gone",
        aside("backups/keyring"),
        "backup-keys",
        Level.CRITICAL,
        "handrail backup",
        again("backups/keyring"),
    ),
    Fault(
        "pack gone",
        lambda data: pack(data).rename(data.parent / "pack"),
        "backup-keys",
        Level.CRITICAL,
        "handrail backup",
        back_up,
    ),
    Fault(
        "backups off",
        lambda _: None,
        "backups",
        Level.WARNING,
        "--backup-every 6h",
        plan=lambda _: replace(FREE, backs_up=False),
    ),
    # The certificate
    Fault(
        "certificate expired",
        certificate(-timedelta(days=398)),
        "certificate",
        Level.CRITICAL,
        "handrail tls renew",
        renew,
    ),
    Fault(
        "certificate ends soon",
        certificate(-timedelta(days=380)),
        "certificate",
        Level.WARNING,
        "handrail tls renew",
        renew,
    ),
    Fault(
        "certificate of tomorrow",
        certificate(timedelta(days=3)),
        "certificate",
        Level.CRITICAL,
        "clock",
        renew,
    ),
    Fault(
        "key of the certificate torn",
        spoil("tls/box.key"),
        "certificate",
        Level.CRITICAL,
        "handrail tls renew",
        renew,
    ),
    Fault(
        "certificate torn",
        spoil("tls/box.pem"),
        "certificate",
        Level.CRITICAL,
        "handrail tls renew",
        renew,
    ),
    Fault(
        "key of the certificate readable",
        mode("tls/box.key", 0o644),
        "certificate-key",
        Level.WARNING,
        "chmod 600",
        by_fix,
    ),
    Fault(
        "key of the CA damaged",
        spoil("tls/ca.key", bytes(100)),
        "certificate-ca",
        Level.WARNING,
        "handrail tls create --force",
        renew,
    ),
    Fault(
        "CA ends",
        certificate(-timedelta(days=9 * 365 + 100)),
        "certificate-ca",
        Level.WARNING,
        "handrail tls create --force",
        renew,
    ),
    Fault(
        "given certificate gone",
        aside("tls/box.pem"),
        "certificate",
        Level.CRITICAL,
        "systemctl reload handrail",
        again("tls/box.pem"),
        plan=given_certificate,
    ),
    Fault(
        "chain in the wrong order",
        lambda data: (data / "tls" / "box.pem").write_bytes(
            (data / "tls" / "box.pem").read_bytes() * 2
        ),
        "certificate",
        Level.CRITICAL,
        "the one that signed it",
        plan=given_certificate,
    ),
    # Deliveries
    Fault(
        "destinations broken",
        spoil("delivery.json", b"{"),
        "destinations",
        Level.CRITICAL,
        "delivery.json",
        again("delivery.json"),
    ),
    Fault(
        "unknown field of a destination",
        destination(colour="red"),
        "destinations",
        Level.CRITICAL,
        "delivery.json",
        again("delivery.json"),
    ),
    Fault(
        "folder of a destination gone",
        lambda data: (data / "share").rmdir(),
        "destinations",
        Level.WARNING,
        "create or mount it",
        lambda data, _: (data / "share").mkdir(mode=0o700),
    ),
    Fault(
        "destination removed",
        owed("waiting"),
        "destinations",
        Level.WARNING,
        "handrail deliver add",
        plan=lambda data: (spoil("delivery.json", b'{"destinations": []}')(data), FREE)[1],
    ),
    Fault("delivery late", owed("waiting"), "deliveries", Level.WARNING, "handrail deliver status"),
    Fault(
        "delivery very late",
        owed("waiting"),
        "deliveries",
        Level.CRITICAL,
        "handrail deliver status",
        later=timedelta(days=1),
    ),
    Fault("delivery held", owed("held"), "deliveries", Level.WARNING, "handrail deliver status"),
    Fault("delivery refused", owed("refused"), "deliveries", Level.WARNING, "handrail deliver"),
    # The clock
    Fault(
        "entries of the future",
        lambda _: None,
        "clock",
        Level.WARNING,
        "timedatectl",
        later=-timedelta(hours=2),
    ),
    Fault(
        "clock of 1970",
        lambda _: None,
        "clock",
        Level.CRITICAL,
        "timedatectl",
        later=datetime(1970, 1, 1, tzinfo=UTC) - datetime.now(UTC),
    ),
    Fault(
        "clock in doubt",
        sql("INSERT OR REPLACE INTO meta VALUES ('clock_doubted', '1')"),
        "clock",
        Level.WARNING,
        "timedatectl",
    ),
    # The network
    Fault(
        "not an address of this machine",
        lambda _: None,
        "ports",
        Level.CRITICAL,
        "--mqtt",
        plan=listening(mqtt=("192.0.2.1", 1883)),
    ),
    Fault(
        "a name that nobody knows",
        lambda _: None,
        "ports",
        Level.CRITICAL,
        "--http",
        plan=listening(http=("no-such-host.invalid", 8080)),
    ),
    Fault(
        "clear text on the network",
        lambda data: shutil.rmtree(data / "tls"),
        "clear-text",
        Level.WARNING,
        "handrail tls create",
        renew,
        plan=listening(http=("0.0.0.0", 0)),  # noqa: S104
    ),
    Fault(
        "TLS switched off on the network",
        lambda _: None,
        "clear-text",
        Level.WARNING,
        "handrail tls create",
        plan=lambda _: replace(FREE, listen={"--mqtt": ("0.0.0.0", 0)}, tls_off=True),  # noqa: S104
    ),
    Fault(
        "broker in clear text",
        lambda _: None,
        "clear-text",
        Level.WARNING,
        "mqtts://",
        plan=lambda _: replace(FREE, broker="mqtt://no-such-host.invalid"),
    ),
    Fault(
        "broker away",
        lambda _: None,
        "broker",
        Level.CRITICAL,
        "--broker",
        plan=lambda _: replace(FREE, broker="mqtts://127.0.0.1:1"),
    ),
    # Settings
    Fault(
        "configuration broken",
        spoil("handrail.toml", b"[sessions]\nidle_limt = '4h'\n"),
        "configuration",
        Level.CRITICAL,
        "handrail config check",
        lambda data, _: (data / "handrail.toml").write_text("[sessions]\nidle_limit = '4h'\n"),
    ),
    Fault(
        "screens never locked",
        lambda _: None,
        "settings",
        Level.WARNING,
        "--screen-lock 10m",
        plan=lambda _: replace(FREE, screen_lock=timedelta()),
    ),
    Fault(
        "sessions open for days",
        lambda _: None,
        "settings",
        Level.WARNING,
        "--idle-limit 4h",
        plan=lambda _: replace(FREE, idle_limit=timedelta(days=3)),
    ),
    Fault(
        "token of the metrics gone",
        lambda _: None,
        "settings",
        Level.CRITICAL,
        "openssl rand -hex 32 >",
        by_shell,
        plan=lambda data: replace(FREE, token_file=data.parent / "token"),
    ),
    Fault(
        "fonts gone",
        lambda _: None,
        "settings",
        Level.WARNING,
        "mkdir",
        lambda data, _: (data.parent / "fonts").mkdir(),
        plan=lambda data: replace(FREE, fonts=data.parent / "fonts"),
    ),
]


def _examined(subject: Subject) -> list[Finding]:
    return list(run(ALL, subject))


def _subject(data: Path, fault: Fault) -> Subject:
    at = datetime.now(UTC) + fault.later
    return subject_of(data, at, fault.plan(data), lambda _: fault.usage)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault(fault: Fault, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found at its level, says what mends it, and is gone afterwards."""
    fault.plant(data)
    for name, value in fault.environment.items():
        monkeypatch.setenv(name, value)
    found = [
        each
        for each in _examined(_subject(data, fault))
        if (each.check, each.level) == (fault.check, fault.level)
    ]
    assert found, [
        f"{each.check} {each.level}: {each.text}" for each in _examined(_subject(data, fault))
    ]
    assert fault.mend in (found[0].mend or ""), found[0]
    if fault.repair is not None:
        fault.repair(data, found[0])
        still = _examined(_subject(data, fault))
        again = [each for each in still if (each.check, each.level) == (fault.check, fault.level)]
        assert again == []


def test_there_are_many() -> None:
    """Forty and more, of every check; each has its own name."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Listen on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_in_use(data: Path, taken_port: int) -> None:
    """Also one that another address of the box would have."""
    for name in ("--mqtt", "--http", "--http-redirect"):
        plan = replace(FREE, listen={name: ("127.0.0.1", taken_port)})
        found = run(ALL, subject_of(data, datetime.now(UTC), plan))
        [port] = [each for each in found if each.check == "ports"]
        assert f"port {taken_port}" in port.text
        assert name in (port.mend or "")


def test_a_folder_that_is_well(data: Path) -> None:
    """No check finds anything to do, and each of them says so."""
    found = _examined(subject_of(data, datetime.now(UTC), FREE, lambda _: Usage(GIB, GIB // 2)))
    assert [each for each in found if each.level in (Level.WARNING, Level.CRITICAL)] == []
    well = {each.check for each in found if each.level is Level.OK}
    assert well >= {
        *("file-modes", "disk", "keys", "database", "log", "documents", "backups", "backup-keys"),
        *("certificate", "deliveries", "ports", "settings"),
    }


def test_nothing_is_changed(data: Path) -> None:
    """Neither a file nor its time."""

    def state() -> dict[Path, tuple[int, int, int]]:
        stats = ((path, path.lstat()) for path in data.rglob("*"))
        return {path: (each.st_mtime_ns, each.st_size, each.st_mode) for path, each in stats}

    before = state()
    _examined(subject_of(data, datetime.now(UTC), FREE))
    assert state() == before


REFUSED = (
    *("restore interrupted", "database gone", "database overwritten", "pages damaged"),
    *("a newer program's", "key gone", "key of another box", "key torn", "another owner"),
    *("secrets of commands damaged", "another key in the environment"),
    "key of the environment malformed",
)
"""The faults with which a box does not start."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_keeps_a_box_from_starting(
    fault: Fault, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` refuses by the same checks, and starts with every other fault."""
    fault.plant(data)
    for name, value in fault.environment.items():
        monkeypatch.setenv(name, value)
    found = refusals(_subject(data, fault))
    assert bool(found) is (fault.name in REFUSED)
