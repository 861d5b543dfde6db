"""Download of one document to a staff screen: FETCH_DOCUMENT, then its bytes in parts."""

from collections.abc import Callable
from typing import Any

from clients.sdk.notifications import Connectivity, DocumentPart
from clients.sdk.pending import Pending
from schemas.wire.views import FacilityView


class Assembly:
    """Reassembles the parts of one upload, in any order and with duplicates."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}

    def add(self, offset: int, data: bytes) -> None:
        """Add a part."""
        if len(data) > len(self._parts.get(offset, b"")):
            self._parts[offset] = data

    def whole(self, size: int) -> bytes | None:
        """Return the document once all its bytes have arrived, or None before."""
        document = bytearray()
        for offset in sorted(self._parts):
            if offset > len(document):
                return None
            document += self._parts[offset][len(document) - offset :]
        return bytes(document) if len(document) == size else None


class Fetch:
    """Requests a document until it is complete, again after a lost connection.

    `ask` sends FETCH_DOCUMENT. Runs in the network thread.
    """

    def __init__(
        self,
        session: str,
        field_id: str,
        ask: Callable[[], Pending[FacilityView]],
        pending: Pending[bytes],
    ) -> None:
        self._session = session
        self._field_id = field_id
        self._ask = ask
        self._pending = pending
        self._by_upload: dict[str, Assembly] = {}
        self._expected: tuple[str, int] | None = None
        self._asking = False

    def begin(self) -> None:
        """Request the document."""
        self._asking = True
        self._ask().add_done_callback(self._accepted)

    def _accepted(self, answer: Any) -> None:
        self._asking = False
        error = answer.exception()
        if error is not None:
            self._pending.fail(error)
            return
        document = answer.result().documents.get(self._field_id)
        if document is not None and document.upload and document.size is not None:
            self._expected = (document.upload, document.size)
        self._look()

    def arrived(self, part: DocumentPart) -> None:
        """Handle a part of any document."""
        if part.session == self._session:
            self._by_upload.setdefault(part.upload, Assembly()).add(part.offset, part.data)
            self._look()

    def connectivity(self, now: Connectivity) -> None:
        """Request again after a lost connection: parts in flight were lost with it."""
        if now.online and not self._asking and not self._pending.done():
            self.begin()

    def _look(self) -> None:
        if self._expected is None or self._expected[0] not in self._by_upload:
            return
        upload, size = self._expected
        whole = self._by_upload[upload].whole(size)
        if whole is not None:
            self._pending.settle(whole)
