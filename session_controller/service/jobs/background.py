"""What takes longer than a batch may: backups, another key, large purges, exports.

Begun once the batch that asked is on disk; whoever asked is answered when it is done.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.base import Versioned
from schemas.topics import InboxTopic
from schemas.wire.exports import KeyRotated, LogSigned
from schemas.wire.purging import MAX_NAMED
from schemas.wire.rejections import Rejection, RejectionCode
from schemas.wire.requests import BackedUp, InProgress, SessionsPurged
from schemas.wire.status import AlertsTried
from session_controller.audit.events import BackupTaken
from session_controller.backup.backups import BackupError, Backups
from session_controller.backup.manifest import read_header
from session_controller.engine.refusal import Refusal
from session_controller.errors import KeyringError, StoreError
from session_controller.integrity.audit_log import Receipt
from session_controller.preflight.stuck import WARN_AFTER
from session_controller.security.encryption import BoxKeyError, DecryptionError
from session_controller.service.handlers.administration import PURGED_AT_ONCE, purge_some
from session_controller.service.handlers.purging import Preview
from session_controller.service.jobs.export import Exporter
from session_controller.service.jobs.maintenance import Maintenance
from session_controller.service.jobs.pins import PinJobs
from session_controller.service.jobs.retention import Retention
from session_controller.service.jobs.status import StatusReport
from session_controller.service.log_line import LogLine
from session_controller.service.monitoring.alerts import Alerts
from session_controller.service.registry import Registry
from session_controller.service.unit_of_work import Asked, PreviewOrder, PurgeOrder, UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.commit import StoreTurn
from session_controller.storage.store import Store

if TYPE_CHECKING:
    from session_controller.service.jobs.provider import ProviderJobs

_log = logging.getLogger(__name__)
_PREVIEWED_AT_ONCE = 1_000
"""Sessions that are read in one turn of the database, in some 10 ms."""


_PROGRESS_S = 1.0
"""How often who asked for something long hears of it."""
_COUNT_S = 60.0
_PURGE_AGAIN_S = 5.0
"""How long a purge waits for a disk that did not store the last batch."""

Submit = Callable[[Callable[[UnitOfWork], None]], None]


@dataclass(slots=True)
class BackgroundJobs:
    """What is under way of them."""

    registry: Registry
    store: Store
    backups: Backups | None
    version: str
    clock: Callable[[], datetime]
    in_turn: StoreTurn
    submit: Submit
    settled: Callable[[], Awaitable[None]]
    maintenance: Maintenance
    steady: Callable[[], float]
    retention: Retention
    status: StatusReport
    alerts: Alerts
    pins: PinJobs
    provider: "ProviderJobs | None" = None
    _count_at_s: float = 0.0
    """When the deliveries that are stuck are counted again, by the steady clock."""
    _purges: set[tuple[str | None, str]] = field(default_factory=set)
    """The purges under way: the device and its request."""
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def begin(self, work: UnitOfWork) -> None:
        """Begin what a batch asked for."""
        if work.transaction.deliveries or work.transaction.dropped_destinations:
            self._count_at_s = 0.0
        for export in work.exports:
            self._do(self.exporter.export(export))
        jobs = (
            (work.backups, self._back_up),
            (work.statuses, self._show_status),
            (work.alert_tests, self._try_alerts),
            (work.rotations, self._rotate),
            (work.receipts, self._sign_log),
        )
        for requests, job in jobs:
            for asked in requests:
                self._do(job(asked))
        for order in work.purges:
            if (order.device, order.request_id) not in self._purges:  # it may arrive twice
                self._do(self._purge(order))
        for preview in work.previews:
            self._do(self._preview(preview))
        for taken in work.copies_taken:
            if not taken.done():  # who waited for it may have given up
                taken.set_result(None)
        self._begin_sign_ins(work)

    def _begin_sign_ins(self, work: UnitOfWork) -> None:
        for pin in work.pins:
            self._do(self.pins.do(pin))
        if self.provider is not None:
            for order in work.at_provider:
                self._do(self.provider.do(order))

    async def retain(self) -> None:
        """Purge what a site no longer keeps; called every second."""
        order = PurgeOrder(None, None, "retention", (), frozenset())
        if not self.retention.is_due() or (None, order.request_id) in self._purges:
            return
        try:
            found = await self.in_turn(self.retention.find)
        except sqlite3.Error as error:
            _log.error("cannot look for sessions whose time is over: %s", error)
            return
        if found:
            self._do(self._purge(replace(order, sessions=found)))

    def use(self, settings: Settings, remember: Callable[[Store], None]) -> None:
        """Use other settings from now on; `remember` stores what outlives the box."""
        self._do(self._use(settings, remember))

    async def _use(self, settings: Settings, remember: Callable[[Store], None]) -> None:
        def turn() -> None:
            self.retention.use(settings)
            remember(self.store)

        try:
            await self.in_turn(turn)
        except sqlite3.Error as error:
            _log.error("the changed configuration is used but not remembered: %s", error)

    async def count_stuck(self) -> None:
        """Count the deliveries that are stuck, for the desk; called every second."""
        if self.steady() < self._count_at_s:
            return
        self._count_at_s = self.steady() + _COUNT_S
        try:
            stuck = await self.in_turn(lambda: self.store.count_stuck(self.clock() - WARN_AFTER))
        except sqlite3.Error as error:
            _log.error("cannot count the deliveries: %s", type(error).__name__)
            return
        if stuck != self.registry.stuck:

            def tell(work: UnitOfWork) -> None:
                work.stuck = stuck

            self.submit(tell)

    def _do(self, asked: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(asked)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what is under way; who waits for it asks again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.provider is not None:
            await self.provider.close()

    @property
    def exporter(self) -> Exporter:
        """What makes records."""
        return Exporter(
            store=self.store,
            kept=self.registry.exports,
            site=self.registry.settings.site,
            software=f"handrail {self.version}".strip(),
            in_turn=self.in_turn,
            submit=self.submit,
        )

    async def _back_up(self, asked: Asked) -> None:
        try:
            path = await self._take_backup()
            size = read_header(path).data
        except (BackupError, StoreError) as error:
            self._answer(asked.device, _unavailable(asked.request_id, str(error)))
            return
        answer = BackedUp(request_id=asked.request_id, file=path.name, size=size)

        def tell(work: UnitOfWork) -> None:
            act = BackupTaken(file=answer.file)
            work.note(act, device=asked.device, person=asked.person)
            work.say(InboxTopic(asked.device), answer)

        self.submit(tell)

    async def _show_status(self, asked: Asked) -> None:
        answer: Versioned
        try:
            answer = await self.status.make(asked.request_id)
        except (sqlite3.Error, OSError) as error:
            _log.error("the status could not be read: %s", type(error).__name__)
            answer = _unavailable(asked.request_id, "The status cannot be read just now.")
        self._answer(asked.device, answer)

    async def _try_alerts(self, asked: Asked) -> None:
        steps = await self.alerts.try_channels()
        self._answer(asked.device, AlertsTried(request_id=asked.request_id, steps=steps))

    async def _preview(self, order: PreviewOrder) -> None:
        request, after = order.request, ("", "")
        preview = Preview(request, self.registry.settings, order.at)
        answer: Versioned
        try:
            while page := await self.in_turn(
                partial(self.store.ended_after, after, order.at, _PREVIEWED_AT_ONCE)
            ):
                preview.add(page)
                after = page[-1].ended_at, page[-1].session
            told = await self.in_turn(partial(preview.told, self.store))
        except sqlite3.Error as error:
            _log.error("what a purge would delete cannot be read: %s", type(error).__name__)
            answer = _unavailable(request.request_id, "The sessions cannot be read just now.")
        else:
            answer = _rejection(request.request_id, told) if isinstance(told, Refusal) else told
        self._answer(order.device, answer)

    async def _purge(self, order: PurgeOrder) -> None:
        """Delete sessions batch by batch: the messages of others are handled in between."""
        asked = (order.device, order.request_id)
        self._purges.add(asked)
        self.maintenance.purging += 1
        purged, kept, total, told_s = list[str](), list[str](), len(order.sessions), self.steady()
        try:
            for at in range(0, total, PURGED_AT_ONCE):
                gone, waiting = await self._purge_some(order, at)
                purged += gone
                kept += waiting
                if self.steady() - told_s >= _PROGRESS_S:
                    told_s = self.steady()
                    self._tell_progress(order, min(at + PURGED_AT_ONCE, total))
            self._tell_progress(order, total)  # what is left may take a while
            scrubbed = await self.in_turn(self.maintenance.scrub_data)
            await asyncio.to_thread(self.maintenance.scrub_backups, scrubbed)
        finally:
            self._purges.discard(asked)
            self.maintenance.purging -= 1
        if order.device is None:
            _log.info("purged %d sessions whose time was over", len(purged))
            return
        answer = SessionsPurged(
            request_id=order.request_id,
            sessions=tuple(purged[:MAX_NAMED]),
            purged=len(purged),
            kept=tuple(kept[:MAX_NAMED]),
            kept_count=len(kept),
        )
        self._answer(order.device, answer)

    def _tell_progress(self, order: PurgeOrder, done: int) -> None:
        if order.device is not None:
            news = InProgress(request_id=order.request_id, done=done, total=len(order.sessions))
            self._answer(order.device, news)

    async def _purge_some(self, order: PurgeOrder, at: int) -> tuple[list[str], list[str]]:
        """Delete the sessions of one batch, as often as it takes to store that."""
        names, done = order.sessions[at : at + PURGED_AT_ONCE], list[tuple[list[str], list[str]]]()

        def purge(work: UnitOfWork) -> None:
            work.scrub_later = True
            done[:] = [
                purge_some(
                    work, self.store, order.device, names, order.given_up, person=order.person
                )
            ]

        self.submit(purge)
        await self.settled()
        while not done or await self.in_turn(lambda: any(map(self.store.knows, done[0][0]))):
            # such as on a full disk
            self._tell_progress(order, at)
            await asyncio.sleep(_PURGE_AGAIN_S)
            self.submit(purge)
            await self.settled()
        await self.in_turn(partial(self.maintenance.forget, done[0][0]))
        return done[0]

    async def _take_backup(self) -> Path:
        if self.backups is None:
            raise BackupError("This box takes no backups.")
        return await self.backups.take()

    async def _rotate(self, asked: Asked) -> None:
        answer: Versioned
        try:
            if self.backups is None:
                raise FileNotFoundError("this box has no data folder")
            turn = partial(self.backups.rotate, self.clock(), asked.device, asked.person)
            keys = await self.in_turn(turn)
            _log.info(LogLine("box key rotated", keys=keys, by=asked.device, person=asked.person))
            answer = KeyRotated(request_id=asked.request_id, keys=keys)
        except (sqlite3.Error, OSError, BoxKeyError, KeyringError, DecryptionError) as error:
            _log.error("the key could not be rotated: %s", type(error).__name__)
            message = "The key could not be rotated; nothing is lost."
            answer = _unavailable(asked.request_id, message)
        self._answer(asked.device, answer)

    async def _sign_log(self, asked: Asked) -> None:
        answer: Versioned
        try:
            signed = await self.in_turn(partial(self.store.sign_head, self.clock()))
        except sqlite3.Error:
            answer = _unavailable(asked.request_id, "The log cannot be signed just now.")
        else:
            receipt = Receipt.of(signed, self.registry.settings.site, self.registry.epoch)
            answer = LogSigned(request_id=asked.request_id, receipt=receipt.model_dump(mode="json"))
        self._answer(asked.device, answer)

    def _answer(self, device: str, answer: Versioned) -> None:
        self.submit(lambda work: work.say(InboxTopic(device), answer))


def _rejection(request_id: str, refusal: Refusal) -> Rejection:
    return Rejection(request_id=request_id, code=refusal.code, message=refusal.message)


def _unavailable(request_id: str, message: str) -> Rejection:
    return Rejection(request_id=request_id, code=RejectionCode.UNAVAILABLE, message=message)
