"""Facility IT's side of deliveries: where completed sessions go, and how far they have come."""

from clients.client import DEFAULT_TIMEOUT
from clients.facility import FacilityClient
from schemas import deliveries as d
from schemas.destinations import Destination

DELIVER_TIMEOUT = 600.0
"""Seconds; what waits goes over a line that may be slow."""


class DeliveriesClient(FacilityClient):
    """What an admin's device may do about deliveries."""

    def add_destination(self, destination: Destination, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Deliver sessions that complete from now on there too; one of its name is replaced."""
        self._request(d.AddDestination, d.DestinationAdded, timeout, destination=destination)

    def remove_destination(
        self, name: str, *, undelivered: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Deliver there no more; refused while something waits for it, unless `undelivered`."""
        self._request(
            d.RemoveDestination,
            d.DestinationRemoved,
            timeout,
            name=name,
            undelivered=undelivered,
        )

    def list_destinations(self, timeout: float = DEFAULT_TIMEOUT) -> tuple[d.DestinationLine, ...]:
        """List the destinations, with how many deliveries stand how."""
        return self._request(d.ListDestinations, d.DestinationList, timeout).destinations

    def list_deliveries(
        self,
        session: str | None = None,
        status: d.Standing | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> d.DeliveryList:
        """List how deliveries stand, those that changed last first."""
        return self._request(
            d.ListDeliveries, d.DeliveryList, timeout, session=session, status=status
        )

    def show_delivery(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> d.DeliveryShown:
        """Show what destinations said of a session: it may quote what a patient entered."""
        return self._request(d.ShowDelivery, d.DeliveryShown, timeout, session=session)

    def retry_delivery(self, session: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> int:
        """Have what was refused sent again, of one session or of all; gives how many."""
        return self._request(d.RetryDelivery, d.DeliveriesRetried, timeout, session=session).count

    def deliver_now(self, session: str | None = None, timeout: float = DELIVER_TIMEOUT) -> int:
        """Try now to send what waits, and wait for it; gives how many still wait."""
        return self._request(d.DeliverNow, d.DeliveriesTried, timeout, session=session).waiting
