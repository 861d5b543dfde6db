"""What takes longer than a batch may: backups, another key, signatures of the log, exports.

Begun once the batch that asked is on disk; whoever asked is answered when it is done.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from schemas.base import Versioned
from schemas.given_out import KeyRotated, LogSigned
from schemas.rejections import Rejection, RejectionCode
from schemas.requests import BackedUp
from schemas.topics import InboxTopic
from session_controller.acts import BackupTaken
from session_controller.audit import Receipt
from session_controller.backups import BackupError, Backups
from session_controller.errors import KeyringError
from session_controller.exporting import Exporter
from session_controller.sealing import BoxKeyError, SealBrokenError
from session_controller.store import Store
from session_controller.turns import StoresTurn
from session_controller.work import Work
from session_controller.world import World

_log = logging.getLogger(__name__)


Submit = Callable[[Callable[[Work], None]], None]


@dataclass(slots=True)
class Chores:
    """What is under way of them."""

    world: World
    store: Store
    backups: Backups | None
    version: str
    clock: Callable[[], datetime]
    in_turn: StoresTurn
    submit: Submit
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def begin(self, work: Work) -> None:
        """Begin what a batch asked for."""
        for export in work.exports:
            self._do(self.exporter.export(export))
        for device, request_id in work.backups:
            self._do(self._back_up(device, request_id))
        for device, request_id in work.rotations:
            self._do(self._rotate(device, request_id))
        for device, request_id in work.receipts:
            self._do(self._sign_log(device, request_id))

    def _do(self, asked: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(asked)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what is under way; who waits for it asks again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def exporter(self) -> Exporter:
        """What makes records."""
        return Exporter(
            store=self.store,
            kept=self.world.exports,
            site=self.world.settings.site,
            software=f"handrail {self.version}".strip(),
            in_turn=self.in_turn,
            submit=self.submit,
        )

    async def _back_up(self, device: str, request_id: str) -> None:
        try:
            path = await self._take_backup()
            size = path.stat().st_size
        except (BackupError, OSError) as error:
            self._answer(device, _unavailable(request_id, str(error)))
            return
        answer = BackedUp(request_id=request_id, file=path.name, size=size)

        def tell(work: Work) -> None:
            work.note(BackupTaken(file=answer.file), device=device)
            work.say(InboxTopic(device), answer)

        self.submit(tell)

    async def _take_backup(self) -> Path:
        if self.backups is None:
            raise BackupError("This box takes no backups.")
        return await self.backups.take()

    async def _rotate(self, device: str, request_id: str) -> None:
        answer: Versioned
        try:
            if self.backups is None:
                raise FileNotFoundError("this box has no data folder")
            turn = partial(self.backups.rotate, self.clock(), device)
            answer = KeyRotated(request_id=request_id, keys=await self.in_turn(turn))
        except (sqlite3.Error, OSError, BoxKeyError, KeyringError, SealBrokenError) as error:
            _log.error("the key could not be rotated: %s", type(error).__name__)
            answer = _unavailable(request_id, "The key could not be rotated; nothing is lost.")
        self._answer(device, answer)

    async def _sign_log(self, device: str, request_id: str) -> None:
        answer: Versioned
        try:
            signed = await self.in_turn(partial(self.store.sign_head, self.clock()))
        except sqlite3.Error:
            answer = _unavailable(request_id, "The log cannot be signed just now.")
        else:
            receipt = Receipt.of(signed, self.world.settings.site, self.world.epoch)
            answer = LogSigned(request_id=request_id, receipt=receipt.model_dump(mode="json"))
        self._answer(device, answer)

    def _answer(self, device: str, answer: Versioned) -> None:
        self.submit(lambda work: work.say(InboxTopic(device), answer))


def _unavailable(request_id: str, message: str) -> Rejection:
    return Rejection(request_id=request_id, code=RejectionCode.UNAVAILABLE, message=message)
