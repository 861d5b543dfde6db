"""Documents: chunks in any order, resuming, what is refused, and fetching the same bytes."""

import hashlib
import random
import uuid

import pytest

from tests.pictures import png

from .forms import PNG, VISIT, begin, chunks, form, item, put, reach, upload
from .raw import ROOT, Device, Json, Pair, Room


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on the step with the document."""
    found = Pair(clinic, VISIT)
    reach(found, "papers")
    return found


def received(pair: Pair, count: int) -> Json:
    """Wait until the patient's view tells that so many bytes have arrived."""
    view = pair.patient.view(
        pair.session, lambda v: v["documents"]["card"].get("received", -1) >= count
    )
    found: Json = view["documents"]["card"]
    return found


def fetch(pair: Pair, device: Device, field: str = "card") -> tuple[str, bytes]:
    """Request a document as a facility device, and join its chunks."""
    view = device.sync(pair.session)
    size = view["documents"][field]["size"]
    begins = f"{ROOT}/sessions/{pair.session}/documents/{device.device}/"
    since = device.mark()
    device.do(pair.session, "FETCH_DOCUMENT", field_id=field)
    parts: dict[int, bytes] = {}
    names = set()
    while sum(map(len, parts.values())) < size:
        found = device.wait(
            lambda m: m.topic.startswith(begins) and int(m.topic.rsplit("/", 1)[1]) not in parts,
            since,
        )
        _, name, offset = found.topic.rsplit("/", 2)
        names.add(name)
        parts[int(offset)] = found.payload
        assert len(found.payload) <= 65_536
        assert not found.retain
    (name,) = names
    whole = b""
    for at in sorted(parts):
        assert at == len(whole)
        whole += parts[at]
    return name, whole


def test_a_document_arrives_and_is_fetched_byte_for_byte(pair: Pair) -> None:
    """FETCH_DOCUMENT sends the very bytes, to that facility device alone."""
    upload(pair, "card", "card-1", PNG)
    assert fetch(pair, pair.staff) == ("card-1", PNG)
    pair.patient.sync(pair.session)
    assert not [m for m in pair.patient.messages if "/documents/" in m.topic]


def test_an_upload_is_resumed_from_received(pair: Pair) -> None:
    """After a lost connection the view tells `received`, and the rest is sent from there."""
    name = str(uuid.uuid4())
    begin(pair, "card", name, PNG)
    first, *rest = chunks(PNG, 30_000)
    put(pair, name, *first)
    received(pair, 30_000)
    pair.patient.vanish()
    pair.patient.online()
    found = received(pair, 30_000)
    assert (found["upload"], found["status"], found["size"]) == (name, "receiving", len(PNG))
    for offset, chunk in rest:
        put(pair, name, offset, chunk)
    pair.fill("FINISH_UPLOAD", upload=name)
    assert fetch(pair, pair.staff) == (name, PNG)


def test_beginning_again_keeps_what_has_arrived(pair: Pair) -> None:
    """BEGIN_UPLOAD of the same upload, after a lost memory, does not start it over."""
    begin(pair, "card", "card-1", PNG)
    put(pair, "card-1", *chunks(PNG)[0])
    received(pair, 65_536)
    begin(pair, "card", "card-1", PNG)
    assert received(pair, 65_536)["status"] == "receiving"
    put(pair, "card-1", *chunks(PNG)[1])
    pair.fill("FINISH_UPLOAD", upload="card-1")
    assert fetch(pair, pair.staff)[1] == PNG


def test_duplicate_and_overlapping_chunks_do_no_harm(pair: Pair) -> None:
    """A chunk that arrives twice (QoS 1), or overlaps what is there, counts once."""
    begin(pair, "card", "card-1", PNG)
    for offset, chunk in chunks(PNG, 40_000):
        put(pair, "card-1", offset, chunk)
        put(pair, "card-1", offset, chunk)
    put(pair, "card-1", 20_000, PNG[20_000:60_000])
    received(pair, len(PNG))
    pair.fill("FINISH_UPLOAD", upload="card-1")
    assert fetch(pair, pair.staff)[1] == PNG


def test_out_of_order_chunks_end_in_the_whole_document(pair: Pair) -> None:
    """What `received` does not cover is sent again from there; nothing is put in a wrong place."""
    parts = chunks(PNG, 10_000)
    shuffled = parts[:]
    random.Random(7).shuffle(shuffled)
    begin(pair, "card", "card-1", PNG)
    for offset, chunk in shuffled:
        put(pair, "card-1", offset, chunk)
    at = pair.patient.sync(pair.session)["documents"]["card"]["received"]
    assert at % 10_000 == 0 or at == len(PNG)
    while at < len(PNG):
        put(pair, "card-1", at, PNG[at : at + 10_000])
        at = min(at + 10_000, len(PNG))
        at = received(pair, at)["received"]
    pair.fill("FINISH_UPLOAD", upload="card-1")
    assert fetch(pair, pair.staff)[1] == PNG


