"""Failpoints: named points where tests kill the program; without effect in production."""

from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """Where a crash must lose nothing, in the order in which a message passes."""

    STARTING = "starting"
    MIGRATING = "migrating"
    RECEIVED = "received"
    DECIDED = "decided"
    WRITTEN = "written"
    """In the transaction, not committed."""
    COMMITTING = "committing"
    COMMITTED = "committed"
    """On disk, not published."""
    PUBLISHED = "published"
    """One message of several is published."""
    PART_WRITTEN = "part-written"
    """Bytes of an upload are in its file, not synced."""
    PART_SYNCED = "part-synced"
    """They are on disk; no state counts them."""
    DOCUMENT_NAMED = "document-named"
    """A document's file is complete; no state refers to it."""
    REMOVING_PART = "removing-part"
    """A state refers to the document; the upload's file is still there."""
    BACKING_UP = "backing-up"
    """Its pages are being read."""
    BACKED_UP_PAGES = "backed-up-pages"
    """They are in packs that no backup lists yet; the documents are being copied."""
    BACKED_UP_DOCUMENTS = "backed-up-documents"
    BACKUP_KEYS = "backup-keys"
    """Its keys are in the keyring; its list is not there yet."""
    BACKUP_LISTED = "backup-listed"
    """It is complete; older ones are to be removed."""


OF_A_DOCUMENT = (
    Point.PART_WRITTEN,
    Point.PART_SYNCED,
    Point.DOCUMENT_NAMED,
    Point.REMOVING_PART,
)
OF_A_BACKUP = (
    Point.BACKING_UP,
    Point.BACKED_UP_PAGES,
    Point.BACKED_UP_DOCUMENTS,
    Point.BACKUP_KEYS,
    Point.BACKUP_LISTED,
)


def _go_on(_: Point) -> None:
    """Do nothing."""


reached: Callable[[Point], None] = _go_on
"""Called as `failpoints.reached(…)`, so that tests can replace it."""
