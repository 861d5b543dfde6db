"""PINs are checked and hashed beside the event loop, one at a time: each takes 19 MiB.

Meanwhile the request is held back unacknowledged, as a PUBACK means that what was asked is on disk;
then it is handled again, with the result.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from schemas.wire.staff import AddPerson, ChangePerson, SignIn
from session_controller.security.pins import hash_pin, is_pin
from session_controller.service.desks import NewPin, PinCheck
from session_controller.service.handlers.desks import conclude_sign_in
from session_controller.service.handlers.requests import handle_request
from session_controller.service.handlers.staff import conclude_pin
from session_controller.service.inbox import ReceivedRequest
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)

_O = TypeVar("_O")
_T = TypeVar("_T")
_WITH_PIN = (SignIn, AddPerson, ChangePerson)

_Conclude = Callable[[UnitOfWork], None]


@dataclass(slots=True)
class PinJobs:
    """The PINs that are being checked or hashed, and the requests that wait for them."""

    key: bytes = field(repr=False)
    again: Callable[[Sequence[ReceivedRequest]], None]
    """Has requests handled before all that waits."""
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _held: dict[tuple[str, str], list[ReceivedRequest]] = field(default_factory=dict)
    """Requests whose PIN is being checked or hashed, by device and id; each may arrive twice."""
    _found: dict[tuple[str, str], _Conclude] = field(default_factory=dict)
    """What the result decides, until that is on disk."""

    def handle(self, work: UnitOfWork, store: Store, received: ReceivedRequest) -> None:
        """Handle a request, or hold it back while its PIN is checked or hashed."""
        key = _key(received)
        if key is None:
            handle_request(work, store, received.topic, received.body)
        elif key in self._held or key in work.held_for_pins:
            work.held_for_pins.setdefault(key, []).append(received)
        elif key in work.pins_concluded:
            return  # it arrived twice
        elif conclude := self._found.get(key):
            conclude(work)
            work.pins_concluded.append(key)
        else:
            ordered = len(work.pins)
            handle_request(work, store, received.topic, received.body)
            if len(work.pins) > ordered:
                work.held_for_pins[key] = [received]

    def settle(self, work: UnitOfWork) -> None:
        """Note what a batch holds back, and forget the results that it stored."""
        for key in work.pins_concluded:
            self._found.pop(key, None)
        ordered = {(order.device, order.request_id) for order in work.pins}
        for key, requests in work.held_for_pins.items():
            if key in self._held or key in ordered:
                self._held.setdefault(key, []).extend(requests)
            else:  # the result came meanwhile
                self.again(requests)

    def give_up(self, work: UnitOfWork, received: ReceivedRequest) -> None:
        """Forget the result for a request that could not be stored: it may not come again."""
        key = _key(received)
        if key is not None and self._found.pop(key, None) is not None:
            desk = work.desk(key[0])
            if desk.trying == key[1]:
                work.desks[key[0]] = replace(desk, trying=None)

    async def do(self, order: PinCheck | NewPin) -> None:
        """Check or hash the PIN of an order, and have its requests handled again."""
        key = order.device, order.request_id
        self._found[key] = await self._result(order)
        self.again(self._held.pop(key))

    async def _result(self, order: PinCheck | NewPin) -> _Conclude:
        if isinstance(order, PinCheck):
            right = await self._off_the_loop(self._is_right, order)
            return partial(conclude_sign_in, check=replace(order, pin=""), right=right)
        hashed = await self._off_the_loop(self._hash, order)
        return partial(conclude_pin, order=replace(order, pin=""), pin_hash=hashed)

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


def _key(received: ReceivedRequest) -> tuple[str, str] | None:
    """Return the device and id of a request that has a PIN, or None."""
    body = received.body
    return (received.topic.device, body.request_id) if isinstance(body, _WITH_PIN) else None
