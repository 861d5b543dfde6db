"""The courier in a box: the outbox in its database, the destinations in its data folder."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from typing import Literal, TypeVar

from schemas.base import Versioned
from schemas.topics import InboxTopic
from schemas.wire import deliveries as d
from schemas.wire.destinations import Destination, Destinations, FileFormat
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import DeliveryChanged, DestinationChanged
from session_controller.delivery.configuration import (
    ConfigurationError,
    load_destinations,
    portable,
    save_destinations,
)
from session_controller.delivery.courier import Courier
from session_controller.delivery.route import Circumstances
from session_controller.delivery.sender import Sender
from session_controller.engine.state import SessionState
from session_controller.export.collect import gather_delivered
from session_controller.export.record import Record
from session_controller.export.seals import Signer, seal_file, seal_of
from session_controller.export.writers import MEDIA_TYPES
from session_controller.integrity.configuration import told_unknown, unknown_destinations
from session_controller.service.registry import Registry
from session_controller.service.unit_of_work import DeliveryOrder, UnitOfWork
from session_controller.storage.commit import StoreTurn
from session_controller.storage.deliveries import Delivery, DeliveryStatus
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)
_WAITING = DeliveryStatus.WAITING.value
_LOGGED: Mapping[DeliveryStatus, Literal["delivered", "refused", "held"]] = {
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.REFUSED: "refused",
    DeliveryStatus.HELD: "held",
}

_T = TypeVar("_T")
Counts = Mapping[tuple[str, str], int]
"""How many deliveries there are, by destination and status."""
Submit = Callable[[Callable[[UnitOfWork], None]], None]


class StoreOutbox:
    """The outbox in the box's database (`session_controller.delivery.outbox.Outbox`)."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        software: str,
        in_turn: StoreTurn,
        submit: Submit,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._registry = registry
        self._software = software
        self._in_turn = in_turn
        self._submit = submit
        self._settled = settled

    async def next(self, destination: str) -> Delivery | None:
        """Return the waiting delivery that is due first, or None."""
        return await self._in_turn_to_its_end(lambda: self._store.next_delivery(destination))

    async def record(self, session: str) -> Record | None:
        """Gather a session, always the same: it bears the time at which it was completed."""
        site = self._registry.settings.site
        return await self._in_turn_to_its_end(
            lambda: gather_delivered(self._store, session, site=site, software=self._software)
        )

    async def _in_turn_to_its_end(self, turn: Callable[[], _T]) -> _T:
        """Keep the turn though we are cancelled: its thread would go on with the database."""
        return await asyncio.shield(self._in_turn(turn))

    async def put(self, delivery: Delivery) -> None:
        """Keep how a delivery stands; on return it is on disk, or will be tried again."""

        def keep(work: UnitOfWork) -> None:
            if not self._store.knows(delivery.session):
                return
            if delivery.status is DeliveryStatus.HELD:
                live = work.session(delivery.session)
                state = live.state if live else self._store.state(delivery.session)
                if state is not None and _is_answered(state, delivery):
                    waits = replace(delivery, status=DeliveryStatus.WAITING, outcome=None)
                    work.transaction.deliveries.append(waits)
                    return
                if state is not None:
                    work.awaiting_staff[delivery.session] = state
            work.transaction.deliveries.append(delivery)
            if delivery.status is not DeliveryStatus.WAITING:
                act = DeliveryChanged(
                    destination=delivery.destination,
                    status=_LOGGED[delivery.status],
                    sha256=delivery.sha256,
                )
                work.note(act, session=delivery.session)

        self._submit(keep)
        await self._settled()


def _is_answered(state: SessionState, delivery: Delivery) -> bool:
    """Return whether staff said who the patient is while the session was found to lack it."""
    known = state.identified
    missing = delivery.outcome.get("missing") if isinstance(delivery.outcome, dict) else None
    if known is None or not isinstance(missing, list):
        return False
    said = {"name": known.family or known.given, "birthDate": known.birth_date}
    return all(said.get(str(one)) for one in missing)


