"""Bad documents over the wire: each is refused in a word, and nothing of it stays in the box."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest

from tests.contract.forms import begin, chunks, form, item, put
from tests.contract.raw import Json, Pair, room
from tests.media.samples import huge_png, noise, pdf, telling, written
from tests.pictures import png

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PAPERS = form("acceptance-papers", item("step", "group", item=[item("card", "attachment")]))
PICTURE = written(noise(size=(160, 120)), "PNG")
PHOTO = written(noise(size=(160, 120)), "JPEG", quality=90)
assert len(PICTURE) > 20_000


@pytest.fixture
def pair(data: Path) -> Iterator[Pair]:
    """A session on the box that serves, at the step with the document."""
    port = int(json.loads((data / "box.json").read_text())["mqtt"].rsplit(":", 1)[1])
    with room(port, json.loads((data / "admin.json").read_text())) as found:
        yield Pair(found, PAPERS)


class Left:
    """What the box keeps of a session's documents, on its disk."""

    def __init__(self, data: Path, pair: Pair) -> None:
        self._data, self._session = data, pair.session

    @property
    def parts(self) -> int:
        """Files of uploads that are not complete."""
        return sum(path.suffix == ".part" for path in self._found())

    @property
    def files(self) -> int:
        """All other files in its folder of documents."""
        return len(self._found()) - self.parts

    def _found(self) -> list[Path]:
        folder = self._data / "documents" / self._session
        return list(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def left(data: Path, pair: Pair) -> Left:
    """What is left of that session's documents."""
    return Left(data, pair)


def send(pair: Pair, data: bytes, media_type: str, **announced: object) -> None:
    """Announce a document and send its bytes."""
    begin(pair, "card", "bad", data, media_type=media_type, **announced)
    for offset, chunk in chunks(data):
        put(pair, "bad", offset, chunk)


def take_a_good_one(pair: Pair, left: Left) -> None:
    """See that a good document is taken after a bad one."""
    begin(pair, "card", "good", PICTURE)
    for offset, chunk in chunks(PICTURE):
        put(pair, "good", offset, chunk)
    pair.fill("FINISH_UPLOAD", upload="good")
    assert (left.parts, left.files) == (0, 1)


def status(pair: Pair) -> Json:
    """Return the status of the document."""
    found: Json = pair.patient.sync(pair.session)["documents"]["card"]
    return found


def _script(document: pikepdf.Pdf) -> None:
    action = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String("app.alert(1)"))
    document.Root.OpenAction = action