def test_an_upload_that_is_not_whole_is_incomplete(pair: Pair) -> None:
    """FINISH_UPLOAD too early is `upload_incomplete`; the upload can go on."""
    begin(pair, "card", "card-1", PNG)
    pair.fill_in_vain("FINISH_UPLOAD", "upload_incomplete", upload="card-1")
    put(pair, "card-1", *chunks(PNG)[0])
    received(pair, 65_536)
    refusal = pair.fill_in_vain("FINISH_UPLOAD", "upload_incomplete", upload="card-1")
    assert refusal["details"].get("received", 65_536) == 65_536
    pair.fill_in_vain("FINISH_UPLOAD", "upload_incomplete", upload="another")
    put(pair, "card-1", *chunks(PNG)[1])
    pair.fill("FINISH_UPLOAD", upload="card-1")


def test_an_upload_with_another_hash_is_corrupt(pair: Pair) -> None:
    """FINISH_UPLOAD of bytes that are not the announced ones is `upload_corrupt`."""
    begin(pair, "card", "card-1", PNG)
    for offset, chunk in chunks(b"X" * len(PNG)):
        put(pair, "card-1", offset, chunk)
    received(pair, len(PNG))
    pair.fill_in_vain("FINISH_UPLOAD", "upload_corrupt", upload="card-1")
    status = pair.both()[1]["documents"]["card"]["status"]
    assert status in {"receiving", "missing"}
    pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="consent")
    upload(pair, "card", "card-2", PNG)
    assert fetch(pair, pair.staff) == ("card-2", PNG)


def test_bytes_beyond_the_end_are_not_taken(pair: Pair) -> None:
    """A chunk beyond the announced size does not grow the document."""
    data = png(500)
    begin(pair, "card", "card-1", data)
    put(pair, "card-1", 0, data + b"more")
    put(pair, "card-1", len(data), b"more")
    put(pair, "card-1", 10**9, b"more")
    put(pair, "card-1", 0, data)
    received(pair, len(data))
    pair.fill("FINISH_UPLOAD", upload="card-1")
    assert fetch(pair, pair.staff)[1] == data


@pytest.mark.parametrize("size", [200_001, 10**9, 2**40])
def test_a_document_that_is_too_large_is_refused(pair: Pair, size: int) -> None:
    """Beyond the field's `maxSize`: `too_large` with the `limit`."""
    refusal = pair.fill_in_vain(
        "BEGIN_UPLOAD",
        "too_large",
        field_id="card",
        upload="card-1",
        size=size,
        sha256="0" * 64,
        media_type="image/png",
    )
    assert refusal["details"]["limit"] == 200_000


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"media_type": "application/x-msdownload"}, {"wrong_field_kind"}),
        ({"media_type": "image/jpeg"}, {"wrong_field_kind"}),
        ({"media_type": ""}, {"malformed", "wrong_field_kind"}),
        ({"size": 0}, {"malformed", "upload_incomplete"}),
        ({"size": -1}, {"malformed"}),
        ({"size": "100"}, {"malformed"}),
        ({"size": 1.5}, {"malformed"}),
        ({"sha256": "00"}, {"malformed"}),
        ({"sha256": "G" * 64}, {"malformed"}),
        ({"upload": ""}, {"malformed"}),
        ({"upload": "a/b"}, {"malformed"}),
        ({"upload": "+"}, {"malformed"}),
        ({"upload": "x" * 65}, {"malformed"}),
        ({"field_id": "note"}, {"wrong_field_kind"}),
        ({"field_id": "nothing"}, {"unknown_field"}),
        ({"field_id": "name"}, {"wrong_field_kind"}),
        ({"field_id": "agree"}, {"field_not_on_this_step"}),
    ],
)
def test_an_upload_that_the_field_does_not_take_is_refused(
    pair: Pair, change: Json, codes: set[str]
) -> None:
    """Media type, size, hash, id and field are checked when the upload is announced."""
    fields = {
        "field_id": "card",
        "upload": "card-1",
        "size": 100,
        "sha256": "0" * 64,
        "media_type": "image/png",
        **change,
    }
    since = pair.patient.mark()
    command = pair.patient.send(pair.session, "BEGIN_UPLOAD", **fields)
    answer = pair.patient.answer(pair.session, command, since)
    answer = answer if "code" in answer else pair.patient.messages[-1].json
    assert answer.get("code") in codes, answer
    assert pair.both()[1]["documents"]["card"] == {"status": "missing"}


