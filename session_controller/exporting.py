"""Giving records out: gathered, written in a format, sealed, logged, and handed over in pieces.

Who asks is answered once the export is ready and its entry in the log is on disk; then it reads the
bytes at its own pace, some at a time. Exports are in memory alone, and for minutes.
"""

import asyncio
import hashlib
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from schemas.base import Versioned
from schemas.given_out import SessionExported
from schemas.rejections import Rejection, RejectionCode
from schemas.seals import Seal, sealed_bytes
from schemas.topics import InboxTopic
from session_controller.acts import SessionExported as ExportAct
from session_controller.gathering import gather
from session_controller.kept import Export, Kept
from session_controller.record import Record
from session_controller.sealing import SealBrokenError
from session_controller.store import Store
from session_controller.turns import StoresTurn
from session_controller.work import ExportOrder, Work

_log = logging.getLogger(__name__)


_DAMAGED = "Something of this session is damaged on the disk; `handrail audit verify` says what."


class ExportError(Exception):
    """An export cannot be made; the message is for a person, and holds no patient data."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """Makes exports beside the event loop."""

    store: Store
    kept: Kept
    site: str
    software: str
    in_turn: StoresTurn
    submit: Callable[[Callable[[Work], None]], None]

    async def record(self, session: str, by: str, at: datetime) -> Record:
        """Gather a session's record. Raises `ExportError`."""
        try:
            found = await self.in_turn(
                lambda: gather(
                    self.store, session, site=self.site, at=at, by=by, software=self.software
                )
            )
        except (SealBrokenError, OSError, sqlite3.Error, ValueError) as error:
            _log.error("%s cannot be read: %s", session, type(error).__name__)
            raise ExportError(_DAMAGED) from None
        if found is None:
            raise ExportError("There is no such session.")
        return found

    async def export(self, order: ExportOrder) -> None:
        """Make an export, and answer who ordered it."""
        answer: Versioned
        try:
            record = await self.record(order.session, order.device, order.at)
            data, media_type = await asyncio.to_thread(_written, record, order)
        except ExportError as error:
            answer = _refused(order, str(error))
            self.submit(lambda work: work.say(InboxTopic(order.device), answer))
            return
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            _log.error("an export failed: %s", type(error).__name__)
            answer = _refused(order, "This record could not be written.")
            self.submit(lambda work: work.say(InboxTopic(order.device), answer))
            return
        seal = await asyncio.to_thread(self._seal, record, order, data, media_type)
        self.submit(lambda work: self._hand_over(work, order, Export(data, seal)))

    def _seal(self, record: Record, order: ExportOrder, data: bytes, media_type: str) -> Seal:
        bare = Seal.model_validate(
            {
                "site": self.site,
                "session": order.session,
                "format": order.format,
                "field_id": order.field_id,
                "media_type": media_type,
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "exported_at": record.exported_at,
                "exported_by": record.exported_by,
                "entry": record.head.entry,
                "chain": record.head.chain,
                "public_key": self.store.public_key.hex(),
            }
        )
        signature = self.store.sign(sealed_bytes(bare))
        return bare.model_copy(update={"signature": signature.hex()})

    def _hand_over(self, work: Work, order: ExportOrder, export: Export) -> None:
        if order.session in work.batch.purged or not self.store.knows(order.session):
            work.say(InboxTopic(order.device), _refused(order, "This session was purged."))
            return
        name = self.kept.put(order.device, export, work.steady_s)
        seal = export.seal
        act = ExportAct(
            format=seal.format, sha256=seal.sha256, size=seal.size, field_id=seal.field_id
        )
        work.note(act, device=order.device, session=order.session)
        work.say(
            InboxTopic(order.device),
            SessionExported(request_id=order.request_id, export=name, seal=seal),
        )


def _written(record: Record, order: ExportOrder) -> tuple[bytes, str]:
    # Loaded here, in a thread, for the boxes that export: FHIR and paper take 5 MB.
    from session_controller.writing import NotWrittenError, written  # noqa: PLC0415

    try:
        return written(record, order)
    except NotWrittenError as error:
        raise ExportError(str(error)) from None


def _refused(order: ExportOrder, message: str) -> Rejection:
    return Rejection(request_id=order.request_id, code=RejectionCode.UNAVAILABLE, message=message)
