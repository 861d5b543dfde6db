"""Facility IT's requests about deliveries: where to, how they stand, once more, now."""

from typing import Any

from schemas import deliveries as d
from schemas.rejections import RejectionCode
from schemas.requests import Answer
from schemas.views import SessionStatus
from session_controller.acts import DeliveryChanged, DeliverySeen
from session_controller.delivery.deliveries import Delivery, DeliveryStatus
from session_controller.engine.refusal import Refusal
from session_controller.outbox import due_again
from session_controller.records import Device
from session_controller.store import Store
from session_controller.work import PostalOrder, Work

_PAGE = 500
_UNKNOWN = Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")


def take_order(work: Work, _: Store, device: Device, request: d.AddDestination) -> None:
    """Have a destination added; it is answered when that is on disk."""
    work.postal.append(PostalOrder(device.device, request))


def remove_destination(
    work: Work, store: Store, device: Device, request: d.RemoveDestination
) -> Refusal | None:
    """Have a destination removed, unless something has not arrived there."""
    counts = store.count_deliveries()
    left = sum(counts.get((request.name, each), 0) for each in ("waiting", "refused"))
    if left and not request.undelivered:
        return Refusal(
            RejectionCode.UNAVAILABLE,
            f"{left} sessions are not delivered to {request.name} yet; remove it as undelivered "
            "if they are not wanted there.",
            {"undelivered": left},
        )
    work.postal.append(PostalOrder(device.device, request))
    return None


def deliver_now(work: Work, store: Store, device: Device, request: d.DeliverNow) -> Refusal | None:
    """Have what waits sent; it is answered when that was tried."""
    if request.session is not None:
        state = store.state(request.session)
        if state is None:
            return _UNKNOWN
        if state.status is not SessionStatus.COMPLETED:
            return Refusal(RejectionCode.UNAVAILABLE, "Only completed sessions are delivered.")
        work.queue(request.session)
    waiting = store.deliveries(request.session, DeliveryStatus.WAITING)
    work.batch.deliveries += [due_again(each, work.at) for each in waiting]
    work.postal.append(PostalOrder(device.device, request))
    return None


def retry_delivery(
    work: Work, store: Store, device: Device, request: d.RetryDelivery
) -> Answer | Refusal:
    """Have what was refused sent again, made anew from the record."""
    if request.session is not None and not store.knows(request.session):
        return _UNKNOWN
    refused = store.deliveries(request.session, DeliveryStatus.REFUSED)
    for each in refused:
        act = DeliveryChanged(destination=each.destination, status="retried")
        work.note(act, device=device.device, session=each.session)
    work.batch.deliveries += [due_again(each, work.at) for each in refused]
    return d.DeliveriesRetried(request_id=request.request_id, count=len(refused))


def list_destinations(
    work: Work, store: Store, _: Device, request: d.ListDestinations
) -> Answer | Refusal:
    """List the destinations, with how many deliveries stand how."""
    counts = store.count_deliveries()
    lines = [
        d.DestinationLine(
            destination=each,
            **{status.value: counts.get((each.name, status), 0) for status in DeliveryStatus},
        )
        for each in work.world.destinations.destinations
    ]
    return d.DestinationList(request_id=request.request_id, destinations=tuple(lines))


def list_deliveries(_: Work, store: Store, __: Device, request: d.ListDeliveries) -> Answer:
    """List how deliveries stand, a page of the newest."""
    found = store.deliveries(request.session, request.status, _PAGE + 1)
    lines = tuple(map(_line, found[:_PAGE]))
    return d.DeliveryList(request_id=request.request_id, deliveries=lines, more=len(found) > _PAGE)


def _line(delivery: Delivery) -> d.DeliveryLine:
    outcome: Any = delivery.outcome if isinstance(delivery.outcome, dict) else {}
    waits, refused = (
        delivery.status is each for each in (DeliveryStatus.WAITING, DeliveryStatus.REFUSED)
    )
    return d.DeliveryLine(
        session=delivery.session,
        destination=delivery.destination,
        status=delivery.status.value,
        attempts=delivery.attempts,
        next_at=delivery.next_at if waits else None,
        updated_at=delivery.updated_at,
        reason="refused" if refused else outcome.get("reason"),
        http_status=outcome.get("status"),
    )


def show_delivery(
    work: Work, store: Store, device: Device, request: d.ShowDelivery
) -> Answer | Refusal:
    """Show what destinations said of a session; the log keeps who looked."""
    if not store.knows(request.session):
        return _UNKNOWN
    work.note(DeliverySeen(), device=device.device, session=request.session)
    outcomes = [
        d.DeliveryOutcome(
            destination=each.destination, status=each.status.value, outcome=each.outcome
        )
        for each in store.deliveries(request.session)
    ]
    return d.DeliveryShown(
        request_id=request.request_id, session=request.session, outcomes=tuple(outcomes)
    )
