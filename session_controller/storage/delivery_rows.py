"""The outbox's rows: the state of each session's delivery to each destination.

A destination's response may quote patient data: it is encrypted with the session's key.
"""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from schemas.base import rfc3339
from session_controller.security.encryption import Cipher
from session_controller.storage.deliveries import Delivery, DeliveryStatus
from session_controller.storage.rows import Row, read_time

INSERT_DELIVERY = """
    INSERT OR IGNORE INTO deliveries (session, destination, status, attempts, next_at, updated_at)
    VALUES (?,?,?,?,?,?)
"""
UPDATE_DELIVERY = """
    UPDATE deliveries SET status=?, attempts=?, next_at=?, updated_at=?, outcome=?, progress=?,
        sha256=?
    WHERE session=? AND destination=?
"""
"""An update does not restore a delivery that has been purged."""
KEEP_ARRIVALS = """
    UPDATE sessions SET delivered_at=max(coalesce(delivered_at, ''), arrived.updated_at)
    FROM deliveries AS arrived
    WHERE arrived.session=sessions.session AND arrived.status='delivered' AND arrived.destination=?
"""
"""What has arrived is not kept for ever because its destination is removed."""
DROP_DESTINATION = "DELETE FROM deliveries WHERE destination=?"
PURGE_DELIVERIES = "DELETE FROM deliveries WHERE session=?"


def queued_row(d: Delivery) -> Row:
    """Return the row of a delivery that has not been tried yet."""
    at = rfc3339(d.updated_at)
    return d.session, d.destination, d.status.value, d.attempts, rfc3339(d.next_at), at


def updated_row(d: Delivery, cipher: Cipher) -> Row:
    """Return the columns of a delivery's current state."""
    return (
        d.status.value,
        d.attempts,
        rfc3339(d.next_at),
        rfc3339(d.updated_at),
        _sealed(d.outcome, cipher, _about(d.session, d.destination, "outcome")),
        _sealed(d.progress, cipher, _about(d.session, d.destination, "progress")),
        d.sha256,
        d.session,
        d.destination,
    )


def read_delivery(row: dict[str, Any], cipher: Cipher) -> Delivery:
    """Read a delivery. Raises `DecryptionError`."""
    session, destination = row["session"], row["destination"]
    return Delivery(
        session,
        destination,
        DeliveryStatus(row["status"]),
        row["attempts"],
        read_time(row["next_at"]),
        read_time(row["updated_at"]),
        _opened(row["outcome"], cipher, _about(session, destination, "outcome")),
        _opened(row["progress"], cipher, _about(session, destination, "progress")),
        row["sha256"],
    )


def _about(session: str, destination: str, what: str) -> bytes:
    return f"delivery:{session}:{destination}:{what}".encode()


def _sealed(value: JsonValue, cipher: Cipher, about: bytes) -> bytes | None:
    return None if value is None else cipher.encrypt(json.dumps(value).encode(), about)


def _opened(sealed: bytes | None, cipher: Cipher, about: bytes) -> JsonValue:
    if sealed is None:
        return None
    found: JsonValue = json.loads(cipher.decrypt(sealed, about))
    return found


def due_again(delivery: Delivery, at: datetime) -> Delivery:
    """Return a delivery that is due again at once, whatever its last outcome."""
    return replace(delivery, status=DeliveryStatus.WAITING, next_at=at, updated_at=at)
