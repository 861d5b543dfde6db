"""What the table of devices holds of them, in databases of earlier versions too."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from schemas.base import Role
from session_controller.storage.entities import Device
from session_controller.storage.rows import device_row, read_device
from session_controller.storage.schema import SCHEMA
from session_controller.storage.statements import UPSERT_DEVICE

AT = datetime(2026, 11, 29, 8, tzinfo=UTC)
DEVICE = Device("kiosk-1", "Kiosk 1", Role.PATIENT, AT, secret_sha256="0" * 64)


def test_a_device_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It has no room, was never seen, and its code is the first; what it had is kept."""
    db = Database(tmp_path / "old.sqlite")
    known = SCHEMA.pending(db)
    (details,) = [one for one in known if one.name == "device details"]
    for migration in known[: known.index(details)]:
        migration.fn(db)
    db.execute("INSERT INTO devices VALUES (?,?,?,?,?,?,?,?,?)", device_row(DEVICE)[:9])
    details.fn(db)
    assert [read_device(row) for row in db.query("SELECT * FROM devices")] == [DEVICE]
    db.conn.close()


def test_all_of_a_device_is_stored(tmp_path: Path) -> None:
    """Each field comes back as it was written, in its column."""
    db = Database(tmp_path / "new.sqlite")
    SCHEMA.apply(db)
    full = replace(
        DEVICE,
        revoked_at=AT,
        online=True,
        connection=7,
        room="Lobby",
        retired_at=AT,
        seen_at=AT,
        address="192.0.2.1",
        software="kiosk/1",
        code_serial=3,
    )
    db.execute(UPSERT_DEVICE, device_row(full))
    assert [read_device(row) for row in db.query("SELECT * FROM devices")] == [full]
    db.conn.close()
