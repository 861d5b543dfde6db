"""Documents that have arrived are looked at before FINISH_UPLOAD is decided.

Looking takes a moment, and a process of its own. Meanwhile that command, and whatever else the same
screen says in that session, is held back unacknowledged; then it is handled, in order.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from schemas.commands import FinishUpload
from schemas.reading import read_command
from schemas.topics import CommandTopic
from schemas.views import DocumentStatus
from session_controller.answers import resolve
from session_controller.engine.context import StoredUpload, Unfitness
from session_controller.engine.state import Document, StoredDocument
from session_controller.link import Message
from session_controller.media.outcome import Inspected, Unfit
from session_controller.store import Store
from session_controller.turns import StoresTurn
from session_controller.work import Held, Look, Work

Inspect = Callable[[bytes, str, tuple[str, ...]], Awaitable[Inspected | Unfit]]
"""From a document, its announced media type, and the types that the form takes."""


@dataclass(slots=True)
class Intake:
    """The looks that are under way, and what they found."""

    store: Store
    in_turn: StoresTurn
    again: Callable[[Sequence[Message]], None]
    """Has messages handled before all that waits."""
    give_up: Callable[[Sequence[Message], Exception], None]
    """Tells the senders that the box cannot take this now."""
    inspect: Inspect
    _held: dict[tuple[str, str], Held] = field(default_factory=dict)
    _found: dict[tuple[str, str], StoredUpload] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def holds(self, work: Work, topic: CommandTopic, message: Message) -> bool:
        """Hold a command back if it has to wait for a look at a document."""
        key = (topic.session, topic.device)
        held = work.held.get(key)
        if held is None and key not in self._held:
            look = self._due(work, topic, message.payload)
            if look is None:
                return False
            held = Held(look)
        work.held.setdefault(key, held or Held(None)).messages.append(message)
        return True

    def _due(self, work: Work, topic: CommandTopic, payload: bytes) -> Look | None:
        if b"FINISH_UPLOAD" not in payload:
            return None
        command, session = read_command(payload), work.session(topic.session)
        if not isinstance(command, FinishUpload) or session is None:
            return None
        found = session.upload(command.upload)
        if found is None or session.state.patient != topic.device or not _arrived(found[1]):
            return None
        if (topic.session, command.upload) in self._found:
            return None
        place = resolve(session.flow, found[0])
        return Look(topic.session, found[1], place.item.media_types if place else ())

    def found(self, session: str, upload: str) -> StoredUpload | None:
        """Give what a look found; it counts until a decision is on disk."""
        return self._found.get((session, upload))

    def settle(self, work: Work) -> None:
        """Begin the looks that a batch asked for, once it is on disk."""
        for session, upload in list(self._found):
            if session in work.sessions or work.session(session) is None:
                self._let_go(work, session, upload)
        for key, held in work.held.items():
            self._settle(key, held)

    def _let_go(self, work: Work, session: str, upload: str) -> None:
        """Forget what a look found, and its file where no document came of it."""
        looked_at = self._found.pop((session, upload)).document
        live = work.session(session)
        now = live.upload(upload) if live else None
        if looked_at and not (now and now[1].stored and now[1].stored.file == looked_at.file):
            with suppress(OSError):  # the next start sweeps it up
                self.store.vault.discard(session, looked_at.file)

    def _settle(self, key: tuple[str, str], held: Held) -> None:
        if key in self._held:
            self._held[key].messages.extend(held.messages)
        elif held.look is None:  # the look that it waited for has ended meanwhile
            self.again(held.messages)
        else:
            self._held[key] = held
            task = asyncio.create_task(self._work(key, held.look), name="handrail-look")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, key: tuple[str, str], look: Look) -> None:
        try:
            found = await self._look(look)
            await self.in_turn(_nothing)  # what a batch under way holds back too comes after these
        except Exception as error:  # noqa: BLE001 - the senders hear of it, whatever it was
            self.give_up(self._held.pop(key).messages, error)
        else:
            self._found[look.session, look.document.upload] = found
            self.again(self._held.pop(key).messages)

    async def _look(self, look: Look) -> StoredUpload:
        document = look.document
        data = await self.in_turn(lambda: self._read(look))
        stored = StoredUpload(len(data), await asyncio.to_thread(_sha256, data))
        if (stored.size, stored.sha256) != (document.size, document.sha256):
            return stored
        seen = await self.inspect(data, document.media_type, look.allowed)
        if isinstance(seen, Unfit):
            unfit = Unfitness(seen.reason, seen.message)
            return StoredUpload(stored.size, stored.sha256, unfit=unfit)
        kept = StoredDocument(
            file=await asyncio.to_thread(
                self.store.vault.put, look.session, self.store.sealer(look.session), seen.data
            ),
            sha256=await asyncio.to_thread(_sha256, seen.data),
            size=len(seen.data),
            media_type=seen.media_type,
        )
        return StoredUpload(stored.size, stored.sha256, document=kept)

    def _read(self, look: Look) -> bytes:
        return b"".join(self.store.chunks(look.session, look.document.upload))

    async def stop(self) -> None:
        """End the looks; who waits for one hears nothing, and sends again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _nothing() -> None:
    """Wait for one's turn alone."""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _arrived(document: Document) -> bool:
    return document.status is DocumentStatus.RECEIVING and document.received == document.size
