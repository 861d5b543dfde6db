"""What the courier needs of the database."""

from typing import Protocol

from session_controller.delivery.deliveries import Delivery
from session_controller.record import Record


class Outbox(Protocol):
    """The deliveries. Each call may raise, where the database cannot be used now."""

    async def next(self, destination: str) -> Delivery | None:
        """Give the waiting delivery that is due first, whether it is due yet or not."""

    async def record(self, session: str) -> Record | None:
        """Gather a session; None where it was purged."""

    async def put(self, delivery: Delivery) -> None:
        """Keep how a delivery stands: on disk on return. One that was purged stays so."""
