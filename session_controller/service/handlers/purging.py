"""When the time of an ended session is over, and what a purge would delete."""

from datetime import datetime, timedelta

from schemas.base import rfc3339
from schemas.wire.purging import MAX_NAMED, KeptSession, PreviewPurge, PurgePreview
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import SessionStatus
from session_controller.engine.refusal import Refusal
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.entities import Device, Ended
from session_controller.storage.rows import read_time
from session_controller.storage.store import Store

DOUBTED = "clock_doubted"
"""The property of a box that stopped, or runs, before it believes its clock again."""
_AHEAD = timedelta(days=1)
_ALL = -1
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


def preview_purge(
    work: UnitOfWork, store: Store, _: Device, request: PreviewPurge
) -> PurgePreview | Refusal:
    """Return what a purge would delete, and what it would keep; deletes nothing."""
    ended = store.ended_after(("", ""), work.at, _ALL)
    if not request.sessions and request.older_than_s is None:
        gone, kept = _by_itself(ended, work.registry.settings, work.at + _AHEAD)
    else:
        if set(request.sessions) - {one.session for one in ended}:
            return _NOT_ENDED
        chosen = _chosen(ended, request, work.at)
        gone = [one for one in chosen if not one.undelivered]
        kept = [one for one in chosen if one.undelivered]
    times = [read_time(one.ended_at) for one in gone]
    return PurgePreview(
        request_id=request.request_id,
        count=len(gone),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        sessions=tuple(one.session for one in gone[:MAX_NAMED]),
        kept=tuple(_kept(store, one) for one in kept[:MAX_NAMED]),
        kept_count=len(kept),
        doubted=store.meta(DOUBTED) == "yes",
    )


def _by_itself(
    ended: list[Ended], settings: Settings, until: datetime
) -> tuple[list[Ended], list[Ended]]:
    """Return what the box purges up to a moment, and what it keeps though it is as old."""
    kept_for = spans(settings)
    old = [
        one
        for one in ended
        if (span := kept_for.get(SessionStatus(one.status))) is not None
        and read_time(one.ended_at) + span <= until
    ]
    gone = [one for one in old if (over := over_at(one, settings)) is not None and over <= until]
    kept = [one for one in old if over_at(one, settings) is None]
    return gone, kept


def _chosen(ended: list[Ended], request: PreviewPurge, at: datetime) -> list[Ended]:
    age = request.older_than_s
    before = rfc3339(at - timedelta(seconds=age)) if age is not None else ""
    return [one for one in ended if one.session in request.sessions or one.ended_at <= before]


def _kept(store: Store, one: Ended) -> KeptSession:
    if not one.undelivered:
        return KeptSession(session=one.session, reason="no_destination")
    places = tuple(store.undelivered(one.session))
    return KeptSession(session=one.session, reason="undelivered", destinations=places)
