"""Facility IT's requests about deliveries of completed sessions, and their answers."""

from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.base import Identifier, Timestamp, Wire
from schemas.destinations import Destination
from schemas.request_base import RequestBase

Standing = Literal["waiting", "delivered", "refused"]


class AddDestination(RequestBase):
    """Deliver sessions that complete from now on to a further destination."""

    type: Literal["ADD_DESTINATION"] = "ADD_DESTINATION"
    destination: Destination


class RemoveDestination(RequestBase):
    """Deliver nothing to a destination any more."""

    type: Literal["REMOVE_DESTINATION"] = "REMOVE_DESTINATION"
    name: Identifier
    undelivered: bool = False
    """Even though something still waits for it, or was refused there: it is given up."""


class ListDestinations(RequestBase):
    """List the destinations."""

    type: Literal["LIST_DESTINATIONS"] = "LIST_DESTINATIONS"


class ListDeliveries(RequestBase):
    """List how deliveries stand, without what a destination said of them."""

    type: Literal["LIST_DELIVERIES"] = "LIST_DELIVERIES"
    session: Identifier | None = None
    status: Standing | None = None


class ShowDelivery(RequestBase):
    """Show what destinations said of a session: may quote what a patient entered."""

    type: Literal["SHOW_DELIVERY"] = "SHOW_DELIVERY"
    session: Identifier


class RetryDelivery(RequestBase):
    """Send again what was refused, made anew from the record: of one session, or of all."""

    type: Literal["RETRY_DELIVERY"] = "RETRY_DELIVERY"
    session: Identifier | None = None


class DeliverNow(RequestBase):
    """Try now to send what waits; the answer comes once it was tried.

    A completed session that is named is queued for destinations that were added since.
    """

    type: Literal["DELIVER_NOW"] = "DELIVER_NOW"
    session: Identifier | None = None


class DestinationAdded(RequestBase):
    """The destination is served."""

    type: Literal["DESTINATION_ADDED"] = "DESTINATION_ADDED"
    name: Identifier


class DestinationRemoved(RequestBase):
    """The destination is served no more."""

    type: Literal["DESTINATION_REMOVED"] = "DESTINATION_REMOVED"
    name: Identifier


class DestinationLine(Wire):
    """A destination, and how many deliveries stand how."""

    destination: Destination
    waiting: int
    delivered: int
    refused: int


class DestinationList(RequestBase):
    """The destinations."""

    type: Literal["DESTINATION_LIST"] = "DESTINATION_LIST"
    destinations: tuple[DestinationLine, ...]


class DeliveryLine(Wire):
    """A session's way to one destination, in a line."""

    session: Identifier
    destination: Identifier
    status: Standing
    attempts: int
    next_at: Timestamp | None
    """When it is tried next, where it waits."""
    updated_at: Timestamp
    reason: str | None
    """Why the last attempt came to nothing, in a word: `unreachable`, `busy`, `refused` …"""
    http_status: int | None


class DeliveryList(RequestBase):
    """Deliveries, the newest first; `more` where there are more of them."""

    type: Literal["DELIVERY_LIST"] = "DELIVERY_LIST"
    deliveries: tuple[DeliveryLine, ...]
    more: bool = False


class DeliveryOutcome(Wire):
    """What a destination said."""

    destination: Identifier
    status: Standing
    outcome: Annotated[Any, Field(description="As JSON; an OperationOutcome where it refused.")]


class DeliveryShown(RequestBase):
    """What destinations said of a session."""

    type: Literal["DELIVERY_SHOWN"] = "DELIVERY_SHOWN"
    session: Identifier
    outcomes: tuple[DeliveryOutcome, ...]


class DeliveriesRetried(RequestBase):
    """So many deliveries wait again."""

    type: Literal["DELIVERIES_RETRIED"] = "DELIVERIES_RETRIED"
    count: int


class DeliveriesTried(RequestBase):
    """What was due was tried; so many deliveries still wait."""

    type: Literal["DELIVERIES_TRIED"] = "DELIVERIES_TRIED"
    waiting: int


DeliveryRequest = (
    AddDestination
    | RemoveDestination
    | ListDestinations
    | ListDeliveries
    | ShowDelivery
    | RetryDelivery
    | DeliverNow
)
DeliveryAnswer = (
    DestinationAdded
    | DestinationRemoved
    | DestinationList
    | DeliveryList
    | DeliveryShown
    | DeliveriesRetried
    | DeliveriesTried
)
