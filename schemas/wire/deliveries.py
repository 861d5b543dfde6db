"""Admin requests about deliveries of completed sessions, and their answers."""

from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.base import Identifier, Sha256, Timestamp, Wire
from schemas.wire.destinations import Destination
from schemas.wire.request_base import AnswerBase, RequestBase

Standing = Literal["waiting", "delivered", "refused", "held"]
"""`held`: not sent, because the patient is not identified."""


class AddDestination(RequestBase):
    """Add a destination for sessions that complete from now on."""

    type: Literal["ADD_DESTINATION"] = "ADD_DESTINATION"
    destination: Destination


class RemoveDestination(RequestBase):
    """Remove a destination."""

    type: Literal["REMOVE_DESTINATION"] = "REMOVE_DESTINATION"
    name: Identifier
    undelivered: bool = False
    """Remove it even if deliveries are waiting, held or were refused; these are given up."""


class TryDestination(RequestBase):
    """Try a destination without delivering a session; the answer follows the attempt."""

    type: Literal["TRY_DESTINATION"] = "TRY_DESTINATION"
    name: Identifier
    publish: bool = False
    """Whether a marked message may be published at a central broker."""


class ListDestinations(RequestBase):
    """List the destinations."""

    type: Literal["LIST_DESTINATIONS"] = "LIST_DESTINATIONS"


class ListDeliveries(RequestBase):
    """List deliveries with their status, without the destinations' responses."""

    type: Literal["LIST_DELIVERIES"] = "LIST_DELIVERIES"
    session: Identifier | None = None
    status: Standing | None = None


class ShowDelivery(RequestBase):
    """Show the destinations' responses to a session; they may quote the patient's answers."""

    type: Literal["SHOW_DELIVERY"] = "SHOW_DELIVERY"
    session: Identifier


class RetryDelivery(RequestBase):
    """Retry refused and held deliveries of one session or of all, rebuilt from the record."""

    type: Literal["RETRY_DELIVERY"] = "RETRY_DELIVERY"
    session: Identifier | None = None


class DeliverNow(RequestBase):
    """Try waiting deliveries now; the answer follows the attempt.

    A completed session, if named, is also queued for destinations added since it completed.
    """

    type: Literal["DELIVER_NOW"] = "DELIVER_NOW"
    session: Identifier | None = None


class DestinationAdded(AnswerBase):
    """The destination was added."""

    type: Literal["DESTINATION_ADDED"] = "DESTINATION_ADDED"
    name: Identifier


class DestinationRemoved(AnswerBase):
    """The destination was removed."""

    type: Literal["DESTINATION_REMOVED"] = "DESTINATION_REMOVED"
    name: Identifier


class TrialStep(Wire):
    """What was tried of a destination, and the result."""

    step: str
    """One word: `name`, `connection`, `tls`, `authorization`, `metadata`, `writing`, `folder` …"""
    result: Literal["ok", "note", "failed"]
    text: str
    mend: str | None = None
    """What to do, if there is something."""


class DestinationTried(RequestBase):
    """A destination was tried: the steps, in order, up to the first that failed."""

    type: Literal["DESTINATION_TRIED"] = "DESTINATION_TRIED"
    name: Identifier
    steps: tuple[TrialStep, ...]


class DestinationCounts(Wire):
    """The deliveries to a destination: counts by status, and what is known of those that wait."""

    waiting: int
    delivered: int
    refused: int
    held: int = 0
    oldest: Timestamp | None = None
    """When the first session that waits ended."""
    next_at: Timestamp | None = None
    """Time of the next attempt."""
    reason: str | None = None
    """Why the last attempt failed, as one word."""
    http_status: int | None = None


class DestinationLine(DestinationCounts):
    """A destination, with its counts of deliveries by status."""

    destination: Destination


class UnknownDestination(DestinationCounts):
    """A destination that has deliveries and is not configured, with its counts by status.

    It was lost with `delivery.json`: removing a destination removes its deliveries.
    """

    name: Identifier


class DestinationList(AnswerBase):
    """The destinations."""

    type: Literal["DESTINATION_LIST"] = "DESTINATION_LIST"
    destinations: tuple[DestinationLine, ...]
    unknown: tuple[UnknownDestination, ...] = ()


class DeliveryLine(Wire):
    """A summary of one session's delivery to one destination."""

    session: Identifier
    destination: Identifier
    status: Standing
    attempts: int
    next_at: Timestamp | None
    """Time of the next attempt, if it is waiting."""
    updated_at: Timestamp
    reason: str | None
    """Why it has not arrived, as one word: `unreachable`, `busy`, `unknown_destination`,
    `patient_not_identified` …"""
    http_status: int | None
    sha256: Sha256 | None = None
    """Of what was delivered or refused last."""


class DeliveryList(AnswerBase):
    """Deliveries, the newest first; `more` if the list is incomplete."""

    type: Literal["DELIVERY_LIST"] = "DELIVERY_LIST"
    deliveries: tuple[DeliveryLine, ...]
    more: bool = False


class DeliveryOutcome(Wire):
    """A destination's response."""

    destination: Identifier
    status: Standing
    reason: str | None = None
    """Why it has not arrived, as one word."""
    sha256: Sha256 | None = None
    """Of what was delivered or refused last."""
    outcome: Annotated[Any, Field(description="JSON; an OperationOutcome if it refused.")]


class DeliveryShown(AnswerBase):
    """The destinations' responses to a session."""

    type: Literal["DELIVERY_SHOWN"] = "DELIVERY_SHOWN"
    session: Identifier
    outcomes: tuple[DeliveryOutcome, ...]


class DeliveriesRetried(AnswerBase):
    """The number of deliveries that are waiting again."""

    type: Literal["DELIVERIES_RETRIED"] = "DELIVERIES_RETRIED"
    count: int


class DeliveriesTried(AnswerBase):
    """Due deliveries were tried; the number still waiting."""

    type: Literal["DELIVERIES_TRIED"] = "DELIVERIES_TRIED"
    waiting: int


DeliveryRequest = (
    AddDestination
    | RemoveDestination
    | TryDestination
    | ListDestinations
    | ListDeliveries
    | ShowDelivery
    | RetryDelivery
    | DeliverNow
)
DeliveryAnswer = (
    DestinationAdded
    | DestinationRemoved
    | DestinationTried
    | DestinationList
    | DeliveryList
    | DeliveryShown
    | DeliveriesRetried
    | DeliveriesTried
)