_BAD = {
    "corrupt PNG": (PICTURE[:200] + bytes(64) + PICTURE[264:], "image/png", "damaged"),
    "truncated PNG": (PICTURE[: len(PICTURE) // 2], "image/png", "damaged"),
    "truncated JPEG": (PHOTO[: len(PHOTO) // 2], "image/jpeg", "damaged"),
    "JPEG with a broken head": (PHOTO[:2] + bytes(40) + PHOTO[42:], "image/jpeg", "pretends"),
    "truncated GIF": (telling("GIF")[:60], "image/gif", "damaged"),
    "truncated WebP": (telling("WEBP")[:80], "image/webp", "damaged"),
    "decompression bomb": (huge_png(60_000, 60_000), "image/png", "too_large"),
    "PDF with a script": (pdf(_script), "application/pdf", "active_content"),
    "truncated PDF": (pdf()[:-40], "application/pdf", "damaged"),
    "PDF that asks for a password": (
        pdf(encryption=pikepdf.Encryption(owner="o", user="u")),
        "application/pdf",
        "encrypted",
    ),
    "JPEG that says it is a PNG": (PHOTO, "image/png", "pretends"),
    "HTML that says it is a picture": (b"<html><script>1</script>", "image/jpeg", "pretends"),
    "program that says it is a PDF": (b"MZ" + bytes(200), "application/pdf", "pretends"),
}


@pytest.mark.parametrize("name", _BAD)
def test_what_is_no_good_document(pair: Pair, left: Left, name: str) -> None:
    """It is refused with the reason, its bytes are gone, and a good one is taken after it."""
    data, media_type, reason = _BAD[name]
    send(pair, data, media_type)
    refusal = pair.fill_in_vain("FINISH_UPLOAD", "upload_corrupt", upload="bad")
    assert refusal["details"]["reason"] == reason
    assert (left.parts, left.files) == (0, 0)
    assert status(pair)["status"] == "receiving"
    take_a_good_one(pair, left)


def test_a_wrong_hash(pair: Pair, left: Left) -> None:
    """Bytes that are not the announced ones are refused, and gone."""
    send(pair, PICTURE, "image/png", sha256=hashlib.sha256(b"another").hexdigest())
    pair.fill_in_vain("FINISH_UPLOAD", "upload_corrupt", upload="bad")
    assert (left.parts, left.files) == (0, 0)
    take_a_good_one(pair, left)


def test_a_wrong_hash_said_again(pair: Pair, left: Left) -> None:
    """Nothing is there any more: the same upload goes on from its first byte."""
    send(pair, PICTURE, "image/png", sha256=hashlib.sha256(b"another").hexdigest())
    pair.fill_in_vain("FINISH_UPLOAD", "upload_corrupt", upload="bad")
    since = pair.patient.mark()
    finish = pair.patient.send(pair.session, "FINISH_UPLOAD", upload="bad")
    assert pair.patient.answer(pair.session, finish, since)["code"] == "upload_incomplete"
    assert status(pair)["received"] == 0
    assert left.parts == 0


def test_more_than_was_announced(pair: Pair, left: Left) -> None:
    """Bytes beyond the announced size are refused; what is whole without them is taken."""
    begin(pair, "card", "bad", PICTURE, size=len(PICTURE) - 1)
    since = pair.patient.mark()
    for offset, chunk in chunks(PICTURE):
        put(pair, "bad", offset, chunk)
    pair.patient.wait(lambda m: b"too_large" in m.payload, since)
    pair.fill_in_vain("FINISH_UPLOAD", "upload_incomplete", upload="bad")
    pair.lead("CANCEL", reason="over")
    assert (left.parts, left.files) == (0, 0)


def test_less_than_was_announced(pair: Pair, left: Left) -> None:
    """An upload that never ends is refused, may go on, and is gone with the session's end."""
    send(pair, PICTURE, "image/png", size=len(PICTURE) + 1)
    refusal = pair.fill_in_vain("FINISH_UPLOAD", "upload_incomplete", upload="bad")
    assert refusal["details"]["received"] == len(PICTURE)
    assert left.files == 0
    pair.lead("CANCEL", reason="over")
    assert (left.parts, left.files) == (0, 0)


@pytest.mark.parametrize("size", [0, -1, 10**12])
def test_a_size_that_cannot_be(pair: Pair, left: Left, size: int) -> None:
    """It is refused when it is announced."""
    code = "too_large" if size > 0 else "malformed"
    since = pair.patient.mark()
    pair.patient.send(
        pair.session,
        "BEGIN_UPLOAD",
        field_id="card",
        upload="bad",
        size=size,
        sha256="0" * 64,
        media_type="image/png",
    )
    pair.patient.wait(lambda m: code.encode() in m.payload, since)
    assert (left.parts, left.files) == (0, 0)
    assert status(pair)["status"] == "missing"


def test_two_uploads_for_one_field(pair: Pair, left: Left) -> None:
    """The newer one counts; the older is refused, and its bytes are gone at once."""
    older, newer = png(150_000), png(90_000, seed=2)
    begin(pair, "card", "older", older)
    put(pair, "older", 0, older[:65_536])
    begin(pair, "card", "newer", newer)
    for (at, one), (also_at, other) in zip(chunks(older)[1:], chunks(newer), strict=False):
        put(pair, "older", at, one)
        put(pair, "newer", also_at, other)
    pair.patient.view(
        pair.session, lambda view: view["documents"]["card"]["received"] == len(newer)
    )
    pair.fill_in_vain("FINISH_UPLOAD", "upload_incomplete", upload="older")
    assert status(pair)["upload"] == "newer"
    pair.fill("FINISH_UPLOAD", upload="newer")
    assert (left.parts, left.files) == (0, 1)


def test_an_upload_beside_one_that_is_looked_at(pair: Pair, left: Left) -> None:
    """While the box looks at a document another is begun: one file is kept, that of the other."""
    first, second = png(150_000), png(90_000, seed=2)
    begin(pair, "card", "first", first)
    for offset, chunk in chunks(first):
        put(pair, "first", offset, chunk)
    since = pair.patient.mark()
    pair.patient.send(pair.session, "FINISH_UPLOAD", upload="first")
    begun = pair.patient.send(
        pair.session,
        "BEGIN_UPLOAD",
        field_id="card",
        upload="second",
        size=len(second),
        sha256=hashlib.sha256(second).hexdigest(),
        media_type="image/png",
    )
    pair.patient.answer(pair.session, begun, since)
    for offset, chunk in chunks(second):
        put(pair, "second", offset, chunk)
    pair.fill("FINISH_UPLOAD", upload="second")
    assert (left.parts, left.files) == (0, 1)
    assert status(pair)["upload"] == "second"


def test_a_session_that_ends_while_a_document_is_looked_at(pair: Pair, left: Left) -> None:
    """Whichever comes first, no file and no part is left that is no document of the session."""
    picture = png(150_000)
    send(pair, picture, "image/png")
    pair.patient.send(pair.session, "FINISH_UPLOAD", upload="bad")
    pair.lead("CANCEL", reason="over")
    since = pair.patient.mark()
    pair.patient.send(pair.session, "FINISH_UPLOAD", upload="another")
    pair.patient.wait(lambda m: b"session_ended" in m.payload, since)
    listed = pair.room.admin.ask("LIST_DOCUMENTS", "DOCUMENTS", session=pair.session)
    kept = [one for one in listed["documents"] if one["status"] != "receiving"]
    assert (left.parts, left.files) == (0, len(kept))


def test_chunks_out_of_order_doubled_and_beyond_the_end(pair: Pair, left: Left) -> None:
    """None lands in a wrong place; what was refused or dropped is not kept."""
    data = png(150_000)
    begin(pair, "card", "bad", data)
    parts = chunks(data, 30_000)
    for offset, chunk in [parts[2], parts[4], parts[0], parts[0], parts[3]]:
        put(pair, "bad", offset, chunk)
    pair.patient.view(pair.session, lambda v: v["documents"]["card"].get("received") == 30_000)
    assert left.parts == 1
    since = pair.patient.mark()
    put(pair, "bad", len(data), b"beyond")
    pair.patient.wait(lambda m: b"too_large" in m.payload, since)
    assert left.parts == 1
    for offset, chunk in parts[1:]:
        put(pair, "bad", offset, chunk)
        put(pair, "bad", offset, chunk)
    pair.fill("FINISH_UPLOAD", upload="bad")
    assert (left.parts, left.files) == (0, 1)