def test_a_hash_may_be_written_in_capitals(pair: Pair) -> None:
    """SHA-256 in hexadecimal is the same in either case, or refused; it is never corrupt."""
    digest = hashlib.sha256(PNG).hexdigest().upper()
    since = pair.patient.mark()
    command = pair.patient.send(
        pair.session,
        "BEGIN_UPLOAD",
        field_id="card",
        upload="card-1",
        size=len(PNG),
        sha256=digest,
        media_type="image/png",
    )
    answer = pair.patient.answer(pair.session, command, since)
    if answer.get("type") == "REJECTION":
        assert answer["code"] == "malformed"
        return
    for offset, chunk in chunks(PNG):
        put(pair, "card-1", offset, chunk)
    pair.fill("FINISH_UPLOAD", upload="card-1")


def test_a_newer_upload_replaces_the_older(pair: Pair) -> None:
    """BEGIN_UPLOAD with another id starts over; late chunks of the old one go nowhere."""
    upload(pair, "card", "card-1", PNG)
    newer = png(50_000, seed=2)
    begin(pair, "card", "card-2", newer)
    found = pair.both()[1]["documents"]["card"]
    assert (found["status"], found["upload"], found["received"]) == ("receiving", "card-2", 0)
    put(pair, "card-1", *chunks(PNG)[0])
    for offset, chunk in chunks(newer):
        put(pair, "card-2", offset, chunk)
    pair.fill("FINISH_UPLOAD", upload="card-2")
    assert fetch(pair, pair.staff) == ("card-2", newer)


def test_chunks_of_nobodys_upload_are_dropped(pair: Pair) -> None:
    """Chunks of unknown uploads, of strangers, of silly offsets change nothing."""
    stranger = pair.room.enrol("patient", "Stranger")
    begin(pair, "card", "card-1", PNG)
    for device in (pair.patient, stranger, pair.staff):
        for name, offset in (
            ("unknown", "0"),
            ("card-1", "-1"),
            ("card-1", "x"),
            ("card-1", "1e3"),
            ("card-1", "9" * 60),
            ("card-1", "0/0"),
            ("card-1", ""),
        ):
            device.publish(
                f"{ROOT}/sessions/{pair.session}/uploads/{device.device}/{name}/{offset}", b"evil"
            )
    for device in (stranger, pair.staff):
        put_as = f"{ROOT}/sessions/{pair.session}/uploads/{device.device}/card-1/0"
        device.publish(put_as, b"evil")
    stranger.request("SYNC", session=pair.session)
    assert pair.patient.sync(pair.session)["documents"]["card"]["received"] == 0
    for at, chunk in chunks(PNG):
        put(pair, "card-1", at, chunk)
    pair.fill("FINISH_UPLOAD", upload="card-1")


def test_a_chunk_beyond_64_kib_is_not_taken(pair: Pair) -> None:
    """At most 64 KiB a chunk: a larger one does not count, and the service goes on."""
    begin(pair, "card", "card-1", PNG)
    put(pair, "card-1", 0, PNG[:65_537])
    pair.staff.sync(pair.session)
    if not pair.patient.connected:
        pair.patient.online()
    assert pair.patient.sync(pair.session)["documents"]["card"]["received"] == 0


def test_documents_in_a_repeating_group_stand_for_themselves(clinic: Room) -> None:
    """`{group}[{n}].{linkId}` names a document too, and uploading adds the instance."""
    cards = form(
        "cards",
        item(
            "step",
            "group",
            item=[item("policy", "group", repeats=True, item=[item("scan", "attachment")])],
        ),
    )
    pair = Pair(clinic, cards)
    first, second = png(1_000), png(1_000, seed=2)
    upload(pair, "policy[0].scan", "scan-0", first)
    upload(pair, "policy[1].scan", "scan-1", second)
    documents = pair.both()[0]["documents"]
    assert {k: v["upload"] for k, v in documents.items() if v["status"] == "received"} == {
        "policy[0].scan": "scan-0",
        "policy[1].scan": "scan-1",
    }
    assert fetch(pair, pair.staff, "policy[1].scan") == ("scan-1", second)
    pair.fill("CLEAR_FIELD", field_id="policy[0]")
    assert fetch(pair, pair.staff, "policy[0].scan") == ("scan-1", second)


def test_a_document_survives_without_a_limit_of_its_own(clinic: Room) -> None:
    """Where the form sets no `maxSize`, two megabytes are taken in chunks of 64 KiB."""
    free = form("free", item("step", "group", item=[item("scan", "attachment", required=True)]))
    pair = Pair(clinic, free)
    data = png(2_000_000)
    upload(pair, "scan", "scan-1", data)
    assert fetch(pair, pair.staff, "scan")[1] == data
