"""Facility IT's requests about deliveries: where to, how they stand, once more, now."""

from collections.abc import Sequence
from typing import Any

from schemas.wire import deliveries as d
from schemas.wire.destinations import Destination
from schemas.wire.rejections import RejectionCode
from schemas.wire.requests import Answer
from schemas.wire.views import SessionStatus
from session_controller.audit.events import DeliveryChanged, DeliverySeen
from session_controller.delivery.outcomes import Reason
from session_controller.engine.refusal import UNKNOWN_SESSION, Refusal
from session_controller.integrity.configuration import unknown_destinations
from session_controller.service.unit_of_work import DeliveryOrder, UnitOfWork
from session_controller.storage.deliveries import Delivery, DeliveryStatus
from session_controller.storage.delivery_rows import due_again
from session_controller.storage.entities import Device
from session_controller.storage.store import Store

_PAGE = 500


def take_order(
    work: UnitOfWork, _: Store, device: Device, request: d.AddDestination | d.TryDestination
) -> None:
    """Order that a destination is added or tried; the answer comes when that is done."""
    work.delivery_orders.append(DeliveryOrder(device.device, request, work.who(device.device)))


def remove_destination(
    work: UnitOfWork, store: Store, device: Device, request: d.RemoveDestination
) -> Refusal | None:
    """Order that a destination is removed, unless something is still to be delivered to it."""
    counts = store.count_undelivered()
    left = sum(counts.get((request.name, each), 0) for each in ("waiting", "refused", "held"))
    if left and not request.undelivered:
        return Refusal(
            RejectionCode.UNAVAILABLE,
            f"{left} sessions are not delivered to {request.name} yet; remove it as undelivered "
            "if they are not wanted there.",
            {"undelivered": left},
        )
    work.delivery_orders.append(DeliveryOrder(device.device, request, work.who(device.device)))
    return None


def deliver_now(
    work: UnitOfWork, store: Store, device: Device, request: d.DeliverNow
) -> Refusal | None:
    """Order that waiting deliveries are sent; the answer comes when that was tried."""
    if request.session is not None:
        state = store.state(request.session)
        if state is None:
            return UNKNOWN_SESSION
        if state.status is not SessionStatus.COMPLETED:
            return Refusal(RejectionCode.UNAVAILABLE, "Only completed sessions are delivered.")
        if state.test:
            return Refusal(RejectionCode.UNAVAILABLE, "A test session is never delivered.")
        work.queue(request.session)
    waiting = store.deliveries(request.session, DeliveryStatus.WAITING)
    work.transaction.deliveries += [due_again(each, work.at) for each in waiting]
    work.delivery_orders.append(DeliveryOrder(device.device, request, work.who(device.device)))
    return None


def retry_delivery(
    work: UnitOfWork, store: Store, device: Device, request: d.RetryDelivery
) -> Answer | Refusal:
    """Queue refused and held deliveries again; each is written anew from its record."""
    if request.session is not None and not store.knows(request.session):
        return UNKNOWN_SESSION
    refused = store.deliveries(request.session, DeliveryStatus.REFUSED)
    held = store.deliveries(request.session, DeliveryStatus.HELD)
    send_again(work, device, [*refused, *held])
    return d.DeliveriesRetried(request_id=request.request_id, count=len(refused) + len(held))


def send_again(work: UnitOfWork, device: Device, deliveries: Sequence[Delivery]) -> None:
    """Make deliveries due at once; the log keeps who asked for it."""
    for each in deliveries:
        act = DeliveryChanged(destination=each.destination, status="retried")
        work.note(act, device=device.device, session=each.session)
    work.transaction.deliveries += [due_again(each, work.at) for each in deliveries]


def list_destinations(
    work: UnitOfWork, store: Store, _: Device, request: d.ListDestinations
) -> Answer | Refusal:
    """List the destinations, with how many deliveries stand how."""
    configured = work.registry.destinations.destinations
    return destination_list(store, configured, request.request_id)


def destination_list(
    store: Store, configured: Sequence[Destination], request_id: str
) -> d.DestinationList:
    """Return the destinations, and those that deliveries wait for and that are not configured."""
    counts = store.count_deliveries()
    oldest = {
        one.destination: one.oldest
        for one in store.delivery_backlog()
        if one.status == DeliveryStatus.WAITING
    }

    def told(name: str) -> dict[str, Any]:
        by_status = {each.value: counts.get((name, each), 0) for each in DeliveryStatus}
        return {**by_status, "oldest": oldest.get(name), **_waiting(store, name)}

    lines = [d.DestinationLine(destination=each, **told(each.name)) for each in configured]
    unknown = [
        d.UnknownDestination(name=name, **told(name))
        for name in unknown_destinations(counts, configured)
    ]
    return d.DestinationList(
        request_id=request_id, destinations=tuple(lines), unknown=tuple(unknown)
    )


def _waiting(store: Store, name: str) -> dict[str, Any]:
    """Return what is known of the deliveries that wait for a destination."""
    due, tried = store.next_delivery(name), store.last_tried(name)
    outcome: Any = tried.outcome if tried and isinstance(tried.outcome, dict) else {}
    return {
        "next_at": due.next_at if due else None,
        "reason": outcome.get("reason"),
        "http_status": outcome.get("status"),
    }


def list_deliveries(work: UnitOfWork, store: Store, _: Device, request: d.ListDeliveries) -> Answer:
    """List how deliveries stand, a page of the newest."""
    found = store.deliveries(request.session, request.status, _PAGE + 1)
    lines = tuple(_line(work, each) for each in found[:_PAGE])
    return d.DeliveryList(request_id=request.request_id, deliveries=lines, more=len(found) > _PAGE)


def _reason(work: UnitOfWork, delivery: Delivery) -> str | None:
    """Return why a delivery has not arrived, as one word."""
    known = work.registry.destinations.named(delivery.destination)
    if delivery.status is DeliveryStatus.WAITING and known is None:
        return Reason.UNKNOWN_DESTINATION
    return reason_of(delivery)


def _line(work: UnitOfWork, delivery: Delivery) -> d.DeliveryLine:
    outcome: Any = delivery.outcome if isinstance(delivery.outcome, dict) else {}
    waits = delivery.status is DeliveryStatus.WAITING
    return d.DeliveryLine(
        session=delivery.session,
        destination=delivery.destination,
        status=delivery.status.value,
        attempts=delivery.attempts,
        next_at=delivery.next_at if waits else None,
        updated_at=delivery.updated_at,
        reason=_reason(work, delivery),
        http_status=outcome.get("status"),
        sha256=delivery.sha256,
    )


def reason_of(delivery: Delivery) -> str | None:
    """Return why the last attempt failed, as a code, or None."""
    if delivery.status is DeliveryStatus.REFUSED:
        return "refused"
    outcome: Any = delivery.outcome if isinstance(delivery.outcome, dict) else {}
    reason: str | None = outcome.get("reason")
    return reason


def show_delivery(
    work: UnitOfWork, store: Store, device: Device, request: d.ShowDelivery
) -> Answer | Refusal:
    """Show what destinations said of a session; the log keeps who looked."""
    if not store.knows(request.session):
        return UNKNOWN_SESSION
    work.note(DeliverySeen(), device=device.device, session=request.session)
    outcomes = [
        d.DeliveryOutcome(
            destination=each.destination,
            status=each.status.value,
            reason=_reason(work, each),
            sha256=each.sha256,
            outcome=each.outcome,
        )
        for each in store.deliveries(request.session)
    ]
    return d.DeliveryShown(
        request_id=request.request_id, session=request.session, outcomes=tuple(outcomes)
    )
