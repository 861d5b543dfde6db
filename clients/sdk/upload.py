"""Upload of one document: BEGIN_UPLOAD, the bytes, FINISH_UPLOAD; resumed after an interruption.

Runs in the network thread and never blocks; the result is the view that shows the document as
received.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from clients.sdk.chunks import ChunkPlan
from clients.sdk.errors import Closed, Refused, UploadFailed
from clients.sdk.notifications import Connectivity
from clients.sdk.pending import Pending
from clients.sdk.requests import new_id
from schemas.wire.commands import BeginUpload, FinishUpload
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import PatientView

_TRIES = 5
"""Consecutive attempts with missing bytes before the upload fails."""


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes to upload, and the session and field they are for."""

    session: str
    field_id: str
    data: bytes = field(repr=False)
    media_type: str


class Courier(Protocol):
    """The part of a client that an upload uses."""

    def command(self, session: str, kind: Callable[..., Any], **fields: Any) -> Pending[Any]:
        """Send a command."""

    def synchronize(self, session: str) -> Pending[Any]:
        """Request that the view be published again."""

    def current(self, session: str) -> PatientView | None:
        """Return the newest view, or None if none has arrived."""

    def send_chunk(
        self, session: str, upload: str, offset: int, data: bytes, done: Callable[[], None]
    ) -> None:
        """Publish bytes; `done` is called once the broker has them, if the connection lasts."""

    def on_connectivity(self, callback: Callable[[Connectivity], object]) -> Callable[[], None]:
        """Call `callback` whenever the connection is lost or established."""


class Upload:
    """An upload with its retries."""

    def __init__(self, courier: Courier, document: Document, pending: Pending[PatientView]) -> None:
        self._courier = courier
        self._document = document
        self._pending = pending
        self._plan = ChunkPlan(len(document.data))
        self._upload = ""
        self._tries = 0
        self._round = 0
        self._finishing = False
        self._stop_listening = courier.on_connectivity(self._connectivity)

    def begin(self) -> None:
        """Open the upload under a new id."""
        self._upload = new_id()
        self._finishing = True
        document = self._document
        self._courier.command(
            document.session,
            BeginUpload,
            field_id=document.field_id,
            upload=self._upload,
            size=len(document.data),
            sha256=hashlib.sha256(document.data).hexdigest(),
            media_type=document.media_type,
        ).add_done_callback(self._begun)

    def _begun(self, answer: Any) -> None:
        self._finishing = False
        error = answer.exception()
        if error is None:
            self._resume()
        else:
            self._fail(error)

    def _resume(self) -> None:
        """Continue after the bytes that the newest view reports."""
        self._round += 1
        view = self._courier.current(self._document.session)
        shown = view.documents.get(self._document.field_id) if view else None
        if shown is None or shown.upload != self._upload:
            # Cleared, or another device's: our upload no longer exists.
            self._again(UploadFailed("another upload replaced this one"))
            return
        self._plan.resume(shown.received or 0)
        self._send()

    def _send(self) -> None:
        for start, end in self._plan.take():
            self._courier.send_chunk(
                self._document.session,
                self._upload,
                start,
                self._document.data[start:end],
                self._when_acknowledged(self._round, start),
            )
        if self._plan.all_sent and not self._finishing:
            self._finish()

    def _when_acknowledged(self, sent_in: int, start: int) -> Callable[[], None]:
        def acknowledged() -> None:
            if sent_in == self._round:
                self._plan.acknowledged(start)
                self._send()

        return acknowledged

    def _finish(self) -> None:
        self._finishing = True
        self._courier.command(
            self._document.session, FinishUpload, upload=self._upload
        ).add_done_callback(self._finished)

    def _finished(self, answer: Any) -> None:
        self._finishing = False
        error = answer.exception()
        if error is None:
            self._stop_listening()
            self._pending.settle(answer.result())
            return
        code = error.code if isinstance(error, Refused) else None
        if code is RejectionCode.UPLOAD_INCOMPLETE:
            self._again(error, self._synchronize)
        elif code is RejectionCode.UPLOAD_CORRUPT:
            self._again(error)
        else:
            self._fail(error)

    def _again(self, error: Exception, way: Callable[[], None] | None = None) -> None:
        """Retry, by default from the beginning, until the attempts are used up."""
        self._tries += 1
        if self._tries < _TRIES:
            (way or self.begin)()
        else:
            self._fail(UploadFailed(f"gave up after {_TRIES} attempts; the last error: {error}"))

    def _connectivity(self, now: Connectivity) -> None:
        """Request the view once reconnected: what arrived of the bytes in flight is unknown."""
        if now.online and not self._finishing and self._upload:
            self._synchronize()

    def _synchronize(self) -> None:
        self._round += 1
        self._plan.resume(len(self._document.data))
        this_round = self._round

        def synchronized(answer: Any) -> None:
            if isinstance(answer.exception(), Closed):
                self._fail(answer.exception())
            elif this_round == self._round:
                self._resume()

        self._courier.synchronize(self._document.session).add_done_callback(synchronized)

    def _fail(self, error: Exception) -> None:
        self._stop_listening()
        self._pending.fail(error)
