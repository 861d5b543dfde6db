"""What the courier needs from the database."""

from typing import Protocol

from session_controller.export.record import Record
from session_controller.storage.deliveries import Delivery


class Outbox(Protocol):
    """The deliveries. Each method may raise if the database cannot be used now."""

    async def next(self, destination: str) -> Delivery | None:
        """Return the waiting delivery with the earliest due time, which may be in the future."""

    async def record(self, session: str) -> Record | None:
        """Collect a session's record, or None if it was purged."""

    async def put(self, delivery: Delivery) -> None:
        """Store a delivery's state, durable on return. A purged delivery stays purged."""
