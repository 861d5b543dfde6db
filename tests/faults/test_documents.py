"""The box dies while a document arrives: the screen goes on by itself, and nothing is left over."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients.sdk.pending import Pending
from schemas.wire.views import DocumentStatus, PatientView
from session_controller.failpoints import OF_A_DOCUMENT, Point
from session_controller.integrity.data_folder import reading, verify
from tests.machine import free_port
from tests.media.samples import exif, noise, written
from tests.pictures import png

from .crew import Couple, crew
from .processes import BoxProcess

_DIES_WITHIN_S = 60.0
DOCUMENT = "new-card"
"""The field that takes one."""
PICTURE = png(300_000)
PHOTO = written(noise(size=(300, 200)), "JPEG", quality=98, exif=exif())
assert len(PHOTO) > 1 << 16

_DEATHS = [
    (Point.PART_WRITTEN, 1, PICTURE),
    (Point.PART_WRITTEN, 2, PICTURE),
    (Point.PART_SYNCED, 1, PICTURE),
    (Point.PART_SYNCED, 2, PICTURE),
    (Point.DOCUMENT_NAMED, 1, PICTURE),
    (Point.DOCUMENT_NAMED, 1, PHOTO),
    (Point.REMOVING_PART, 1, PICTURE),
    (Point.REMOVING_PART, 1, PHOTO),
]
assert {point for point, *_ in _DEATHS} == {*OF_A_DOCUMENT}


@contextmanager
def couple_at_a_document(data: Path, port: int) -> Iterator[Couple]:
    """Yield a session on the step with a document, and a box that was stopped after it."""
    with crew() as people:
        with BoxProcess(data, port) as box:
            assert box.ready()
            people.hire(data, f"mqtt://127.0.0.1:{port}", 1)
            (couple,) = people.couples
            for field, value in (("last-name", "Ada"), ("birth-date", "1990-02-01")):
                couple.patient.enter_field(couple.session, field, value).result(20)
            couple.staff.navigate(couple.session, "changes").result(20)
            couple.patient.enter_field(couple.session, "anything-changed", True).result(20)
            assert box.stop() == 0
        yield couple


def taken_after_a_start(data: Path, port: int, sent: Pending[PatientView]) -> None:
    """Start the box again, and see that a document is taken without anybody's doing."""
    with BoxProcess(data, port) as box:
        assert box.ready()
        view = sent.result(60)
        assert view.documents[DOCUMENT].status is DocumentStatus.RECEIVED
        assert box.stop() == 0
    assert "Traceback" not in box.log.read_text()


def _files(data: Path, session: str) -> list[str]:
    return sorted(path.name for path in (data / "documents" / session).iterdir())


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize(("point", "nth", "document"), _DEATHS)
def test_killed_while_a_document_arrives(
    tmp_path: Path, point: Point, nth: int, document: bytes
) -> None:
    """It is taken after the next start without anybody's doing, whole and once."""
    data, port = tmp_path / "data", free_port()
    media_type = "image/png" if document is PICTURE else "image/jpeg"
    with couple_at_a_document(data, port) as couple:
        with BoxProcess(data, port, point=point.value, nth=nth) as box:
            sent = couple.patient.start_upload(couple.session, DOCUMENT, document, media_type)
            assert box.fell(_DIES_WITHIN_S), f"{point} was not reached {nth} times"
        left = _files(data, couple.session)
        named = point in (Point.DOCUMENT_NAMED, Point.REMOVING_PART)
        assert (len(left), sum(name.endswith(".part") for name in left)) == (1 + named, 1)
        taken_after_a_start(data, port, sent)
    with reading(data / "handrail.sqlite") as reader:
        state = reader.state(couple.session)
        assert state is not None
        found = state.documents[DOCUMENT]
        assert found.stored is not None
        content = reader.document(couple.session, found)
    assert (content == document) == (document is PICTURE)
    assert _files(data, couple.session) == [found.stored.file]
    assert verify(data / "handrail.sqlite").faults == ()


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("point", [Point.PART_SYNCED, Point.DOCUMENT_NAMED])
def test_an_upload_whose_bytes_are_lost_begins_again(tmp_path: Path, point: Point) -> None:
    """As after a restore: the screen sends all of it again by itself."""
    data, port = tmp_path / "data", free_port()
    with couple_at_a_document(data, port) as couple:
        with BoxProcess(data, port, point=point.value, nth=1 + (point is Point.PART_SYNCED)) as box:
            sent = couple.patient.start_upload(couple.session, DOCUMENT, PICTURE, "image/png")
            assert box.fell(_DIES_WITHIN_S)
        (part,) = (data / "documents" / couple.session).glob("*.part")
        part.unlink()
        taken_after_a_start(data, port, sent)
