"""The outbox in the box's database (`session_controller.delivery.outbox.Outbox`)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

from session_controller.audit.events import DeliveryChanged
from session_controller.engine.state import SessionState
from session_controller.export.collect import gather_delivered
from session_controller.export.record import Record
from session_controller.service.registry import Registry
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.commit import StoreTurn
from session_controller.storage.deliveries import Delivery, DeliveryStatus
from session_controller.storage.store import Store

_LOGGED: Mapping[DeliveryStatus, Literal["delivered", "refused", "held"]] = {
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.REFUSED: "refused",
    DeliveryStatus.HELD: "held",
}

_T = TypeVar("_T")
Submit = Callable[[Callable[[UnitOfWork], None]], None]


class StoreOutbox:
    """Finds what is due, gathers it, and keeps how it went."""

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