class DeliveryService:
    """Delivers a box's completed sessions, and does what facility IT asks about that."""

    def __init__(
        self,
        *,
        data: Path,
        registry: Registry,
        outbox: StoreOutbox,
        signer: Signer,
        submit: Submit,
        clock: Callable[[], datetime],
        count: Callable[[], Awaitable[Counts]],
    ) -> None:
        self._data = data
        self._registry = registry
        self._signer = signer
        self._submit = submit
        self._count = count
        self._clock = clock
        around = Circumstances(clock, SystemRandom().random)
        self._courier = Courier(registry.settings.site, outbox, self._sender, around)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()

    def _sender(self, destination: Destination) -> Sender:
        # Loaded here, for the boxes that deliver: with JWTs, FHIR and paper they take 8 MB.
        from session_controller.delivery.senders import Senders  # noqa: PLC0415
        from session_controller.export.formats import FORMATS  # noqa: PLC0415

        site = self._registry.settings.site
        senders = Senders(self._data, site, FORMATS, seal=self._seal, clock=self._clock)
        return senders.open(destination)

    def _seal(self, form: FileFormat, record: Record, data: bytes) -> bytes:
        """Seal what is delivered to a folder, as an export is."""
        media_type = MEDIA_TYPES[form]
        return seal_file(seal_of(record, data, self._signer, form=form, media_type=media_type))

    async def start(self, *, by_itself: bool) -> None:
        """Serve the destinations; deliver by itself, or only when asked."""
        await self._courier.serve(self._registry.destinations.destinations)
        if by_itself:
            self._courier.start()
            configured = self._registry.destinations.destinations
            _shout(unknown_destinations(await self._count(), configured))

    async def stop(self) -> None:
        """End; what is under way is sent again after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._courier.stop()

    def begin(self, work: UnitOfWork) -> None:
        """Do what a batch that is on disk asked for."""
        if work.transaction.queued or work.transaction.deliveries:
            self._courier.wake()
        for order in work.delivery_orders:
            task = asyncio.create_task(self._carry_out(order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, order: DeliveryOrder) -> None:
        answer: Versioned
        try:
            async with self._changing:
                answer = await self._done(order)
        except (ConfigurationError, OSError) as error:
            message = str(error) if isinstance(error, ConfigurationError) else _CANNOT_WRITE
            answer = _refusal(order, message)
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            _log.error("an order failed: %s", type(error).__name__)
            answer = _refusal(order, "This could not be done.")
        self._submit(lambda work: work.say(InboxTopic(order.device), answer))

    async def _done(self, order: DeliveryOrder) -> Versioned:
        request = order.request
        match request:
            case d.AddDestination():
                await self._change(order, request.destination.name, added=request)
                return d.DestinationAdded(
                    request_id=request.request_id, name=request.destination.name
                )
            case d.RemoveDestination():
                await self._change(order, request.name)
                return d.DestinationRemoved(request_id=request.request_id, name=request.name)
            case d.DeliverNow():
                await self._reload()
                await self._courier.send_now()
                counts = await self._count()
                waiting = sum(n for (_, status), n in counts.items() if status == _WAITING)
                return d.DeliveriesTried(request_id=request.request_id, waiting=waiting)

    async def _reload(self, removed: str | None = None) -> None:
        """Read the destinations' file again: somebody may have edited it."""
        found = await asyncio.to_thread(load_destinations, self._data)
        lost = unknown_destinations(await self._count(), found.destinations)
        known, self._registry.destinations = self._registry.destinations, found
        self._registry.lost_destinations = lost.keys() - {removed}
        _shout({name: n for name, n in lost.items() if name != removed and known.named(name)})
        await self._courier.serve(found.destinations)

    async def _change(
        self, order: DeliveryOrder, name: str, added: d.AddDestination | None = None
    ) -> None:
        """Add a destination in the place of one of its name, or remove one."""
        known = await asyncio.to_thread(load_destinations, self._data)
        lost = name in self._registry.lost_destinations
        if added is None and known.named(name) is None and not lost:
            raise ConfigurationError(f"There is no destination {name!r}.")
        kept = tuple(each for each in known.destinations if each.name != name)
        wanted = kept if added is None else (*kept, portable(self._data, added.destination))
        await asyncio.to_thread(save_destinations, self._data, Destinations(destinations=wanted))
        await self._reload(removed=name if added is None else None)
        self._submit(lambda work: _note(work, order, name, removed=added is None))


def _shout(lost: Mapping[str, int]) -> None:
    """Log what waits for destinations that are not configured any more."""
    for sentence in told_unknown(lost):
        _log.error("%s", sentence)


def _note(work: UnitOfWork, order: DeliveryOrder, name: str, *, removed: bool) -> None:
    if removed:
        work.transaction.dropped_destinations.append(name)
    act = DestinationChanged(destination=name, change="removed" if removed else "added")
    work.note(act, device=order.device, person=order.person)


_CANNOT_WRITE = "The destinations cannot be stored; look at the data folder."


def _refusal(order: DeliveryOrder, message: str) -> Rejection:
    return Rejection(
        request_id=order.request.request_id, code=RejectionCode.UNAVAILABLE, message=message
    )


def make_delivery_service(
    *,
    data: Path,
    store: Store,
    registry: Registry,
    software: str,
    clock: Callable[[], datetime],
    in_turn: StoreTurn,
    submit: Submit,
    settled: Callable[[], Awaitable[None]],
) -> DeliveryService:
    """Put a post room together, as the data folder has it. Raises `ConfigurationError`."""
    outbox = StoreOutbox(
        store=store,
        registry=registry,
        software=software,
        in_turn=in_turn,
        submit=submit,
        settled=settled,
    )

    async def count() -> Counts:
        return await asyncio.shield(in_turn(store.count_deliveries))

    registry.destinations = load_destinations(data)
    configured = registry.destinations.destinations
    registry.lost_destinations = unknown_destinations(store.count_undelivered(), configured).keys()
    return DeliveryService(
        data=data,
        registry=registry,
        outbox=outbox,
        signer=Signer(store.public_key, store.sign),
        submit=submit,
        clock=clock,
        count=count,
    )
