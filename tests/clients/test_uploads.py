"""Uploads: bytes get through whatever the connection and the controller do, or the caller hears."""

import hashlib

import pytest

from clients.sdk.errors import Closed, Refused, UploadFailed
from clients.sdk.network.loop import NetworkLoop
from clients.sdk.notifications import Connectivity
from clients.sdk.pending import Pending
from clients.sdk.upload import Document, Upload
from schemas.topics import MAX_CHUNK
from schemas.wire.commands import BeginUpload, FinishUpload
from schemas.wire.rejections import Rejection, RejectionCode
from schemas.wire.views import DocumentStatus, DocumentView
from tests.schemas.samples import patient_view

DATA = bytes(range(256)) * 1400
"""Six messages, the last one short."""


class Box:
    """A controller that keeps bytes as the contract says, and a courier to it."""

    def __init__(self, loop):
        self.loop = loop
        self.bytes = bytearray()
        self.upload = None
        self.lose = set()
        """Numbers of chunks that the broker takes and the controller never sees."""
        self.corrupt = 0
        self.offline_after = None
        self.refuse_begin = None
        self.chunks = []
        self.online = True
        self.listener = None
        self.acknowledgements = []

    def command(self, session, kind, **fields):
        """Decide a command at once."""
        pending = Pending(self.loop)
        code = self.begin(fields) if kind is BeginUpload else self.finish()
        if code is None:
            pending.settle(self.current(session))
        else:
            pending.fail(Refused(Rejection(code=code, message="No.")))
        assert kind in (BeginUpload, FinishUpload)
        return pending

    def begin(self, fields):
        """Open an upload."""
        self.upload, self.begun = fields["upload"], fields
        self.bytes.clear()
        return self.refuse_begin

    def finish(self):
        """Check what has come."""
        if len(self.bytes) != self.begun["size"]:
            return RejectionCode.UPLOAD_INCOMPLETE
        if self.corrupt:
            self.corrupt -= 1
            return RejectionCode.UPLOAD_CORRUPT
        assert hashlib.sha256(self.bytes).hexdigest() == self.begun["sha256"]
        return None

    def synchronize(self, session):
        """Answer at once."""
        pending = Pending(self.loop)
        pending.settle(session)
        return pending

    def current(self, _session):
        """Show how much has come."""
        shown = DocumentView(
            status=DocumentStatus.RECEIVING, upload=self.upload, received=len(self.bytes)
        )
        return patient_view(documents={"card": shown})

    def send_chunk(self, _session, upload, offset, data, done):
        """Send bytes, as far as the script permits."""
        if not self.online:
            return
        number = len(self.chunks)
        self.chunks.append(offset)
        if number not in self.lose and upload == self.upload and offset == len(self.bytes):
            self.bytes += data
        if self.offline_after == number:
            self.online = False
            return
        self.acknowledgements.append(done)

    def on_connectivity(self, callback):
        """Keep who listens."""
        self.listener = callback
        return lambda: setattr(self, "listener", None)

    def work(self):
        """Acknowledge what was sent, one by one, until nothing is left."""
        while self.acknowledgements:
            assert len(self.acknowledgements) <= 3
            self.acknowledgements.pop(0)()

    def reconnect(self):
        """Bring the connection back."""
        self.online = True
        self.acknowledgements.clear()
        self.listener(Connectivity(online=True))


@pytest.fixture
def box():
    """Yield a box; its pendings belong to a thread that ends with the test."""
    loop = NetworkLoop("test-network")
    yield Box(loop)
    loop.stop()


def begin(box):
    """Begin an upload of DATA."""
    pending = Pending(box.loop)
    Upload(box, Document("s-1", "card", DATA, "image/png"), pending).begin()
    return pending


def test_a_document_goes_in_pieces_of_at_most_64_kib(box):
    """In order, at most three in flight, then FINISH_UPLOAD."""
    pending = begin(box)
    box.work()
    assert pending.result(0).documents["card"].received == len(DATA)
    assert box.chunks == list(range(0, len(DATA), MAX_CHUNK))
    assert box.listener is None


def test_it_goes_on_where_it_stopped(box):
    """After a lost connection only what the controller lacks is sent again."""
    box.offline_after = 3
    pending = begin(box)
    box.work()
    assert not pending.done()
    stored = len(box.bytes)
    box.reconnect()
    box.work()
    assert pending.result(0)
    assert box.chunks[4:] == list(range(stored, len(DATA), MAX_CHUNK))


def test_what_the_broker_lost_is_sent_again(box):
    """`upload_incomplete` is not the end: the view tells from where to go on."""
    box.lose = {2}
    pending = begin(box)
    box.work()
    assert pending.result(0)


def test_a_damaged_document_begins_anew(box):
    """With a new upload id, since the old bytes stay wrong."""
    box.corrupt = 1
    pending = begin(box)
    first = box.upload
    box.work()
    assert pending.result(0)
    assert box.upload != first


def test_a_controller_that_never_gets_it_is_given_up(box):
    """After five tries the caller hears, without what was in the document."""
    box.corrupt = 100
    pending = begin(box)
    box.work()
    with pytest.raises(UploadFailed, match="upload_corrupt"):
        pending.result(0)


def test_a_refused_upload_is_told_at_once(box):
    """A document that the field does not take is not sent."""
    box.refuse_begin = RejectionCode.TOO_LARGE
    pending = begin(box)
    with pytest.raises(Refused, match="too_large"):
        pending.result(0)
    assert box.chunks == []


def test_another_upload_in_its_place_makes_it_begin_anew(box):
    """Where the view shows another upload, ours is begun again."""
    box.offline_after = 1
    pending = begin(box)
    box.work()
    box.upload = "other"
    box.bytes.clear()
    box.reconnect()
    box.work()
    assert pending.result(0)


def test_closing_ends_it(box):
    """Nobody waits for an upload of a client that was closed."""
    pending = begin(box)
    box.synchronize = lambda _: failed(box.loop)
    box.listener(Connectivity(online=True))
    with pytest.raises(Closed):
        pending.result(0)


def failed(loop):
    """Return an answer that will never come."""
    pending = Pending(loop)
    pending.fail(Closed("closed"))
    return pending
