"""How faults are planted in a data folder, and mended."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from session_controller.backup.manifest import existing
from session_controller.backup.restore import restore
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.start_options import StartOptions
from session_controller.preflight.subject import known_start_options
from session_controller.security.encryption import required_box_keys
from session_controller.security.own_tls import OwnTls, WantedHosts
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
    refused: bool = False
    """Whether a box does not start with it."""


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


def renew(data: Path, _: Finding, *names: str) -> None:
    """Do as `handrail tls create --force` does."""
    wanted = WantedHosts(names or None)
    OwnTls(data).create("main", wanted, required_box_keys(data), datetime.now(UTC))


def renew_certificate(data: Path, _: Finding, *names: str) -> None:
    """Do as `handrail tls renew` does."""
    wanted = WantedHosts(names or None)
    OwnTls(data).renew("main", wanted, required_box_keys(data), datetime.now(UTC))


def of_another_ca(*names: str) -> Callable[[Path], object]:
    """Put files of another box's CA in the place of this one's."""

    def plant(data: Path) -> None:
        other = data.parent / "other"
        other.mkdir()
        OwnTls(other).create("main", WantedHosts(), required_box_keys(data), datetime.now(UTC))
        for name in names:
            (other / "tls" / name).replace(data / "tls" / name)

    return plant


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


def with_rule(*statements: str) -> Callable[[Path], object]:
    """Change the database without its foreign keys, as a program that does not know them."""
    return sql("PRAGMA foreign_keys=OFF", *statements)


def nothing(_: Path) -> None:
    """Plant nothing: the fault is in how the box is started."""


def configured(text: str) -> Callable[[Path], object]:
    """Write a configuration file."""
    return spoil("handrail.toml", text.encode())


def as_configured(data: Path) -> StartOptions:
    """Return the plan of a box with the file in its folder, on free ports."""
    return replace(known_start_options(data, None), listen=FREE.listen)


def copying_to(name: str) -> Callable[[Path], StartOptions]:
    """Return the plan of a box that copies its backups to a folder beside the data folder."""
    return lambda data: replace(FREE, copies_to=data.parent / name)


def as_folder(name: str) -> Callable[[Path], object]:
    """Put a folder with something in it where a file belongs."""

    def plant(data: Path) -> None:
        (data / name).unlink(missing_ok=True)
        (data / name / "something").mkdir(parents=True, mode=0o700)
        (data / name).chmod(0o700)

    return plant


def as_file(name: str) -> Callable[[Path], object]:
    """Put a file where a folder belongs."""

    def plant(data: Path) -> None:
        shutil.rmtree(data / name)
        (data / name).touch(0o600)

    return plant


def linked_to_nothing(name: str) -> Callable[[Path], object]:
    """Move what has a name away, and leave a link to where nothing is."""

    def plant(data: Path) -> None:
        if (data / name).exists():
            (data / name).rename(data.parent / "away")
        (data / name).symlink_to(data.parent / "nothing")

    return plant


def flip(path: Path) -> None:
    """Change a bit of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
