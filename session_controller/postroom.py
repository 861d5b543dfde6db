"""The courier in a box: the outbox in its database, the destinations in its data folder."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar

from schemas import deliveries as d
from schemas.base import Versioned
from schemas.destinations import Destination, Destinations
from schemas.rejections import Rejection, RejectionCode
from schemas.topics import InboxTopic
from session_controller.acts import DeliveryChanged, DestinationChanged
from session_controller.delivery.configuration import (
    ConfigurationError,
    load_destinations,
    save_destinations,
)
from session_controller.delivery.courier import Courier
from session_controller.delivery.deliveries import Delivery, DeliveryStatus
from session_controller.delivery.route import Circumstances
from session_controller.delivery.sender import Sender
from session_controller.gathering import gather
from session_controller.record import Record
from session_controller.store import Store
from session_controller.turns import StoresTurn
from session_controller.work import PostalOrder, Work
from session_controller.world import World

_log = logging.getLogger(__name__)
_BY = "courier"
"""Who a delivered record says that it was exported by."""

_T = TypeVar("_T")
Submit = Callable[[Callable[[Work], None]], None]


class StoreOutbox:
    """The outbox in the box's database (`session_controller.delivery.outbox.Outbox`)."""

    def __init__(
        self,
        *,
        store: Store,
        world: World,
        software: str,
        in_turn: StoresTurn,
        submit: Submit,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._world = world
        self._software = software
        self._in_turn = in_turn
        self._submit = submit
        self._settled = settled

    async def next(self, destination: str) -> Delivery | None:
        """Give the waiting delivery that is due first."""
        return await self._in_turn_to_its_end(lambda: self._store.next_delivery(destination))

    async def record(self, session: str) -> Record | None:
        """Gather a session, always the same: it bears the time at which it was completed."""
        return await self._in_turn_to_its_end(lambda: self._gathered(session))

    async def _in_turn_to_its_end(self, turn: Callable[[], _T]) -> _T:
        """Keep the turn though we are cancelled: its thread would go on with the database."""
        return await asyncio.shield(self._in_turn(turn))

    def _gathered(self, session: str) -> Record | None:
        state = self._store.state(session)
        if state is None:
            return None
        site = self._world.settings.site
        return gather(
            self._store,
            session,
            site=site,
            at=state.updated_at,
            by=_BY,
            software=self._software,
        )

    async def put(self, delivery: Delivery) -> None:
        """Keep how a delivery stands; on return it is on disk, or will be tried again."""

        def keep(work: Work) -> None:
            if not self._store.knows(delivery.session):
                return
            work.batch.deliveries.append(delivery)
            if delivery.status is not DeliveryStatus.WAITING:
                taken = delivery.status is DeliveryStatus.DELIVERED
                act = DeliveryChanged(
                    destination=delivery.destination, status="delivered" if taken else "refused"
                )
                work.note(act, session=delivery.session)

        self._submit(keep)
        await self._settled()


class PostRoom:
    """Delivers a box's completed sessions, and does what facility IT asks about that."""

    def __init__(
        self,
        *,
        data: Path,
        world: World,
        outbox: StoreOutbox,
        submit: Submit,
        clock: Callable[[], datetime],
        count: Callable[[], Awaitable[int]],
    ) -> None:
        self._data = data
        self._world = world
        self._submit = submit
        self._count = count
        self._clock = clock
        around = Circumstances(clock, SystemRandom().random)
        self._courier = Courier(world.settings.site, outbox, self._sender, around)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()

    def _sender(self, destination: Destination) -> Sender:
        # Loaded here, for the boxes that deliver: with JWTs, FHIR and paper they take 8 MB.
        from session_controller.delivery.senders import Senders  # noqa: PLC0415
        from session_controller.writing import FORMATS  # noqa: PLC0415

        senders = Senders(self._data, self._world.settings.site, FORMATS, clock=self._clock)
        return senders.open(destination)

    async def start(self, *, by_itself: bool) -> None:
        """Serve the destinations; deliver by itself, or only when asked."""
        await self._courier.serve(self._world.destinations.destinations)
        if by_itself:
            self._courier.start()

    async def stop(self) -> None:
        """End; what is under way is sent again after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._courier.stop()

    def begin(self, work: Work) -> None:
        """Do what a batch that is on disk asked for."""
        if work.batch.queued or work.batch.deliveries:
            self._courier.wake()
        for order in work.postal:
            task = asyncio.create_task(self._carry_out(order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, order: PostalOrder) -> None:
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

    async def _done(self, order: PostalOrder) -> Versioned:
        request = order.request
        match request:
            case d.AddDestination():
                await self._change(order.device, request.destination.name, added=request)
                return d.DestinationAdded(
                    request_id=request.request_id, name=request.destination.name
                )
            case d.RemoveDestination():
                await self._change(order.device, request.name)
                return d.DestinationRemoved(request_id=request.request_id, name=request.name)
            case d.DeliverNow():
                await self._reload()
                await self._courier.send_now()
                return d.DeliveriesTried(request_id=request.request_id, waiting=await self._count())

    async def _reload(self) -> None:
        """Take up what somebody may have written into the file."""
        self._world.destinations = await asyncio.to_thread(load_destinations, self._data)
        await self._courier.serve(self._world.destinations.destinations)

    async def _change(self, device: str, name: str, added: d.AddDestination | None = None) -> None:
        """Add a destination in the place of one of its name, or remove one."""
        known = await asyncio.to_thread(load_destinations, self._data)
        if added is None and known.named(name) is None:
            raise ConfigurationError(f"There is no destination {name!r}.")
        kept = tuple(each for each in known.destinations if each.name != name)
        wanted = kept if added is None else (*kept, added.destination)
        await asyncio.to_thread(save_destinations, self._data, Destinations(destinations=wanted))
        await self._reload()
        self._submit(lambda work: _note(work, device, name, removed=added is None))


def _note(work: Work, device: str, name: str, *, removed: bool) -> None:
    if removed:
        work.batch.dropped_destinations.append(name)
    act = DestinationChanged(destination=name, change="removed" if removed else "added")
    work.note(act, device=device)


_CANNOT_WRITE = "The destinations cannot be stored; look at the data folder."


def _refusal(order: PostalOrder, message: str) -> Rejection:
    return Rejection(
        request_id=order.request.request_id, code=RejectionCode.UNAVAILABLE, message=message
    )


def make_post_room(
    *,
    data: Path,
    store: Store,
    world: World,
    software: str,
    clock: Callable[[], datetime],
    in_turn: StoresTurn,
    submit: Submit,
    settled: Callable[[], Awaitable[None]],
) -> PostRoom:
    """Put a post room together, as the data folder has it. Raises `ConfigurationError`."""
    outbox = StoreOutbox(
        store=store,
        world=world,
        software=software,
        in_turn=in_turn,
        submit=submit,
        settled=settled,
    )

    async def count() -> int:
        found: Any = await asyncio.shield(in_turn(store.count_deliveries))
        return sum(n for (_, status), n in found.items() if status == DeliveryStatus.WAITING)

    world.destinations = load_destinations(data)
    return PostRoom(data=data, world=world, outbox=outbox, submit=submit, clock=clock, count=count)
