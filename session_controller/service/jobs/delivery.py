"""The courier in a box: the outbox in its database, the destinations in its data folder."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext, suppress
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.base import Versioned
from schemas.topics import InboxTopic
from schemas.wire import deliveries as d
from schemas.wire.destinations import Destination, Destinations, FileFormat
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import DestinationChanged
from session_controller.delivery.configuration import (
    load_destinations,
    portable,
    save_destinations,
)
from session_controller.delivery.courier import Courier
from session_controller.delivery.route import Circumstances
from session_controller.delivery.sender import Sender
from session_controller.errors import DestinationsError
from session_controller.export.record import Record
from session_controller.export.seals import Signer, seal_file, seal_of
from session_controller.export.writers import MEDIA_TYPES
from session_controller.integrity.configuration import told_unknown, unknown_destinations
from session_controller.service.jobs.outbox import StoreOutbox, Submit
from session_controller.service.registry import Registry
from session_controller.service.unit_of_work import DeliveryOrder, UnitOfWork
from session_controller.storage.commit import StoreTurn
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.store import Store

if TYPE_CHECKING:
    from session_controller.delivery.senders import Senders

_log = logging.getLogger(__name__)
_WAITING = DeliveryStatus.WAITING.value
Counts = Mapping[tuple[str, str], int]
"""How many deliveries there are, by destination and status."""
Remember = Callable[[Destinations], Awaitable[None]]


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
        remember: Remember,
    ) -> None:
        self._data = data
        self._registry = registry
        self._signer = signer
        self._submit = submit
        self._count = count
        self._remember = remember
        self._clock = clock
        around = Circumstances(clock, SystemRandom().random)
        self._courier = Courier(registry.settings.site, outbox, self._sender, around)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()

    def _sender(self, destination: Destination) -> Sender:
        return self._senders().open(destination)

    def _senders(self) -> "Senders":
        # Loaded here, for the boxes that deliver: with JWTs, FHIR and paper they take 8 MB.
        from session_controller.delivery.senders import Senders  # noqa: PLC0415
        from session_controller.export.formats import FORMATS  # noqa: PLC0415

        site = self._registry.settings.site
        return Senders(self._data, site, FORMATS, seal=self._seal, clock=self._clock)

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
            self._do(self._carry_out(order))

    def reload(self) -> None:
        """Read the destinations' file again; if it is faulty, the destinations stay."""
        self._do(self._reload_or_say())

    def _do(self, asked: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(asked)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_or_say(self) -> None:
        try:
            async with self._changing:
                await self._reload()
        except DestinationsError as error:
            _log.error("%s", _kept(error, self._registry.destinations))

    async def _carry_out(self, order: DeliveryOrder) -> None:
        answer: Versioned
        try:
            async with nullcontext() if _only_looks(order) else self._changing:
                answer = await self._done(order)
        except (DestinationsError, OSError) as error:
            message = str(error) if isinstance(error, DestinationsError) else _CANNOT_WRITE
            answer = _refusal(order, message)
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            _log.error("an order failed: %s", type(error).__name__)
            answer = _refusal(order, "This could not be done.")
        self._submit(lambda work: work.say(InboxTopic(order.device), answer))

    async def _tried(self, request: d.TryDestination) -> Versioned:
        """Try a destination, also while sessions are delivered to it."""
        from session_controller.delivery.trial import tried  # noqa: PLC0415

        found = await asyncio.to_thread(load_destinations, self._data)
        destination = found.named(request.name)
        if destination is None:
            raise DestinationsError(f"There is no destination {request.name!r}.")
        steps = await tried(self._senders(), destination, publish=request.publish)
        return d.DestinationTried(request_id=request.request_id, name=request.name, steps=steps)

    async def _done(self, order: DeliveryOrder) -> Versioned:
        request = order.request
        match request:
            case d.TryDestination():
                return await self._tried(request)
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
        await self._remember(found)

    async def _change(
        self, order: DeliveryOrder, name: str, added: d.AddDestination | None = None
    ) -> None:
        """Add a destination in the place of one of its name, or remove one."""
        known = await asyncio.to_thread(load_destinations, self._data)
        lost = name in self._registry.lost_destinations
        if added is None and known.named(name) is None and not lost:
            raise DestinationsError(f"There is no destination {name!r}.")
        kept = tuple(each for each in known.destinations if each.name != name)
        wanted = kept if added is None else (*kept, portable(self._data, added.destination))
        await asyncio.to_thread(save_destinations, self._data, Destinations(destinations=wanted))
        await self._reload(removed=name if added is None else None)
        self._submit(lambda work: _note(work, order, name, removed=added is None))


def _only_looks(order: DeliveryOrder) -> bool:
    return isinstance(order.request, d.TryDestination)


def _kept(error: DestinationsError, kept: Destinations) -> str:
    names = ", ".join(each.name for each in kept.destinations) or "none"
    return f"{error}; until then the destinations stay as they were last usable: {names}"


def _shout(lost: Mapping[str, int]) -> None:
    """Log what waits for destinations that are not configured any more."""
    for each in told_unknown(lost):
        _log.error("%s", each)


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
    """Put a post room together, as the data folder has it.

    With a faulty file it goes on with the destinations of the last one that was not. Raises
    `DestinationsError` if there was none: what completes would be delivered nowhere.
    """
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

    async def remember(found: Destinations) -> None:
        await asyncio.shield(in_turn(lambda: _remember(store, found)))

    try:
        registry.destinations = load_destinations(data)
        _remember(store, registry.destinations)
    except DestinationsError as error:
        known = last_good(store)
        if known is None:
            raise
        registry.destinations = known
        _log.error("%s", _kept(error, registry.destinations))
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
        remember=remember,
    )


_LAST_GOOD = "destinations"
"""The property of a box with the destinations of the last `delivery.json` that could be used."""


def _remember(store: Store, found: Destinations) -> None:
    """Keep what a faulty file is replaced by; it names files of secrets, and holds none."""
    text = found.model_dump_json()
    with suppress(sqlite3.Error):  # the next reload tries again
        if store.meta(_LAST_GOOD) != text:
            store.set_meta(_LAST_GOOD, text)


def last_good(store: Store) -> Destinations | None:
    """Return the destinations of the last file that could be used, or None if there was none."""
    with suppress(ValidationError):
        return Destinations.model_validate_json(store.meta(_LAST_GOOD) or "")
    return None
