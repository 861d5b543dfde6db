"""What could not be handled: whose fault it was, and how its sender is refused."""

import errno
import logging
import sqlite3

from schemas.wire.rejections import RejectionCode
from session_controller.audit.events import OutsiderRefused
from session_controller.engine.refusal import Refusal
from session_controller.errors import type_and_place
from session_controller.service.handlers.commands import refuse_for_good as refuse_command
from session_controller.service.handlers.requests import note_refusal
from session_controller.service.inbox import (
    Received,
    ReceivedChunk,
    ReceivedClaim,
    ReceivedCommand,
    ReceivedRequest,
)
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)

_FAILED = Refusal(
    RejectionCode.UNAVAILABLE,
    "This box could not handle that. Tell facility IT: its log says where.",
)
_OUR_FAULT = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
)
"""What SQLite says of statements and values that are wrong, not of the disk."""


def is_storage_failure(error: Exception) -> bool:
    """Return whether the disk or the database file is at fault, so that trying again may help."""
    return isinstance(error, OSError | sqlite3.Error) and not isinstance(error, _OUR_FAULT)


def storage_failure_name(error: Exception) -> str:
    """Return the name that SQLite or the system has for an error of the disk, for the log."""
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, type(error).__name__)
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def refuse_for_good(work: UnitOfWork, store: Store, received: Received) -> None:
    """Refuse a message that hit a bug, and record the refusal."""
    said = received.rejection(_FAILED.message)
    match received:
        case ReceivedCommand():
            refuse_command(work, store, received.topic, received.body, _FAILED)
            return
        case ReceivedRequest():
            note_refusal(work, received.sender, received.body, _FAILED)
        case ReceivedChunk():
            refused = OutsiderRefused(code=_FAILED.code)
            work.note(refused, device=received.sender, session=received.topic.session)
        case ReceivedClaim():
            work.note(OutsiderRefused(code=_FAILED.code), device=received.sender)
    if said is not None:
        work.say(*said)


def report_bug(error: Exception) -> None:
    """Log which defect a message hit, and where."""
    _log.error("a message could not be handled: %s", type_and_place(error))
