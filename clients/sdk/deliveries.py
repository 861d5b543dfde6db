"""Admin requests about deliveries: destinations, and the status of each delivery."""

from clients.sdk.client import DEFAULT_TIMEOUT
from clients.sdk.facility import FacilityClient
from schemas.wire import deliveries as d
from schemas.wire.destinations import Destination

DELIVER_TIMEOUT = 600.0
"""Seconds; waiting deliveries may go over a slow line."""

TRY_TIMEOUT = 150.0
"""Seconds; a trial has some requests that may each wait for half a minute."""


class DeliveriesClient(FacilityClient):
    """The deliveries part of an admin client."""

    def add_destination(self, destination: Destination, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Add a destination for sessions that complete from now on, or replace one by its name."""
        self._request(d.AddDestination, d.DestinationAdded, timeout, destination=destination)

    def remove_destination(
        self, name: str, *, undelivered: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Remove a destination.

        Raises RequestRefused with the code `unavailable` while deliveries to it are waiting,
        refused or held, unless `undelivered`.
        """
        self._request(
            d.RemoveDestination,
            d.DestinationRemoved,
            timeout,
            name=name,
            undelivered=undelivered,
        )

    def try_destination(
        self, name: str, *, publish: bool = False, timeout: float = TRY_TIMEOUT
    ) -> tuple[d.TrialStep, ...]:
        """Try a destination without delivering a session; return the steps, each with its result.

        `publish` allows a marked message to a central broker.
        """
        return self._request(
            d.TryDestination, d.DestinationTried, timeout, name=name, publish=publish
        ).steps

    def list_destinations(self, timeout: float = DEFAULT_TIMEOUT) -> tuple[d.DestinationLine, ...]:
        """List the destinations, with their counts of deliveries by status."""
        return self.destination_list(timeout).destinations

    def destination_list(self, timeout: float = DEFAULT_TIMEOUT) -> d.DestinationList:
        """List the destinations, and those that have deliveries but are not configured any more."""
        return self._request(d.ListDestinations, d.DestinationList, timeout)

    def list_deliveries(
        self,
        session: str | None = None,
        status: d.Standing | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> d.DeliveryList:
        """List deliveries with their status, the most recently changed first."""
        return self._request(
            d.ListDeliveries, d.DeliveryList, timeout, session=session, status=status
        )

    def show_delivery(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> d.DeliveryShown:
        """Return the destinations' responses to a session. They may quote the patient's answers."""
        return self._request(d.ShowDelivery, d.DeliveryShown, timeout, session=session)

    def retry_delivery(self, session: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> int:
        """Retry the refused and held deliveries of a session or of all; return their number."""
        return self._request(d.RetryDelivery, d.DeliveriesRetried, timeout, session=session).count

    def deliver_now(self, session: str | None = None, timeout: float = DELIVER_TIMEOUT) -> int:
        """Try the waiting deliveries now, and return how many are still waiting."""
        return self._request(d.DeliverNow, d.DeliveriesTried, timeout, session=session).waiting
