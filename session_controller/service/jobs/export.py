"""Giving records out: gathered, written in a format, sealed, logged, and handed over in pieces.

Who asks is answered once the export is ready and its entry in the log is on disk; then it reads the
bytes at its own pace, some at a time. Exports are in memory alone, and for minutes.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace

from schemas.topics import InboxTopic
from schemas.wire.exports import SessionExported
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import SessionExported as ExportAct
from session_controller.export.collect import gather, gather_delivered
from session_controller.export.order import ExportOrder
from session_controller.export.record import Record
from session_controller.export.seals import Signer, seal_of
from session_controller.security.encryption import DecryptionError
from session_controller.service.export_cache import Export, ExportCache
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.commit import StoreTurn
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)


_DAMAGED = "Something of this session is damaged on the disk; `handrail audit verify` says what."


class ExportError(Exception):
    """An export cannot be made; the message is for a person, and holds no patient data."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """Makes exports beside the event loop."""

    store: Store
    kept: ExportCache
    site: str
    software: str
    in_turn: StoreTurn
    submit: Callable[[Callable[[UnitOfWork], None]], None]

    async def record(self, order: ExportOrder) -> Record:
        """Gather a session's record. Raises `ExportError`."""
        session = order.session
        try:
            found = await self.in_turn(lambda: self._gathered(order))
        except (DecryptionError, OSError, sqlite3.Error, ValueError) as error:
            _log.error("%s cannot be read: %s", session, type(error).__name__)
            raise ExportError(_DAMAGED) from None
        if found is None:
            raise ExportError("There is no such session.")
        return found

    def _gathered(self, order: ExportOrder) -> Record | None:
        store, session, site, software = self.store, order.session, self.site, self.software
        if order.delivered:
            return gather_delivered(store, session, site=site, software=software)
        by, at = order.device, order.at
        found = gather(store, session, site=site, at=at, by=by, software=software)
        return replace(found, language=order.language) if found and order.language else found

    async def make(self, order: ExportOrder) -> tuple[Record, bytes, str]:
        """Return a record, and the same written, with its media type. Raises `ExportError`."""
        try:
            record = await self.record(order)
            return record, *await asyncio.to_thread(_written, record, order)
        except ExportError:
            raise
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            _log.error("an export failed: %s", type(error).__name__)
            raise ExportError("This record could not be written.") from None

    async def export(self, order: ExportOrder) -> None:
        """Make an export, and answer who ordered it."""
        try:
            record, data, media_type = await self.make(order)
        except ExportError as error:
            answer = _refused(order, str(error))
            self.submit(lambda work: work.say(InboxTopic(order.device), answer))
            return
        seal = await asyncio.to_thread(
            seal_of,
            record,
            data,
            Signer(self.store.public_key, self.store.sign),
            form=order.format,
            media_type=media_type,
            field_id=order.field_id,
        )
        self.submit(lambda work: self._hand_over(work, order, Export(data, seal)))

    def _hand_over(self, work: UnitOfWork, order: ExportOrder, export: Export) -> None:
        if order.session in work.transaction.purged or not self.store.knows(order.session):
            work.say(InboxTopic(order.device), _refused(order, "This session was purged."))
            return
        name = self.kept.put(order.device, export, work.steady_s)
        seal = export.seal
        act = ExportAct(
            format=seal.format, sha256=seal.sha256, size=seal.size, field_id=seal.field_id
        )
        work.note(act, device=order.device, session=order.session, person=order.person)
        work.say(
            InboxTopic(order.device),
            SessionExported(request_id=order.request_id, export=name, seal=seal),
        )


def _written(record: Record, order: ExportOrder) -> tuple[bytes, str]:
    # Loaded here, in a thread, for the boxes that export: FHIR and paper take 5 MB.
    from session_controller.export.formats import NotWrittenError, written  # noqa: PLC0415

    try:
        return written(record, order)
    except NotWrittenError as error:
        raise ExportError(str(error)) from None


def _refused(order: ExportOrder, message: str) -> Rejection:
    return Rejection(request_id=order.request_id, code=RejectionCode.UNAVAILABLE, message=message)
