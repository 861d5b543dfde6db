"""What follows from a change of a session, each effect with the change that brings it."""

from schemas.base import Role
from schemas.topics import MAX_CHUNK
from schemas.wire.views import DocumentStatus, SessionStatus
from session_controller.engine.effects import NO_EFFECTS, effects
from session_controller.engine.events import UploadProgressed
from session_controller.engine.state import Document, OpenCode, Participant, StoredDocument
from session_controller.engine.uploads import TOO_LARGE, OutOfOrder, take_chunk

from .play import PATIENT, START, Play, flow_of, item

SESSION = Play(flow_of(item("card", "attachment"))).session
STATE = SESSION.state


def document(upload: str, received: int = 10, *, file: str | None = None) -> Document:
    """Return a document of 100,000 bytes of which so many are here."""
    stored = StoredDocument(file=file, sha256="", size=1, media_type="image/png") if file else None
    status = DocumentStatus.RECEIVED if file else DocumentStatus.RECEIVING
    return Document(
        upload=upload,
        size=100_000,
        sha256="",
        media_type="image/png",
        received=received,
        status=status,
        stored=stored,
    )


def test_most_changes_have_no_effect_beyond_their_views() -> None:
    """An answer concerns the session's own screens alone."""
    assert effects(STATE, STATE.but(answers={"card": "x"}, revision=9)) is NO_EFFECTS


def test_the_patient_who_leaves_is_released_and_the_next_assigned() -> None:
    """And who left sees nothing more."""
    others = {name: p for name, p in STATE.participants.items() if name != PATIENT}
    found = effects(STATE, STATE.but(participants=others))
    assert (found.left, found.released, found.assigned) == ((PATIENT,), PATIENT, None)
    new = Participant(role=Role.PATIENT, online=True, since=START, joined_at=START)
    found = effects(STATE, STATE.but(participants={**others, "tablet-2": new}))
    assert (found.left, found.released, found.assigned) == ((PATIENT,), PATIENT, "tablet-2")


def test_the_end_releases_the_patient_and_delivers_what_was_completed() -> None:
    """A session that was cancelled or expired is not delivered."""
    for status in (SessionStatus.COMPLETED, SessionStatus.CANCELLED, SessionStatus.EXPIRED):
        found = effects(STATE, STATE.but(status=status))
        assert found.released == PATIENT
        assert found.left == ()
        assert found.completed is (status is SessionStatus.COMPLETED)
    completed = STATE.but(status=SessionStatus.COMPLETED)
    assert not effects(completed, completed.but(participants={})).completed


def test_a_code_that_is_used_replaced_or_gone_is_closed() -> None:
    """One whose time alone moved stays open."""
    code = OpenCode(serial=1, expires_at=START)
    opened = STATE.but(code=code)
    assert effects(STATE, opened).closed_code is None
    assert effects(opened, STATE).closed_code == 1
    assert effects(opened, STATE.but(code=OpenCode(serial=2, expires_at=START))).closed_code == 1


def test_bytes_of_documents_that_are_none_any_more_are_dropped() -> None:
    """Taken back, begun anew, kept as a file now, or never to be whole."""
    partial = STATE.but(documents={"card": document("a")})
    for after in ({}, {"card": document("b")}, {"card": document("a", 0)}):
        found = effects(partial, STATE.but(documents=after))
        assert (found.dropped_uploads, found.dropped_files) == (("a",), ())
    more = effects(partial, STATE.but(documents={"card": document("a", 20)}))
    assert (more.dropped_uploads, more.dropped_files) == ((), ())
    whole = STATE.but(documents={"card": document("a", file="f")})
    assert effects(partial, whole).dropped_uploads == ("a",)
    assert effects(whole, STATE).dropped_files == ("f",)
    ended = effects(partial, partial.but(status=SessionStatus.EXPIRED))
    assert ended.dropped_uploads == ("a",)
    assert effects(whole, whole.but(status=SessionStatus.EXPIRED)).dropped_files == ()


def test_chunks_are_taken_in_order_and_nothing_beyond_what_was_announced() -> None:
    """The offsets just around each bound, one by one."""
    session = SESSION._replace(state=STATE.but(documents={"card": document("a", 10)}))

    def taken(offset: str, size: int, device: str = PATIENT, upload: str = "a") -> object:
        return take_chunk(session, device, upload, offset, size)

    assert taken("10", 5) == UploadProgressed(field_id="card", received=15)
    assert taken("9", 5) == OutOfOrder(duplicate=True)
    assert taken("11", 5) == OutOfOrder(duplicate=False)
    assert taken("10", 0) == OutOfOrder(duplicate=False)
    assert taken("10", MAX_CHUNK + 1) is TOO_LARGE
    assert taken("99999", 2) is TOO_LARGE
    for nobody in (
        taken("10", 5, device="desk"),
        taken("10", 5, upload="b"),
        taken("x", 5),
        taken("1" * 14, 5),
    ):
        assert nobody is None
    over = session._replace(state=session.state.but(status=SessionStatus.CANCELLED))
    assert take_chunk(over, PATIENT, "a", "10", 5) is None
    kept = SESSION._replace(state=STATE.but(documents={"card": document("a", 10, file="f")}))
    assert take_chunk(kept, PATIENT, "a", "10", 5) is None
