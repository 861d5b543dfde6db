"""Documents that have arrived are looked at before FINISH_UPLOAD is decided.

Looking takes a moment, and a process of its own. Meanwhile that command, and whatever else the same
screen says in that session, is held back unacknowledged; then it is handled, in order. So is a
command that came before the last bytes, for some seconds: MQTT orders the messages of one topic,
and nothing across topics (3.1.1, 4.6).
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from schemas.topics import CommandTopic
from schemas.wire.commands import Command, FinishUpload
from schemas.wire.parse import Unreadable
from schemas.wire.views import DocumentStatus
from session_controller.engine.context import StoredUpload, Unfitness
from session_controller.engine.state import Document, StoredDocument
from session_controller.forms.answers import resolve
from session_controller.media.outcome import Inspected, Unfit
from session_controller.security.encryption import Cipher, DecryptionError
from session_controller.service.inbox import Received, ReceivedCommand
from session_controller.service.unit_of_work import (
    ArrivalOrder,
    Held,
    InspectionOrder,
    UnitOfWork,
)
from session_controller.storage.commit import StoreTurn
from session_controller.storage.documents import Part
from session_controller.storage.segments import open_segments
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)

_BYTES_MAY_FOLLOW_S = 3.0
"""How long the last bytes of a document may come after FINISH_UPLOAD."""

Inspect = Callable[[bytes, str, tuple[str, ...]], Awaitable[Inspected | Unfit]]
"""From a document, its announced media type, and the types that the form takes."""


@dataclass(slots=True)
class Inspections:
    """The looks that are under way, and what they found."""

    store: Store
    in_turn: StoreTurn
    again: Callable[[Sequence[Received]], None]
    """Has messages handled before all that waits."""
    give_up: Callable[[Callable[[], Sequence[Received]], Exception], Awaitable[None]]
    """Called with a function that takes what waited for an inspection, and why that failed."""
    inspect: Inspect
    _held: dict[tuple[str, str], Held] = field(default_factory=dict)
    _found: dict[tuple[str, str], StoredUpload] = field(default_factory=dict)
    _given_up: set[ArrivalOrder] = field(default_factory=set)
    """Documents whose bytes did not follow in time."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def holds(self, work: UnitOfWork, received: ReceivedCommand) -> bool:
        """Hold a command back if it has to wait for a look at a document."""
        topic = received.topic
        key = (topic.session, topic.device)
        held = work.held.get(key)
        if held is None and key not in self._held:
            look = self._due(work, topic, received.body)
            if look is None:
                return False
            held = Held(look)
        work.held.setdefault(key, held or Held(None)).messages.append(received)
        return True

    def _due(
        self, work: UnitOfWork, topic: CommandTopic, command: Command | Unreadable
    ) -> InspectionOrder | ArrivalOrder | None:
        session = work.session(topic.session)
        if not isinstance(command, FinishUpload) or session is None:
            return None
        found = session.upload(command.upload)
        if found is None or session.state.patient != topic.device:
            return None
        if found[1].status is not DocumentStatus.RECEIVING:
            return None
        if not _arrived(found[1]):
            order = ArrivalOrder(topic.session, command.upload)
            return None if order in self._given_up else order
        if (topic.session, command.upload) in self._found:
            return None
        place = resolve(session.flow, found[0])
        return InspectionOrder(topic.session, found[1], place.item.media_types if place else ())

    def found(self, session: str, upload: str) -> StoredUpload | None:
        """Return the result of an inspection; it is kept until a decision is on disk."""
        return self._found.get((session, upload))

    def settle(self, work: UnitOfWork) -> None:
        """Begin the looks that a batch asked for, once it is on disk."""
        self._given_up = {one for one in self._given_up if one.session not in work.sessions}
        for session, upload in list(self._found):
            if session in work.sessions or work.session(session) is None:
                self._let_go(work, session, upload)
        for key, held in work.held.items():
            self._settle(key, held)
        for name in work.sessions:
            self._bytes_came(work, name)

    def _bytes_came(self, work: UnitOfWork, name: str) -> None:
        """Handle FINISH_UPLOAD again if the document that it waits for is complete, or gone."""
        session = work.session(name)
        for key, held in list(self._held.items()):
            order = held.look
            if isinstance(order, ArrivalOrder) and order.session == name:
                found = session.upload(order.upload) if session else None
                if found is None or _arrived(found[1]):
                    self.again(self._held.pop(key).messages)

    def _bytes_are_missing(self, key: tuple[str, str], held: Held, order: ArrivalOrder) -> None:
        if self._held.get(key) is held:
            self._given_up.add(order)
            self.again(self._held.pop(key).messages)

    def _let_go(self, work: UnitOfWork, session: str, upload: str) -> None:
        """Forget what a look found, and its file where no document came of it."""
        looked_at = self._found.pop((session, upload)).document
        live = work.session(session)
        now = live.upload(upload) if live else None
        if looked_at and not (now and now[1].stored and now[1].stored.file == looked_at.file):
            with suppress(OSError):  # the next start sweeps it up
                self.store.document_store.discard(session, looked_at.file)

    def _settle(self, key: tuple[str, str], held: Held) -> None:
        if key in self._held:
            self._held[key].messages.extend(held.messages)
        elif held.look is None:  # the look that it waited for has ended meanwhile
            self.again(held.messages)
        elif isinstance(held.look, ArrivalOrder):
            self._held[key] = held
            asyncio.get_running_loop().call_later(
                _BYTES_MAY_FOLLOW_S, self._bytes_are_missing, key, held, held.look
            )
        else:
            self._held[key] = held
            task = asyncio.create_task(self._work(key, held.look), name="handrail-look")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, key: tuple[str, str], look: InspectionOrder) -> None:
        try:
            found = await self._look(look)
            await self.in_turn(_nothing)  # what a batch under way holds back too comes after these
        except Exception as error:  # noqa: BLE001 - the senders hear of it, whatever it was
            await self.give_up(lambda: self._held.pop(key).messages, error)
        else:
            self._found[look.session, look.document.upload] = found
            self.again(self._held.pop(key).messages)

    async def _look(self, look: InspectionOrder) -> StoredUpload:
        document = look.document
        part, cipher = await self.in_turn(lambda: self._part(look))
        data = await asyncio.to_thread(_opened, part, cipher)
        if part is None or data is None:
            return StoredUpload(0, "")
        digest = await asyncio.to_thread(hashlib.sha256, data)
        stored = StoredUpload(len(data), digest.hexdigest())
        if (stored.size, stored.sha256) != (document.size, document.sha256):
            return stored
        seen = await self.inspect(data, document.media_type, look.allowed)
        if isinstance(seen, Unfit):
            unfit = Unfitness(seen.reason, seen.message)
            return StoredUpload(stored.size, stored.sha256, unfit=unfit)
        digest = await asyncio.to_thread(hashlib.sha256, seen.data)
        documents = self.store.document_store
        kept = StoredDocument(
            file=await (
                asyncio.to_thread(documents.keep, part)
                if seen.data == data
                else asyncio.to_thread(documents.put, part.upload, cipher, seen.data)
            ),
            sha256=digest.hexdigest(),
            size=len(seen.data),
            media_type=seen.media_type,
        )
        return StoredUpload(stored.size, stored.sha256, document=kept)

    def _part(self, look: InspectionOrder) -> tuple[Part | None, Cipher]:
        upload = look.session, look.document.upload
        part = self.store.document_store.part(upload, look.document.size)
        return part, self.store.cipher(look.session)

    async def stop(self) -> None:
        """End the looks; who waits for one hears nothing, and sends again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _opened(part: Part | None, cipher: Cipher) -> bytes | None:
    """Return a document that has arrived, or None if its part is lost or damaged."""
    if part is None:
        return None
    try:
        return open_segments(cipher, *part.upload, part.sealed)
    except DecryptionError:
        _log.error("an upload of %s is damaged on the disk; it begins again", part.upload[0])
        return None


def _nothing() -> None:
    """Wait for one's turn alone."""


def _arrived(document: Document) -> bool:
    return document.received == document.size
