"""What the courier needs of the database."""

from datetime import datetime
from typing import Protocol

from session_controller.delivery.deliveries import Delivery
from session_controller.record import Record


class Outbox(Protocol):
    """The deliveries. Each call may raise, where the database cannot be used now."""

    async def next(self, destination: str, now: datetime) -> Delivery | None:
        """Give the waiting delivery that is due first, whether it is due yet or not.

        What is further off than any delay is due now: it was planned by a clock set back since.
        """

    async def record(self, session: str) -> Record | None:
        """Gather a session; None where it was purged."""

    async def put(self, delivery: Delivery) -> None:
        """Keep how a delivery stands: on disk on return. One that was purged stays so."""
