"""Where every message is handled: parse, decide, commit, publish, acknowledge; in that order.

All that waits is taken as one batch and committed in one transaction (group commit); what was said
while the disk synced is the next batch. Nothing is published before its
commit has returned, and no PUBACK goes before what it acknowledges is on disk.
"""

import asyncio
import logging
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from schemas.reading import read_command
from schemas.rejections import Rejection, RejectionCode
from schemas.topics import (
    ClaimTopic,
    CommandTopic,
    ControllerStatusTopic,
    PresenceTopic,
    RequestTopic,
    UploadTopic,
    controller_subscriptions,
    parse,
)
from session_controller import points
from session_controller.acts import BoxStarted
from session_controller.backups import Backups
from session_controller.caretaker import Caretaker
from session_controller.chores import Chores
from session_controller.codes import Codes
from session_controller.commands import excuse_command, handle_command
from session_controller.intake import Inspect, Intake
from session_controller.link import Link, Message, Testament
from session_controller.media.apart import inspect_apart
from session_controller.pairing import handle_claim, refuse_claim
from session_controller.points import Point
from session_controller.postroom import make_post_room
from session_controller.presence import handle_presence
from session_controller.publisher import Publisher
from session_controller.requests import handle_request, refuse_code, shows_code
from session_controller.store import Store
from session_controller.syncing import Syncing
from session_controller.upkeep import everyone_left, follow_the_clock, look_after
from session_controller.uploads import handle_chunk
from session_controller.work import Work
from session_controller.world import Settings, World

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Job = Callable[[Work], None]
_T = TypeVar("_T")

_MAX_BATCH = 256
"""Messages of one transaction: some 50 ms of work, the longest that anybody waits for others."""
_TICK_S = 1.0
_UNAVAILABLE = {
    "code": RejectionCode.UNAVAILABLE,
    "message": "This box cannot store anything just now. Nothing is lost: send it again later.",
}
_RETRY_S = 1.0


