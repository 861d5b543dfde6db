"""PINs are checked and hashed beside the event loop, one at a time: each takes 19 MiB."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from session_controller.security.pins import hash_pin, is_pin
from session_controller.service.desks import NewPin, PinCheck
from session_controller.service.handlers.desks import conclude_sign_in
from session_controller.service.handlers.staff import conclude_pin
from session_controller.service.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

_O = TypeVar("_O")
_T = TypeVar("_T")


@dataclass(slots=True)
class PinJobs:
    """Does what batches ordered; the outcome is the work of a later batch."""

    key: bytes = field(repr=False)
    submit: Callable[[Callable[[UnitOfWork], None]], None]
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _hashing: set[tuple[str, str]] = field(default_factory=set)
    """The requests whose PIN is being hashed, by device and id."""

    async def do(self, order: PinCheck | NewPin) -> None:
        """Check or hash a PIN; a request that arrives again meanwhile is answered once."""
        if isinstance(order, PinCheck):
            right = await self._off_the_loop(self._is_right, order)
            self.submit(lambda work: conclude_sign_in(work, order, right=right))
            return
        request = order.device, order.request_id
        if request in self._hashing:
            return
        self._hashing.add(request)
        hashed = await self._off_the_loop(self._hash, order)
        self.submit(lambda work: self._conclude(work, order, hashed))

    def _conclude(self, work: UnitOfWork, order: NewPin, hashed: str | None) -> None:
        self._hashing.discard((order.device, order.request_id))  # from now on, its answer is known
        conclude_pin(work, order, hashed)

    def _is_right(self, check: PinCheck) -> bool:
        return is_pin(self.key, check.person, check.pin, check.pin_hash)

    def _hash(self, order: NewPin) -> str:
        return hash_pin(self.key, order.person, order.pin)

    async def _off_the_loop(self, work: Callable[[_O], _T], order: _O) -> _T | None:
        """Return the result, or None if it failed, as without memory."""
        async with self._one:
            try:
                return await asyncio.to_thread(work, order)
            except Exception as error:  # noqa: BLE001 - whoever asked hears of it
                _log.error("a PIN could not be checked: %s", type(error).__name__)
                return None
