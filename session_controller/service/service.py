"""Where every message is handled: parse, decide, commit, apply, publish, acknowledge; in order.

All that waits is taken as one batch and committed in one transaction (group commit); what was said
while the disk synced is the next batch. Nothing is published before its commit has returned. What
failed before the commit may be handled again, alone; what failed after it never is. `inbox` says
what a PUBACK means.
"""

import asyncio
import logging
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from schemas.topics import ControllerStatusTopic, controller_subscriptions
from schemas.wire.devices import ControllerStatus
from schemas.wire.parse import read_status
from session_controller import failpoints
from session_controller.audit.events import BoxStarted, Restored
from session_controller.backup.backups import Backups
from session_controller.engine.limits import Limit
from session_controller.errors import SiteTakenError
from session_controller.failpoints import Point
from session_controller.media.apart import inspect_apart
from session_controller.openid.settings import OpenId
from session_controller.preflight.finding import Finding
from session_controller.security.codes import Codes
from session_controller.service.backlog import Backlog, Barrier, Item, Job
from session_controller.service.handlers.commands import handle_command
from session_controller.service.handlers.desks import log_off, sign_out_unstored
from session_controller.service.handlers.pairing import handle_claim, refuse_claim
from session_controller.service.handlers.presence import handle_presence, note_seen
from session_controller.service.handlers.requests import refuse_code, shows_code
from session_controller.service.handlers.timers import everyone_left, follow_clock_jumps, run_timers
from session_controller.service.handlers.uploads import (
    handle_chunk,
    is_early,
    restart_lost_uploads,
)
from session_controller.service.inbox import (
    Received,
    ReceivedChunk,
    ReceivedClaim,
    ReceivedCommand,
    ReceivedPresence,
    ReceivedRequest,
    receive,
    sign_out_of,
)
from session_controller.service.jobs.background import BackgroundJobs
from session_controller.service.jobs.delivery import make_delivery_service
from session_controller.service.jobs.inspection import Inspect, Inspections
from session_controller.service.jobs.maintenance import Maintenance
from session_controller.service.jobs.pins import PinJobs
from session_controller.service.jobs.retention import Retention
from session_controller.service.jobs.status import Condition, StatusReport, Surroundings
from session_controller.service.log_line import LogLine
from session_controller.service.monitoring.alert_channels import AlertSettings, channels
from session_controller.service.monitoring.alerts import TOLD, Alerts
from session_controller.service.monitoring.monitor import BrokerProbe, Monitor
from session_controller.service.monitoring.readiness import ServiceState
from session_controller.service.monitoring.watch import Watch
from session_controller.service.publisher import Publisher
from session_controller.service.registry import Registry
from session_controller.service.rival import RivalWatch
from session_controller.service.unhandled import (
    is_storage_failure,
    refuse_for_good,
    report_bug,
    storage_failure_name,
)
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.ballast import BALLAST_BYTES, drop_ballast
from session_controller.storage.commit import GroupCommit
from session_controller.storage.entities import Person
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from session_controller.transport.link import Link, Message, Testament

if TYPE_CHECKING:
    from session_controller.service.jobs.provider import ProviderJobs

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
_T = TypeVar("_T")

MAX_BATCH = 256
"""Messages of one transaction: some 50 ms of work, the longest that anybody waits for others."""
_TICK_S = 1.0
_BYTES_MAY_BE_EARLY_S = 2.0
"""How long bytes of a document wait for those before them: MQTT does not order topics."""
_EARLY_AGAIN_S = 0.05
_FULL = ("SQLITE_FULL", "ENOSPC")
"""The names of the errors of a full disk."""
_PROBE_S, _PROBE_AGAIN_S = 60.0, 5.0
"""Seconds after which it is tried whether the database stores, if nothing else was: a card that
became read-only at night is noticed before the first patient comes. The second, after an error."""


