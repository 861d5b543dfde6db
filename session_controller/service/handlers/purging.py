"""When the time of an ended session is over, and what a purge would delete."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from schemas.base import rfc3339
from schemas.wire.purging import MAX_NAMED, KeptSession, PreviewPurge, PurgePreview
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import SessionStatus
from session_controller.engine.refusal import Refusal
from session_controller.service.unit_of_work import PreviewOrder, UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.entities import Device, Ended
from session_controller.storage.rows import read_time
from session_controller.storage.store import Store

DOUBTED = "clock_doubted"
"""The property of a box that stopped, or runs, before it believes its clock again."""
_AHEAD = timedelta(days=1)
_NOT_ENDED = Refusal(
    RejectionCode.UNKNOWN_SESSION, "There is no such session, or it has not ended."
)


def spans(settings: Settings) -> dict[SessionStatus, timedelta]:
    """Return by status how long a session is kept; without those that are kept for good."""
    found = {
        SessionStatus.COMPLETED: settings.purge_completed,
        SessionStatus.EXPIRED: settings.purge_completed,
        SessionStatus.CANCELLED: settings.purge_cancelled,
    }
    return {status: span for status, span in found.items() if span}


def over_at(one: Ended, settings: Settings) -> datetime | None:
    """Return when a session is purged by itself, or None as long as that is not known.

    A completed one once it has arrived everywhere; a rehearsal, which arrives nowhere, by its end.
    """
    span = spans(settings).get(SessionStatus(one.status))
    arrives = one.status == SessionStatus.COMPLETED and not one.test
    since = one.delivered_at if arrives else one.ended_at
    if span is None or since is None or one.undelivered:
        return None
    return read_time(since) + span


def preview_purge(work: UnitOfWork, _: Store, device: Device, request: PreviewPurge) -> None:
    """Order that it is counted what a purge would delete; the answer comes then."""
    work.previews.append(PreviewOrder(device.device, request, work.at))


class Preview:
    """Counts what a purge would delete, page by page, so that nobody waits; deletes nothing."""

    def __init__(self, request: PreviewPurge, settings: Settings, at: datetime) -> None:
        self._request, self._settings = request, settings
        self._until = at + _AHEAD
        """Up to when the box purges by itself."""
        age = request.older_than_s
        self._before = "" if age is None else rfc3339(at - timedelta(seconds=age))
        self._by_itself = not request.sessions and age is None
        self._unknown = set(request.sessions)
        self._count = self._kept_count = 0
        self._first: list[Ended] = []
        self._kept: list[Ended] = []
        self._times: list[str] = []
        """The first and the last end, as they are stored."""

    def add(self, page: Iterable[Ended]) -> None:
        """Count sessions that have ended."""
        for one in page:
            self._unknown.discard(one.session)
            keeps = self._keeps(one)
            if keeps is None:
                continue
            if keeps:
                self._kept_count += 1
                self._kept += [one] if len(self._kept) < MAX_NAMED else []
            else:
                self._count += 1
                self._first += [one] if len(self._first) < MAX_NAMED else []
                self._times = [*self._times[:1], one.ended_at]

    def _keeps(self, one: Ended) -> bool | None:
        """Return whether a session would be kept though it is old enough; None if it is not."""
        if not self._by_itself:
            chosen = one.session in self._request.sessions or one.ended_at <= self._before
            return bool(one.undelivered) if chosen else None
        span = spans(self._settings).get(SessionStatus(one.status))
        if span is None or read_time(one.ended_at) + span > self._until:
            return None
        over = over_at(one, self._settings)
        return True if over is None else None if over > self._until else False

    def told(self, store: Store) -> PurgePreview | Refusal:
        """Return what was counted, or that a session that was named has not ended."""
        if self._unknown:
            return _NOT_ENDED
        return PurgePreview(
            request_id=self._request.request_id,
            count=self._count,
            oldest=read_time(self._times[0]) if self._times else None,
            newest=read_time(self._times[-1]) if self._times else None,
            sessions=tuple(one.session for one in self._first),
            kept=tuple(_kept(store, one) for one in self._kept),
            kept_count=self._kept_count,
            doubted=store.meta(DOUBTED) == "yes",
        )


def _kept(store: Store, one: Ended) -> KeptSession:
    if not one.undelivered:
        return KeptSession(session=one.session, reason="no_destination")
    places = tuple(store.undelivered(one.session))
    return KeptSession(session=one.session, reason="undelivered", destinations=places)
