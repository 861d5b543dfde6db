"""The way to one destination: what is due goes, one after another; trouble makes it rest."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import JsonValue

from session_controller.delivery.delays import LONGEST_WISH_S, delay_s, is_due
from session_controller.delivery.deliveries import Delivery, DeliveryStatus
from session_controller.delivery.judging import patiently
from session_controller.delivery.outbox import Outbox
from session_controller.delivery.outcomes import Delivered, Outcome, Reason, Refused, TryAgain
from session_controller.delivery.sender import Keep, Parcel, Sender, UnwritableError

_log = logging.getLogger(__name__)
_PUT_OFF = TryAgain(Reason.DEFECT, everyone=False)
_LOOK_S = 60.0
"""The longest rest: the box's clock may be set meanwhile."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Time and chance."""

    clock: Callable[[], datetime]
    draw: Callable[[], float]
    """Evenly from [0, 1)."""
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits for seconds."""


class Route:
    """Carries deliveries to one destination, for as long as `run` runs."""

    def __init__(
        self, name: str, site: str, sender: Sender, outbox: Outbox, around: Circumstances
    ) -> None:
        self.name = name
        self._site = site
        self._sender = sender
        self._outbox = outbox
        self._around = around
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._failures = 0
        """In a row, of the destination as a whole."""
        self._rests_until: datetime | None = None

    async def run(self) -> None:
        """Send what is due, rest, and so on, until cancelled."""
        while True:
            self._wake.clear()
            await self.round()
            await self._rest()

    def wake(self) -> None:
        """Look at once whether something is due."""
        self._wake.set()

    async def send_now(self) -> None:
        """Send what is due now, though the destination was to rest."""
        self._rests_until = None
        await self.round()

    async def round(self) -> None:
        """Send what is due, until nothing is, or the destination has to rest."""
        async with self._turn:
            try:
                while not self._resting():
                    delivery = await self._due()
                    if delivery is None:
                        break
                    await self._attempt(delivery)
            except Exception as error:  # noqa: BLE001 - the database is in trouble: try again later
                self._defect("the outbox", error)
                self._trouble(None)

    async def close(self) -> None:
        """Let go of connections."""
        async with self._turn:
            await self._sender.close()

    # --- one delivery ----------------------------------------------------------------------

    async def _due(self) -> Delivery | None:
        now = self._around.clock()
        delivery = await self._outbox.next(self.name)
        return delivery if delivery and is_due(delivery.next_at, now) else None

    async def _attempt(self, delivery: Delivery) -> None:
        kept = delivery.progress

        async def keep(progress: JsonValue) -> None:
            nonlocal kept
            kept = progress
            now = self._around.clock()
            await self._outbox.put(replace(delivery, progress=progress, updated_at=now))

        outcome = patiently(await self._carry(delivery, keep), delivery.attempts + 1)
        await self._outbox.put(self._after(replace(delivery, progress=kept), outcome))

    async def _carry(self, delivery: Delivery, keep: Keep) -> Outcome:
        """Send one; should that hit a bug, it alone is put off."""
        try:
            record = await self._outbox.record(delivery.session)
            if record is None:  # purged in this moment, with its delivery
                return _PUT_OFF
            parcel = Parcel(delivery.session, self._site, record, delivery.progress)
            return await self._sender.send(parcel, keep)
        except UnwritableError as error:
            return Refused(None, _own_words(str(error)))
        except Exception as error:  # noqa: BLE001 - a bug must not stop the other sessions
            self._defect(delivery.session, error)
            return _PUT_OFF

    def _after(self, delivery: Delivery, outcome: Outcome) -> Delivery:
        """Say how a delivery stands after an attempt."""
        now, attempts = self._around.clock(), delivery.attempts + 1
        tried = replace(delivery, attempts=attempts, updated_at=now, next_at=now)
        match outcome:
            case Delivered(details):
                self._failures = 0
                _log.info("%s is delivered to %s", delivery.session, self.name)
                return replace(
                    tried, status=DeliveryStatus.DELIVERED, outcome=details, progress=None
                )
            case Refused():
                self._failures = 0
                _log.warning("%s refuses %s (%s)", self.name, delivery.session, outcome.status)
                return replace(tried, status=DeliveryStatus.REFUSED, outcome=outcome.to_json())
            case TryAgain():
                wait = self._wait(outcome, attempts)
                return replace(tried, next_at=now + wait, outcome=outcome.to_json())

    def _wait(self, outcome: TryAgain, attempts: int) -> timedelta:
        _log.info("%s: %s (%s)", self.name, outcome.reason.value, outcome.status or "no answer")
        if outcome.everyone:
            return self._trouble(outcome.after_s)
        return timedelta(seconds=_seconds(outcome.after_s, attempts, self._around.draw()))

    # --- rest ------------------------------------------------------------------------------

    def _trouble(self, after_s: float | None) -> timedelta:
        """Have the destination rest; gives for how long."""
        self._failures += 1
        wait = timedelta(seconds=_seconds(after_s, self._failures, self._around.draw()))
        self._rests_until = self._around.clock() + wait
        return wait

    def _resting(self) -> bool:
        return self._rests_until is not None and not is_due(self._rests_until, self._around.clock())

    async def _rest(self) -> None:
        """Wait until something is due, somebody wakes us, or the clock is worth a look."""
        seconds = await self._seconds_to_rest()
        woken = asyncio.create_task(self._wake.wait())
        slept = asyncio.ensure_future(self._around.pause(seconds))
        try:
            await asyncio.wait((woken, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (woken, slept):
                task.cancel()
            await asyncio.gather(woken, slept, return_exceptions=True)

    async def _seconds_to_rest(self) -> float:
        now = self._around.clock()
        try:
            delivery = await self._outbox.next(self.name)
        except Exception:  # noqa: BLE001 - the next round tells
            return _LOOK_S
        moments = [delivery.next_at] if delivery else []
        if self._rests_until is not None and self._resting():
            moments = [max([*moments, self._rests_until])]
        wanted = [(moment - now).total_seconds() for moment in moments]
        return min([_LOOK_S, *(max(seconds, 0.0) for seconds in wanted)])

    def _defect(self, what: str, error: Exception) -> None:
        """Log what and where, never the exception's text: it may quote what a patient entered."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
        _log.error("%s: %s fails: %s at %s", self.name, what, type(error).__name__, where)


def _own_words(text: str) -> JsonValue:
    """Say in the form of a server's answer why a record could not even be written."""
    issue: dict[str, JsonValue] = {"severity": "error", "code": "processing", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _seconds(after_s: float | None, failures: int, draw: float) -> float:
    """Give how long to wait: as the server wishes, within reason, or as back-off has it."""
    own = delay_s(failures, draw)
    return own if after_s is None else max(own, min(after_s, LONGEST_WISH_S))
