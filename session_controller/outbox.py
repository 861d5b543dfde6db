"""The outbox's rows: how each session's way to each destination stands.

What a destination said may quote what a patient entered: it is sealed with the session's key.
"""

import json
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from schemas.base import rfc3339
from session_controller.delivery.deliveries import Delivery, DeliveryStatus
from session_controller.rows import Row, read_time
from session_controller.sealing import Sealer

INSERT_DELIVERY = "INSERT OR IGNORE INTO deliveries VALUES (?,?,?,?,?,?,?,?)"
UPDATE_DELIVERY = """
    UPDATE deliveries SET status=?, attempts=?, next_at=?, updated_at=?, outcome=?, progress=?
    WHERE session=? AND destination=?
"""
"""One that was purged meanwhile does not come back."""
DROP_DESTINATION = "DELETE FROM deliveries WHERE destination=?"
PURGE_DELIVERIES = "DELETE FROM deliveries WHERE session=?"


def queued_row(d: Delivery) -> Row:
    """Write a delivery that nobody tried yet."""
    at = rfc3339(d.updated_at)
    return d.session, d.destination, d.status.value, d.attempts, rfc3339(d.next_at), at, None, None


def updated_row(d: Delivery, sealer: Sealer) -> Row:
    """Write how a delivery stands now."""
    return (
        d.status.value,
        d.attempts,
        rfc3339(d.next_at),
        rfc3339(d.updated_at),
        _sealed(d.outcome, sealer, _about(d.session, d.destination, "outcome")),
        _sealed(d.progress, sealer, _about(d.session, d.destination, "progress")),
        d.session,
        d.destination,
    )


def read_delivery(row: dict[str, Any], sealer: Sealer) -> Delivery:
    """Read a delivery. Raises `SealBrokenError`."""
    session, destination = row["session"], row["destination"]
    return Delivery(
        session,
        destination,
        DeliveryStatus(row["status"]),
        row["attempts"],
        read_time(row["next_at"]),
        read_time(row["updated_at"]),
        _opened(row["outcome"], sealer, _about(session, destination, "outcome")),
        _opened(row["progress"], sealer, _about(session, destination, "progress")),
    )


def _about(session: str, destination: str, what: str) -> bytes:
    return f"delivery:{session}:{destination}:{what}".encode()


def _sealed(value: JsonValue, sealer: Sealer, about: bytes) -> bytes | None:
    return None if value is None else sealer.seal(json.dumps(value).encode(), about)


def _opened(sealed: bytes | None, sealer: Sealer, about: bytes) -> JsonValue:
    if sealed is None:
        return None
    found: JsonValue = json.loads(sealer.open(sealed, about))
    return found


def due_again(delivery: Delivery, at: datetime) -> Delivery:
    """Have a delivery sent again at once, whatever came of it."""
    return Delivery(
        delivery.session,
        delivery.destination,
        DeliveryStatus.WAITING,
        delivery.attempts,
        at,
        at,
        delivery.outcome,
        delivery.progress,
    )
