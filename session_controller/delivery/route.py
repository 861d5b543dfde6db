"""The route to one destination: sends due deliveries one after another, with backoff."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import JsonValue

from schemas.base import rfc3339
from session_controller.delivery.delays import LONGEST_WISH_S, delay_s, is_due
from session_controller.delivery.judging import patiently
from session_controller.delivery.outbox import Outbox
from session_controller.delivery.outcomes import (
    Delivered,
    Held,
    Outcome,
    Reason,
    Refused,
    TryAgain,
)
from session_controller.delivery.sender import Keep, Parcel, Sender
from session_controller.errors import type_and_place
from session_controller.export.writers import HeldError, UnwritableError
from session_controller.storage.deliveries import Delivery, DeliveryStatus

_log = logging.getLogger(__name__)
_SLOW_S = 10.0
"""After this time without an answer it is said that an attempt is under way."""
_PUT_OFF = TryAgain(Reason.DEFECT, everyone=False)
_LOOK_S = 60.0
"""Longest time between checks: the box's clock may be set meanwhile."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Sources of time and randomness."""

    clock: Callable[[], datetime]
    draw: Callable[[], float]
    """Uniform in [0, 1)."""
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits for a number of seconds."""


class Route:
    """Sends deliveries to one destination while `run` is running."""

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
        """Consecutive failures of the destination as a whole."""
        self._rests_until: datetime | None = None

    async def run(self) -> None:
        """Send what is due and wait, repeatedly, until cancelled."""
        while True:
            self._wake.clear()
            await self.round()
            await self._rest()

    def wake(self) -> None:
        """Check at once whether something is due."""
        self._wake.set()

    async def send_now(self) -> None:
        """Send what is due now, even if the destination is backing off."""
        self._rests_until = None
        await self.round()

    async def round(self) -> None:
        """Send until nothing is due, or the destination backs off."""
        async with self._turn:
            try:
                while not self._resting():
                    delivery = await self._due()
                    if delivery is None:
                        break
                    await self._attempt(delivery)
            except Exception as error:  # noqa: BLE001 - database trouble: retry later
                self._defect("the outbox", error)
                self._trouble(None)

    async def close(self) -> None:
        """Close the connections."""
        async with self._turn:
            await self._sender.close()

    # --- one delivery ----------------------------------------------------------------------

    async def _due(self) -> Delivery | None:
        now = self._around.clock()
        delivery = await self._outbox.next(self.name)
        return delivery if delivery and is_due(delivery.next_at, now) else None

    async def _attempt(self, delivery: Delivery) -> None:
        kept = delivery

        async def keep(progress: JsonValue) -> None:
            nonlocal kept
            kept = replace(kept, progress=progress, updated_at=self._around.clock())
            await self._outbox.put(kept)

        carrying = asyncio.ensure_future(self._carry(delivery, keep))
        try:
            done, _ = await asyncio.wait((carrying,), timeout=_SLOW_S)
            if not done:  # a destination that swallows it is to be seen before it is given up
                kept = self._under_way(kept)
                await self._outbox.put(kept)
            outcome = patiently(await carrying, delivery.attempts + 1)
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
        said = replace(kept, attempts=delivery.attempts)
        await self._outbox.put(self._after(said, outcome))

    def _under_way(self, delivery: Delivery) -> Delivery:
        """Return a delivery whose attempt counts already, though it has not ended."""
        now, silent = self._around.clock(), TryAgain(Reason.NO_ANSWER_YET)
        said = silent.to_json(_last_answer(delivery, silent, now))
        return replace(delivery, attempts=delivery.attempts + 1, updated_at=now, outcome=said)

    async def _carry(self, delivery: Delivery, keep: Keep) -> Outcome:
        """Send one delivery; if that hits a bug, only this delivery is postponed."""
        try:
            record = await self._outbox.record(delivery.session)
            if record is None:  # just purged, together with its delivery
                return _PUT_OFF
            parcel = Parcel(delivery.session, self._site, record, delivery.progress)
            return await self._sender.send(parcel, keep)
        except HeldError as error:
            return Held(error.missing)
        except UnwritableError as error:
            return Refused(None, _own_words(str(error)))
        except Exception as error:  # noqa: BLE001 - a bug must not stop the other sessions
            self._defect(delivery.session, error)
            return _PUT_OFF

    def _after(self, delivery: Delivery, outcome: Outcome) -> Delivery:
        """Return a delivery's state after an attempt."""
        now, attempts = self._around.clock(), delivery.attempts + 1
        tried = replace(delivery, attempts=attempts, updated_at=now, next_at=now)
        match outcome:
            case Delivered(details, sha256):
                self._failures = 0
                return replace(
                    tried,
                    status=DeliveryStatus.DELIVERED,
                    outcome=details,
                    progress=None,
                    sha256=sha256,
                )
            case Refused():
                self._failures = 0
                return replace(
                    tried,
                    status=DeliveryStatus.REFUSED,
                    outcome=outcome.to_json(),
                    sha256=outcome.sha256,
                )
            case Held():
                return replace(tried, status=DeliveryStatus.HELD, outcome=outcome.to_json())
            case TryAgain():
                wait = self._wait(outcome, attempts)
                said = outcome.to_json(_last_answer(delivery, outcome, now))
                return replace(tried, next_at=now + wait, outcome=said)

    def _wait(self, outcome: TryAgain, attempts: int) -> timedelta:
        _log.info("%s: %s (%s)", self.name, outcome.reason.value, outcome.status or "no answer")
        if outcome.everyone:
            return self._trouble(outcome.after_s)
        return timedelta(seconds=_seconds(outcome.after_s, attempts, self._around.draw()))

    # --- backoff ---------------------------------------------------------------------------

    def _trouble(self, after_s: float | None) -> timedelta:
        """Back off from the destination; return for how long."""
        self._failures += 1
        wait = timedelta(seconds=_seconds(after_s, self._failures, self._around.draw()))
        self._rests_until = self._around.clock() + wait
        return wait

    def _resting(self) -> bool:
        return self._rests_until is not None and not is_due(self._rests_until, self._around.clock())

    async def _rest(self) -> None:
        """Wait until something is due, `wake` is called, or the clock must be checked."""
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
        except Exception:  # noqa: BLE001 - the next round reports it
            return _LOOK_S
        moments = [delivery.next_at] if delivery else []
        if self._rests_until is not None and self._resting():
            moments = [max([*moments, self._rests_until])]
        wanted = [(moment - now).total_seconds() for moment in moments]
        return min([_LOOK_S, *(max(seconds, 0.0) for seconds in wanted)])

    def _defect(self, what: str, error: Exception) -> None:
        """Log what failed and where, never the exception's text: it may quote patient data."""
        _log.error("%s: %s failed: %s", self.name, what, type_and_place(error))


def _last_answer(
    delivery: Delivery, outcome: TryAgain, now: datetime
) -> dict[str, JsonValue] | None:
    """Return what the destination said last: now, or at an earlier attempt."""
    if outcome.answer is not None:
        return {"at": rfc3339(now), **outcome.answer}
    before = delivery.outcome if isinstance(delivery.outcome, dict) else {}
    if "operation_outcome" in before:  # it was refused, and is sent again
        return {"status": before.get("status"), "body": before["operation_outcome"]}
    kept = before.get("last_answer")
    return kept if isinstance(kept, dict) else None


def _own_words(text: str) -> JsonValue:
    """Return an OperationOutcome that says why a record could not be written."""
    issue: dict[str, JsonValue] = {"severity": "error", "code": "processing", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _seconds(after_s: float | None, failures: int, draw: float) -> float:
    """Return the seconds to wait: the server's wish within limits, or the backoff."""
    own = delay_s(failures, draw)
    return own if after_s is None else max(own, min(after_s, LONGEST_WISH_S))