def box_clock() -> datetime:
    """Return the box's time in UTC, in whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Service:
    """The session controller. Start it within a running event loop; stop it before closing."""

    def __init__(
        self,
        store: Store,
        link: Link,
        *,
        settings: Settings | None = None,
        clock: Clock = box_clock,
        steady: Callable[[], float] = time.monotonic,
        backups: Backups | None = None,
        inspect: Inspect = inspect_apart,
        version: str = "",
        data: Path | None = None,
        deliver: bool = False,
        surroundings: Callable[[], Surroundings] = Surroundings,
        findings: Callable[[], Sequence[Finding]] = tuple,
        broker: BrokerProbe | None = None,
        alerts: AlertSettings | None = None,
        openid: OpenId | None = None,
        serves_phones: bool = False,
    ) -> None:
        settings = settings or Settings()
        self.registry = Registry.load(store, settings, Codes(store.codes_key), clock())
        self.registry.openid = openid
        self.registry.serves_phones = serves_phones
        self.counters: Counter[str] = Counter()
        self._store = store
        self._link = link
        self._clock = clock
        self._steady = steady
        self._version = version
        self._waiting: deque[Item] = deque()
        self._backlog = Backlog(settings.commit_patience.total_seconds())
        self._disk_error: str | None = None
        """What the database said when it last refused to store; None while it stores."""
        self._tried_to_store_s = self._completed_s = steady()
        """When something was last to be stored, and when a batch was last completed."""
        self._wake = asyncio.Event()
        self._connected = asyncio.Event()
        self._disk = GroupCommit(store.sync)
        self._file = asyncio.Lock()
        """Held by who uses the database: its one connection serves one thread at a time."""
        self._tasks: list[asyncio.Task[None]] = []
        self._alerting: asyncio.Task[None] | None = None
        self._maintenance = Maintenance(store, backups, clock, steady)
        self.monitor = Monitor(
            self.registry,
            store,
            version,
            clock,
            steady,
            self._in_the_stores_turn,
            self.counters,
            self._state,
            broker or BrokerProbe(),
            findings,
        )
        self.watch = Watch(
            self.monitor.failing,
            findings,
            self.registry.refused,
            steady,
            self._persons,
        )
        self._alerts = self._make_alerts(alerts or AlertSettings())
        self._inspections = Inspections(
            store, self._in_the_stores_turn, self._again, self._not_inspected, inspect
        )
        self._pins = PinJobs(store.staff_key, self._again)
        self._background = BackgroundJobs(
            self.registry,
            store,
            backups,
            version,
            clock,
            self._in_the_stores_turn,
            self.submit,
            self.settled,
            self._maintenance,
            steady,
            Retention(store, self.registry.settings, clock, steady),
            StatusReport(
                self.registry,
                store,
                version,
                clock,
                steady,
                self._in_the_stores_turn,
                self._condition,
                surroundings,
                findings,
            ),
            self._alerts,
            self._pins,
            self._make_provider_jobs(openid),
        )
        self._deliver = deliver
        """Whether completed sessions are delivered by themselves, or only when asked."""
        self._delivery = data and make_delivery_service(
            data=data,
            store=store,
            registry=self.registry,
            software=f"handrail {version}".strip(),
            clock=clock,
            in_turn=self._in_the_stores_turn,
            submit=self.submit,
            settled=self.settled,
        )
        self._publisher = Publisher(self.registry, link, version, store.screen_key)
        self._status_topic = ControllerStatusTopic().under(settings.site)
        self._rivals = RivalWatch(self.registry.epoch, self.registry.started_at)
        self._displaced = asyncio.Event()

    def _condition(self) -> Condition:
        waiting = len(self._waiting) + len(self._backlog)
        dropped = self.counters["dropped"]
        return Condition(self._disk_error, ("waiting_messages", waiting, MAX_BATCH, dropped))

    def _state(self) -> ServiceState:
        return ServiceState(
            self._disk_error,
            self._steady() - self._completed_s,
            self._link.connected and self._connected.is_set(),
            len(self._waiting) + len(self._backlog),
        )

    def _persons(self) -> Iterable[Person]:
        return self.registry.persons.values()

    def _make_provider_jobs(self, openid: OpenId | None) -> "ProviderJobs | None":
        if openid is None:
            return None
        # Imported here: most boxes have no provider.
        from session_controller.openid.provider import Provider  # noqa: PLC0415
        from session_controller.service.jobs.provider import ProviderJobs  # noqa: PLC0415

        provider = Provider(
            openid.settings,
            unix_s=lambda: self._clock().timestamp(),
            steady_s=self._steady,
        )
        return ProviderJobs(openid.settings, provider, self.submit)

    def _make_alerts(self, settings: AlertSettings) -> Alerts:
        async def keep(text: str) -> None:
            await self._in_the_stores_turn(lambda: self._store.set_meta(TOLD, text))

        site = self.registry.settings.site
        return Alerts(
            site,
            settings,
            channels(settings, site),
            self.watch.find,
            clock=self._clock,
            steady=self._steady,
            keep=keep,
            kept=self._store.meta(TOLD),
        )

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start serving; return once the broker is connected."""
        failpoints.reached(Point.STARTING)
        if self._store.newest_kind() == Restored.__name__:
            _log.info(LogLine("a backup was restored", epoch=self.registry.epoch))
        self.submit(
            lambda work: work.note(BoxStarted(version=self._version, epoch=work.registry.epoch))
        )
        self.submit(lambda work: restart_lost_uploads(work, self._store))
        if self._link.volatile:
            self.submit(everyone_left)
        testament = Testament(self._status_topic, self._publisher.status(online=False))
        self._tasks = [
            asyncio.create_task(self._work_off(), name="handrail-batches"),
            asyncio.create_task(self._tick(), name="handrail-upkeep"),
        ]
        self._alerting = asyncio.create_task(self._alerts.run(), name="handrail-alerts")
        filters = (*controller_subscriptions(self.registry.settings.site), self._status_topic)
        await self._link.open(filters, testament, self._receive, self._on_connected)
        await self._connected.wait()
        if self._delivery:
            await self._delivery.start(by_itself=self._deliver)

    async def stop(self) -> None:
        """Finish what waits, tell everyone, and end; also where it has not started, or not wholly.

        The store stays open: who opened it closes it. What could not be stored is not acknowledged.
        """
        if self._delivery:
            await self._delivery.stop()
        if self._alerting is not None:
            self._alerting.cancel()
            await asyncio.gather(self._alerting, return_exceptions=True)
        await self._background.stop()  # a batch of its jobs is concluded before the last one ends
        if self._tasks:
            batches, tick = self._tasks
            async with self._file:
                tick.cancel()
            self.submit(note_seen)
            await self.settled()
            batches.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._inspections.stop()
        await self._background.stop()
        await self.monitor.stop()
        if self._maintenance.is_due(idle=False):
            self._maintenance.run()
        self._maintenance.sign()
        self._publisher.cancel()
        await self._link.close(silently=self._displaced.is_set())
        self._disk.close()

    async def displaced(self) -> None:
        """Wait until another controller serves the site. Raises `SiteTakenError` then."""
        await self._displaced.wait()
        raise SiteTakenError(
            f"another controller serves the site {self.registry.settings.site!r} on this broker, "
            "perhaps a restored copy of this data folder; each would store a part of what patients "
            "enter, so this one has stopped; start one of the two folders alone"
        )

    def apply(self, settings: Settings, remember: Callable[[Store], None]) -> None:
        """Use other settings from now on; `remember` stores what outlives the box."""
        self.registry.settings = settings
        self._background.use(settings, remember)
        self.submit(self._publisher.say_status)

    async def take_copy(self, token: str) -> bytes | str | None:
        """Return the PDF of a link for a patient; as `Copies.take` says."""
        # Imported here: a box waits for its first patient without it.
        from session_controller.service.jobs.copies import Copies  # noqa: PLC0415

        copies = Copies(
            self.registry, self._background.exporter, self._clock, self._steady, self.submit
        )
        return await copies.take(token)

    def reload(self) -> None:
        """Read the file of the destinations again; the log says what is wrong with it."""
        if self._delivery:
            self._delivery.reload()

    async def settled(self) -> None:
        """Wait until everything that was waiting is committed, refused, or waits for the disk."""
        done = asyncio.Event()
        self._enqueue(Barrier(done.set))
        await done.wait()

    def submit(self, job: Job) -> None:
        """Queue a job: it runs in a batch, as if a message had asked for it."""
        self._enqueue(job)

    def _on_connected(self) -> None:
        """Publish everything again: what a broker retains is a cache that it may have lost."""
        if self._displaced.is_set():
            return
        self._rivals.connected(self._steady())
        self._enqueue(self._publisher.say_all)
        self._enqueue(Barrier(self._connected.set))

    def _receive(self, message: Message) -> None:
        failpoints.reached(Point.RECEIVED)
        if message.topic == self._status_topic:
            self._see_status(message)
            return
        if self._displaced.is_set():
            return  # the other controller has it delivered again
        # What comes with QoS 1 is bounded by the broker, which waits for the PUBACK. With QoS 0 a
        # single device could crowd out all others.
        if message.qos == 0 and len(self._waiting) + len(self._backlog) >= MAX_BATCH:
            self.counters["dropped"] += 1
            return
        self.counters["messages"] += 1
        received = receive(self.registry.settings.site, message)
        if received is None:
            self.counters["ignored"] += 1
            message.done()
            return
        self._enqueue(received)

    def _see_status(self, message: Message) -> None:
        """Stop if another controller serves the site."""
        message.done()
        status = read_status(message.payload) if message.payload else None
        if self._link.volatile or not isinstance(status, ControllerStatus):
            return
        if self._rivals.must_stop(status, retained=message.retained):
            self._displaced.set()

    def _enqueue(self, item: Item) -> None:
        self._waiting.append(item)
        self._wake.set()

    # --- batches ---------------------------------------------------------------------------

    async def _work_off(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(len(self._waiting), MAX_BATCH)
                async with self._file:
                    await self._batch([self._waiting.popleft() for _ in range(count)])
                self._completed_s = self._steady()

    async def _batch(self, items: Sequence[Item]) -> None:
        """Handle a batch; should it fail before its commit, each item alone.

        So none takes the others along, and what needs no disk is done without one. What waits for
        the disk holds back what its sender says after it.
        """
        if self._backlog:
            items = [item for item in items if not self._held_back(item)]
        error = await self._attempt(items)
        if error is None:
            return
        if len(items) == 1:
            await self._failed(items[0], error)
            return
        for item in items:
            await self._batch([item])

    def _held_back(self, item: Item) -> bool:
        if isinstance(item, Barrier) or not self._backlog.precedes(item) or sign_out_of(item):
            return False
        self._backlog.add(item, self._steady())
        return True

    async def _attempt(self, items: Sequence[Item]) -> Exception | None:
        """Handle items in one transaction. Return what kept it from being stored, or None."""
        work = self._new_work()
        try:
            follow_clock_jumps(work)
            for item in items:
                self._handle(work, item)
            await self._commit(work)
        except Exception as error:  # noqa: BLE001 - a bug must not stop the service
            return error
        try:
            await self._conclude(work)
            self._acknowledge(work, items)
        except Exception as error:  # noqa: BLE001 - it is on disk: handled again it must not be
            self._note_bug(error)
        return None

    def _new_work(self) -> UnitOfWork:
        return UnitOfWork(
            self.registry,
            self._clock(),
            self._steady(),
            self._inspections.found,
            self._link.last_heard,
        )

    async def _commit(self, work: UnitOfWork) -> None:
        """Write to disk what a batch decided. Raises `sqlite3.Error`; then nothing is stored."""
        if not work.transaction:
            return
        failpoints.reached(Point.DECIDED)
        self._tried_to_store_s, begin_s = self._steady(), time.perf_counter()
        self._store.write(work.transaction)
        await self._disk.sync(work.transaction)
        self.monitor.commit_seconds.observe(time.perf_counter() - begin_s)
        failpoints.reached(Point.COMMITTED)
        self._note_commit()

    def _note_commit(self) -> None:
        self.counters["commits"] += 1
        self._maintenance.commits += 1
        if self._disk_error:
            _log.warning("the database stores again")
            self._disk_error = None

    async def _conclude(self, work: UnitOfWork) -> None:
        """Apply and publish what is on disk. What fails here is logged, and not handled again."""
        self._after_commit(self.monitor.activity.record, work)
        self._after_commit(self._apply, work)
        self._after_commit(self._inspections.settle, work)
        self._after_commit(self._pins.settle, work)
        self._maintenance.owe(work.transaction.purged)
        if work.transaction.purged and not work.scrub_later:
            await self._disk.run(self._maintenance.scrub)
        self._after_commit(self._publisher.publish, work)
        self._after_commit(self._schedule, work)
        self._after_commit(self._background.begin, work)

    def _after_commit(self, step: Callable[[UnitOfWork], None], work: UnitOfWork) -> None:
        try:
            step(work)
        except Exception as error:  # noqa: BLE001 - the other steps are still to be done
            self._note_bug(error)

    def _note_bug(self, error: Exception) -> None:
        report_bug(error)
        self.counters["bugs"] += 1

    def _apply(self, work: UnitOfWork) -> None:
        work.apply(self.registry)
        self.counters["ignored"] += work.ignored

    def _schedule(self, work: UnitOfWork) -> None:
        later = asyncio.get_running_loop().call_later
        for client_id, after_s in work.dropped.items():
            later(after_s, self._link.drop, client_id)
        for after_s, received in work.later:
            if not isinstance(received, ReceivedChunk):
                received.in_turn = True
            later(after_s, self._enqueue, received)
        if self._delivery:
            self._delivery.begin(work)

    def _acknowledge(self, work: UnitOfWork, items: Sequence[Item]) -> None:
        """Release the PUBACKs of all messages that are not to be handled later."""
        held = {id(message) for one in work.held.values() for message in one.messages}
        held |= {id(received) for _, received in work.later}
        held |= {id(one) for requests in work.held_for_pins.values() for one in requests}
        for item in items:
            if isinstance(item, Barrier):
                item.done()
            elif not callable(item) and id(item) not in held:
                item.message.done()

    def _again(self, messages: Sequence[Received]) -> None:
        self._waiting.extendleft(reversed(messages))
        self._wake.set()

    # --- what failed -----------------------------------------------------------------------

    async def _failed(self, item: Item, error: Exception) -> None:
        """Keep an item for later if the disk is at fault; refuse it for good if we are."""
        if isinstance(item, Barrier):
            item.done()
        elif not is_storage_failure(error):
            await self._refuse_for_good(item, error)
        else:
            self._note_disk_error(error)
            if item is run_timers:  # that comes every second anyway
                await self._apply_unstored(log_off)
            elif asked := sign_out_of(item):
                await self._apply_unstored(
                    partial(sign_out_unstored, name=asked[0].sender, request=asked[1])
                )
                asked[0].message.done()
            else:
                self._backlog.add(item, self._steady())
            self._refuse_overdue()

    async def _apply_unstored(self, sign_out: Job) -> None:
        """Sign out in memory and on the screen; the log has it once the disk stores."""
        work = self._new_work()
        sign_out(work)
        owed, work.transaction = work.transaction.box_events, Transaction()
        await self._conclude(work)
        if owed:
            self.submit(lambda later: later.transaction.box_events.extend(owed))

    def _note_disk_error(self, error: Exception) -> None:
        self.counters["commits_failed"] += 1
        if isinstance(error, sqlite3.Error):
            self._store.distrust(error)
        name = storage_failure_name(error)
        if name != self._disk_error:
            _log.error("the database refuses to store: %s", name)
        if name in _FULL:
            self._use_ballast()
        self._disk_error = name

    def _use_ballast(self) -> None:
        """Use the space that is kept for a full disk; what waits is tried again soon."""
        try:
            used = drop_ballast(self._store.document_store.folder.parent)
        except OSError as error:
            _log.error("the space that is kept for a full disk cannot be used: %s", error.strerror)
            return
        if used:
            _log.error(
                "the disk is full; %d MiB that were kept for this are used now: make room at once",
                BALLAST_BYTES >> 20,
            )

    async def _refuse_for_good(self, item: Received | Job, error: Exception) -> None:
        """Refuse a message that hit a bug, and record that; it would hit the bug again."""
        self._note_bug(error)
        if callable(item):
            return
        failed = await self._attempt([lambda work: refuse_for_good(work, self._store, item)])
        if failed is None:
            item.message.done()
        elif is_storage_failure(failed):
            self._note_disk_error(failed)
            self._backlog.add(item, self._steady())
        else:  # nothing can be recorded about it; to be told is what is left
            self._note_bug(failed)
            self._say_unavailable(item)
            item.message.done()

    def _refuse_overdue(self) -> None:
        """Refuse what could not be stored for too long, and withhold its PUBACK."""
        for received in self._backlog.overdue(self._steady()):
            self._say_unavailable(received)
            received.message.give_back()
            if isinstance(received, ReceivedRequest):
                self.submit(partial(self._pins.give_up, received=received))

    def _say_unavailable(self, received: Received) -> None:
        said = received.rejection()
        if said is not None:
            topic, rejection = said
            self._publisher.send(topic, rejection.to_json())

    async def _retry(self) -> None:
        """Try what could not be stored again: the oldest alone, and if that is stored, the rest."""
        self._refuse_overdue()
        if not self._backlog:
            return
        item = self._backlog.take()
        error = await self._attempt([item])
        if error is not None and is_storage_failure(error):
            self._note_disk_error(error)
            self._backlog.put_back(item)
            return
        if error is not None:
            await self._refuse_for_good(item, error)
        rest = self._backlog.take_all()
        for start in range(0, len(rest), MAX_BATCH):
            await self._batch(rest[start : start + MAX_BATCH])

    async def _not_inspected(
        self, take: Callable[[], Sequence[Received]], error: Exception
    ) -> None:
        """Handle that a document could not be inspected or stored."""
        async with self._file:
            messages = take()
            if is_storage_failure(error):
                self._note_disk_error(error)
                for message in messages:
                    self._backlog.add(message, self._steady())
                self._refuse_overdue()
            else:
                await self._refuse_for_good(messages[0], error)
                self._again(messages[1:])

    async def _in_the_stores_turn(self, turn: Callable[[], _T]) -> _T:
        """Call what uses the database between two batches, on its thread."""
        async with self._file:
            return await self._disk.run(turn)

    # --- one item --------------------------------------------------------------------------

    def _handle(self, work: UnitOfWork, item: Item) -> None:
        match item:
            case Barrier():
                return
            case ReceivedCommand():
                if not self._inspections.holds(work, item):
                    handle_command(work, self._store, item.topic, item.body)
            case ReceivedRequest():
                self._request(work, item)
            case ReceivedChunk():
                self._chunk(work, item)
            case ReceivedPresence():
                work.ignored += not handle_presence(work, item.topic, item.body)
            case ReceivedClaim():
                self._claim(work, item)
            case _:
                item(work)

    def _request(self, work: UnitOfWork, request: ReceivedRequest) -> None:
        wait_s = self._wait_s(work, request) if shows_code(request.body) else 0
        if wait_s is None:
            refuse_code(work, request.topic, request.body)
        elif wait_s == 0:
            self._pins.handle(work, self._store, request)
        else:
            work.later.append((wait_s, request))

    def _chunk(self, work: UnitOfWork, chunk: ReceivedChunk) -> None:
        """Keep bytes; those that overtook others on their way wait for them a moment."""
        since = self._steady() if chunk.early_since_s is None else chunk.early_since_s
        may_wait = chunk.message.qos > 0 and self._steady() - since < _BYTES_MAY_BE_EARLY_S
        if may_wait and is_early(work, chunk.topic, len(chunk.body)):
            chunk.early_since_s = since
            work.later.append((_EARLY_AGAIN_S, chunk))
        else:
            work.ignored += not handle_chunk(work, self._store, chunk.topic, chunk.body)

    def _claim(self, work: UnitOfWork, claim: ReceivedClaim) -> None:
        wait_s = self._wait_s(work, claim)
        if wait_s is None:
            refuse_claim(work, claim.topic)
        elif wait_s == 0:
            handle_claim(work, claim.topic, claim.body)
        else:
            work.later.append((wait_s, claim))

    def _wait_s(self, work: UnitOfWork, received: ReceivedRequest | ReceivedClaim) -> float | None:
        """Return how long a code waits for its turn; None if it is refused unread."""
        wait_s = 0 if received.in_turn else work.rate_limit.wait_s(work.steady_s)
        if wait_s is None:
            work.at_limit[Limit.CODES] += 1
        return wait_s

    # --- upkeep ----------------------------------------------------------------------------

    async def _tick(self) -> None:
        before = self.counters["messages"]
        while True:
            due_s = self._steady() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.monitor.loop_lag.observe(max(0.0, self._steady() - due_s))
            idle, before = self.counters["messages"] == before, self.counters["messages"]
            try:
                await self._second(idle=idle)
            except Exception as error:  # noqa: BLE001 - a bug must not stop the timers
                self._note_bug(error)

    async def _second(self, *, idle: bool) -> None:
        """Do what is due each second; `idle` says that no message came since the last one."""
        if self._backlog:
            async with self._file:
                await self._retry()
        self.submit(run_timers)
        await self.settled()
        self.monitor.activity.log_omitted(self.registry.devices)
        await self._background.retain()
        await self._background.count_stuck()
        await self._probe()
        if self._maintenance.is_due(idle=idle):
            await self._in_the_stores_turn(self._maintenance.run)

    async def _probe(self) -> None:
        """Try whether the database stores, if nothing was to be stored for a while."""
        pause_s = _PROBE_AGAIN_S if self._disk_error else _PROBE_S
        if self._steady() - self._tried_to_store_s < pause_s:
            return
        self._tried_to_store_s = self._steady()
        try:
            await self._in_the_stores_turn(lambda: self._store.probe(self._clock()))
        except sqlite3.Error as error:
            self._note_disk_error(error)
        else:
            self._note_commit()
