"""A document that is cut or changed anywhere is refused, or is still what it says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_controller.media.inspection import inspect
from session_controller.media.outcome import Inspected, Unfit
from tests.media.samples import TYPES, noise, pdf, refused, telling, written

SMALL = {
    TYPES[kind]: written(noise("P" if kind == "GIF" else "RGB", (12, 9)), kind) for kind in TYPES
}
SAMPLES = [*SMALL.items(), *((TYPES[kind], telling(kind)) for kind in TYPES)]
SAMPLES.append(("application/pdf", pdf()))


@pytest.mark.parametrize("media_type", SMALL)
def test_a_picture_that_was_cut_is_damaged(media_type: str) -> None:
    """Cut after any byte, a picture is refused."""
    data = SMALL[media_type]
    reasons = {refused(data[:end], media_type) for end in range(1, len(data))}
    assert reasons <= {"damaged", "pretends"}
    assert refused(data[:-1], media_type) == "damaged"


def test_a_pdf_that_was_cut_is_damaged() -> None:
    """Cut after any byte but the last line's end, a PDF is refused."""
    data = pdf()
    reasons = {refused(data[:end], "application/pdf") for end in range(1, data.rindex(b"F") + 1)}
    assert reasons <= {"damaged", "pretends"}


@settings(deadline=None)  # a decoder is imported, and the machine may be busy
@given(sample=st.sampled_from(SAMPLES), data=st.data())
def test_a_changed_byte_never_breaks_the_reader(
    sample: tuple[str, bytes], data: st.DataObject
) -> None:
    """Whatever bytes change, the answer is a refusal, or the same kind of document."""
    media_type, original = sample
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    answer = inspect(bytes(changed), media_type, ("image/*", "application/pdf"))
    if isinstance(answer, Inspected):
        assert answer.media_type == media_type


@settings(deadline=None)  # a decoder is imported, and the machine may be busy
@given(data=st.binary(max_size=200), announced=st.sampled_from([*SMALL, "text/plain", "a/b"]))
def test_noise_never_breaks_the_reader(data: bytes, announced: str) -> None:
    """Any bytes under any name get an answer."""
    answer = inspect(data, announced, ("*/*",))
    assert isinstance(answer, Unfit) or answer.data in {data, data[: len(answer.data)]}


@settings(deadline=None)  # a decoder is imported, and the machine may be busy
@given(kind=st.sampled_from(list(SMALL)), rest=st.binary(max_size=100))
def test_a_beginning_alone_never_breaks_the_reader(kind: str, rest: bytes) -> None:
    """The first bytes of a picture and then noise get a refusal."""
    data = SMALL[kind][:14] + rest
    assert refused(data, kind) in {"damaged", "too_large", "pretends"}
