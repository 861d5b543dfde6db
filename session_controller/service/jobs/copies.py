"""Copies that patients take along: the record as PDF, for who has the link, once."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from session_controller.audit.events import CopyTaken
from session_controller.export.order import ExportOrder
from session_controller.service.copy_links import CopyLink
from session_controller.service.jobs.export import Exporter, ExportError
from session_controller.service.registry import Registry
from session_controller.service.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)
_NOT_MADE = "The copy could not be made just now. Try again, or ask the staff for one."


@dataclass(frozen=True, slots=True)
class Copies:
    """Hands copies out."""

    registry: Registry
    exporter: Exporter
    clock: Callable[[], datetime]
    steady: Callable[[], float]
    submit: Callable[[Callable[[UnitOfWork], None]], None]

    async def take(self, token: str) -> bytes | str | None:
        """Return the PDF of a link; a sentence if it cannot be made; None if no link works so.

        Before it is handed out, the log says so. A link whose copy was not made works again.
        """
        links = self.registry.copy_links
        link = links.take(token, self.steady())
        if link is None or not self.registry.offers_copies:
            return None
        try:
            _, data, _ = await self.exporter.make(self._order(link))
            patience_s = self.registry.settings.commit_patience.total_seconds()
            async with asyncio.timeout(patience_s):
                await self._logged(link, data)
        except (ExportError, TimeoutError) as error:
            _log.error("a copy of %s was not handed out: %s", link.session, type(error).__name__)
            links.put_back(link)
            return _NOT_MADE
        except BaseException:  # such as a phone that is gone
            links.put_back(link)
            raise
        return data

    def _order(self, link: CopyLink) -> ExportOrder:
        return ExportOrder(
            device=link.device,
            person=None,
            request_id="",
            session=link.session,
            format="pdf",
            field_id=None,
            paper="us-letter",
            at=self.clock(),
            language=link.language,
        )

    async def _logged(self, link: CopyLink, data: bytes) -> None:
        """Wait until the log has it on disk. Raises `ExportError` if the session was purged."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        act = CopyTaken(sha256=hashlib.sha256(data).hexdigest(), size=len(data))

        def note(work: UnitOfWork) -> None:
            if done.done():  # it took too long: nothing is handed out
                return
            if work.session(link.session) is None or link.session in work.transaction.purged:
                done.set_exception(ExportError("This session was purged."))
                return
            work.note(act, device=link.device, session=link.session)
            work.copies_taken.append(done)

        self.submit(note)
        await done