def box_clock() -> datetime:
    """Give the box's time in UTC, to the millisecond."""
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
    ) -> None:
        settings = settings or Settings()
        self.world = World.load(store, settings, Codes(store.codes_key), clock())
        self.counters: Counter[str] = Counter()
        self._store = store
        self._link = link
        self._clock = clock
        self._steady = steady
        self._version = version
        self._waiting: deque[Message | Job] = deque()
        self._wake = asyncio.Event()
        self._connected = asyncio.Event()
        self._disk = Syncing(store.sync)
        self._file = asyncio.Lock()
        """Held by who uses the database: its one connection serves one thread at a time."""
        self._tasks: list[asyncio.Task[None]] = []
        self._caretaker = Caretaker(store, backups, clock, steady)
        self._intake = Intake(store, self._in_the_stores_turn, self._again, self._give_up, inspect)
        self._chores = Chores(
            self.world, store, backups, version, clock, self._in_the_stores_turn, self.submit
        )
        self._deliver = deliver
        """Whether completed sessions are delivered by themselves, or only when asked."""
        self._post = data and make_post_room(
            data=data,
            store=store,
            world=self.world,
            software=f"handrail {version}".strip(),
            clock=clock,
            in_turn=self._in_the_stores_turn,
            submit=self.submit,
            settled=self.settled,
        )
        self._publisher = Publisher(self.world, link, version)
        self._unheeded: dict[str, Message] = {}
        """The newest presence of each device that could not be stored."""

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what the database holds, and serve; returns once the broker is there."""
        points.reached(Point.STARTING)
        self.submit(
            lambda work: work.note(BoxStarted(version=self._version, epoch=work.world.epoch))
        )
        if self._link.volatile:
            self.submit(everyone_left)
        testament = Testament(
            ControllerStatusTopic().under(self.world.settings.site),
            self._publisher.status(online=False),
        )
        self._tasks = [
            asyncio.create_task(self._work_off(), name="handrail-batches"),
            asyncio.create_task(self._tick(), name="handrail-upkeep"),
        ]
        filters = controller_subscriptions(self.world.settings.site)
        await self._link.open(filters, testament, self._receive, self._on_connected)
        await self._connected.wait()
        if self._post:
            await self._post.start(by_itself=self._deliver)

    async def stop(self) -> None:
        """Finish what waits, tell everyone, and end. The store stays open: who opened it closes."""
        if self._post:
            await self._post.stop()
        batches, tick = self._tasks
        async with self._file:
            tick.cancel()
        await self.settled()
        batches.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._intake.stop()
        await self._chores.stop()
        self._caretaker.sign()
        self._publisher.cancel()
        await self._link.close()
        self._disk.close()

    async def settled(self) -> None:
        """Wait until everything that was waiting is handled and committed."""
        done = asyncio.Event()
        self.submit(lambda _: None, then=done.set)
        await done.wait()

    def submit(self, job: Job, *, then: Callable[[], None] | None = None) -> None:
        """Have something done in a batch of its own time, as if a message had asked for it."""
        if then is None:
            self._enqueue(job)
            return
        self._enqueue(Message("", b"", qos=1, done=then))

    def _on_connected(self) -> None:
        """Say everything again: what is retained at a broker is a cache that it may have lost."""
        self._enqueue(self._publisher.say_all)
        self._enqueue(Message("", b"", qos=1, done=self._connected.set))

    def _receive(self, message: Message) -> None:
        points.reached(Point.RECEIVED)
        # What comes with QoS 1 is bounded by the broker, which waits for the PUBACK. With QoS 0 a
        # single device could crowd out all others.
        if message.qos == 0 and len(self._waiting) >= _MAX_BATCH:
            self.counters["dropped"] += 1
            return
        self._enqueue(message)

    def _enqueue(self, item: Message | Job) -> None:
        self._waiting.append(item)
        self._wake.set()

    # --- batches ---------------------------------------------------------------------------

    async def _work_off(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(len(self._waiting), _MAX_BATCH)
                async with self._file:
                    await self._batch([self._waiting.popleft() for _ in range(count)])

    async def _batch(self, items: list[Message | Job]) -> None:
        """Handle a batch; should one of it hit a bug or a full disk, each alone.

        So none takes the others along, and what needs no disk is done without one. That some are
        handled twice then does no harm: a command's `seq` tells, and all else may come twice.
        """
        work = self._new_work()
        try:
            follow_the_clock(work)
            for item in items:
                self._handle(work, item)
            await self._conclude(work)
        except Exception as error:  # noqa: BLE001 - a bug must not stop the service
            if len(items) > 1:
                for item in items:
                    await self._batch([item])
                return
            self._failed(work, items[0], error)
            work.held.clear()  # no look begins, so nothing waits for one
        held = {id(message) for one in work.held.values() for message in one.messages}
        for item in items:
            if isinstance(item, Message) and id(item) not in held:
                item.done()

    def _new_work(self) -> Work:
        return Work(self.world, self._clock(), self._steady(), self._intake.found)

    async def _conclude(self, work: Work) -> None:
        """Commit, then publish. Raises `sqlite3.Error` where nothing could be stored."""
        if work.batch:
            points.reached(Point.DECIDED)
            self._store.write(work.batch)
            await self._disk.sync(work.batch)
            points.reached(Point.COMMITTED)
            self.counters["commits"] += 1
            self._caretaker.commits += 1
        work.settle()
        self._intake.settle(work)
        if work.batch.purged:
            purged = work.batch.purged
            await self._disk.run(lambda: self._caretaker.scrub(purged))
        self._publisher.publish(work)
        for client_id, after_s in work.dropped.items():
            asyncio.get_running_loop().call_later(after_s, self._link.drop, client_id)
        self._chores.begin(work)
        if self._post:
            self._post.begin(work)

    def _again(self, messages: Sequence[Message]) -> None:
        self._waiting.extendleft(reversed(messages))
        self._wake.set()

    def _give_up(self, messages: Sequence[Message], error: Exception) -> None:
        """Tell who sent a document that it cannot be kept just now."""
        work = self._new_work()
        for message in messages:
            topic = parse(self.world.settings.site, message.topic)
            if isinstance(topic, CommandTopic):
                excuse_command(work, topic, read_command(message.payload))
            message.done()
        self._excuse(work)
        if isinstance(error, OSError | sqlite3.Error):
            _log.error("a document cannot be kept: %s", type(error).__name__)
            self.counters["commits_failed"] += 1
        else:
            _report_bug(error)
            self.counters["bugs"] += 1

    async def _in_the_stores_turn(self, turn: Callable[[], _T]) -> _T:
        """Call what uses the database between two batches, on its thread."""
        async with self._file:
            return await self._disk.run(turn)

    def _failed(self, work: Work, item: Message | Job, error: Exception) -> None:
        """Tell the sender; what nobody would send again is tried again, while the disk fails."""
        if isinstance(error, sqlite3.Error):
            self._store.distrust(error)
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            _log.error("the database refuses to store: %s", name)
            self.counters["commits_failed"] += 1
            self._put_off(item)
        else:
            _report_bug(error)
            self.counters["bugs"] += 1
        self._excuse(work)

    def _put_off(self, item: Message | Job) -> None:
        later = asyncio.get_running_loop().call_later
        if not isinstance(item, Message):
            if item is not look_after:  # that comes every second anyway
                later(_RETRY_S, self._enqueue, item)
            return
        topic = parse(self.world.settings.site, item.topic)
        if isinstance(topic, PresenceTopic):
            self._unheeded[topic.device] = item
            later(_RETRY_S, self._heed, topic.device, item)

    def _heed(self, device: str, item: Message) -> None:
        """Take a presence that could not be stored, unless the device has said another since."""
        if self._unheeded.get(device) is item:
            self._enqueue(item)

    def _excuse(self, work: Work) -> None:
        for topic, ids in work.excuses:
            rejection = Rejection.model_validate({**_UNAVAILABLE, **ids})
            self._publisher.send(topic, rejection.to_json())

    def _handle(self, work: Work, item: Message | Job) -> None:
        if not isinstance(item, Message):
            item(work)
            return
        if not item.topic:
            return
        topic = parse(self.world.settings.site, item.topic)
        self.counters["messages"] += 1
        # Only presence is retained; anything else that was would be done again at each start.
        stale = item.retained and not isinstance(topic, PresenceTopic)
        if isinstance(topic, CommandTopic) and self._intake.holds(work, topic, item):
            excuse_command(work, topic, read_command(item.payload))
            return
        useful = not stale and self._dispatch(work, topic, item.payload)
        if not useful:
            self.counters["ignored"] += 1

    def _dispatch(self, work: Work, topic: object, payload: bytes) -> bool:
        """Give a message to its handler; tells whether it was any of the contract's."""
        match topic:
            case CommandTopic():
                handle_command(work, self._store, topic, payload)
            case RequestTopic():
                self._request(work, topic, payload)
            case UploadTopic():
                return handle_chunk(work, topic, payload)
            case PresenceTopic():
                self._unheeded.pop(topic.device, None)
                return handle_presence(work, topic, payload)
            case ClaimTopic():
                self._claim(work, topic, payload)
            case _:
                return False
        return True

    def _request(self, work: Work, topic: RequestTopic, payload: bytes) -> None:
        def handle(now: Work) -> None:
            handle_request(now, self._store, topic, payload)

        if shows_code(payload):
            self._in_turn(work, handle, lambda now: refuse_code(now, topic, payload))
        else:
            handle(work)

    def _claim(self, work: Work, topic: ClaimTopic, payload: bytes) -> None:
        self._in_turn(
            work,
            lambda now: handle_claim(now, topic, payload),
            lambda now: refuse_claim(now, topic),
        )

    def _in_turn(self, work: Work, handle: Job, refuse: Job) -> None:
        """Try a code out at once, or in its turn while somebody is guessing codes."""
        wait_s = self.world.guard.wait_s(work.steady_s)
        if wait_s is None:
            refuse(work)
        elif wait_s == 0:
            handle(work)
        else:
            asyncio.get_running_loop().call_later(wait_s, self._enqueue, handle)

    # --- upkeep ----------------------------------------------------------------------------

    async def _tick(self) -> None:
        before = self.counters["messages"]
        while True:
            await asyncio.sleep(_TICK_S)
            self.submit(look_after)
            await self.settled()
            idle, before = self.counters["messages"] == before, self.counters["messages"]
            if self._caretaker.is_due(idle=idle):
                await self._in_the_stores_turn(self._caretaker.look_after)


def _report_bug(error: Exception) -> None:
    """Log what and where, never the exception's text: it may quote what a patient entered."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
    _log.error("a message could not be handled: %s at %s", type(error).__name__, where)
