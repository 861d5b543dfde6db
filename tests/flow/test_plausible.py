"""Made-up answers keep the rules of their field."""

import struct
import zlib
from random import Random

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from clients.simulator.answers import (
    NoPlausibleValue,
    plausible_document,
    plausible_strokes,
    plausible_value,
)
from clients.simulator.patterns import matching
from schemas.questionnaire.load import FlowError, load_flow
from session_controller.forms.validation import check_value, is_empty
from tests.flow.everything import EVERYTHING
from tests.flow.filling import flow_of, form_paths

_EXT = "http://hl7.org/fhir/StructureDefinition/"
_SEEDS = st.integers(0, 2**32).map(Random)


def _items():
    yield from load_flow(EVERYTHING).items.values()
    for path in form_paths():
        try:
            yield from load_flow(path.read_bytes(), fallback_id=path.stem).items.values()
        except FlowError:
            continue


ITEMS = list(_items())


@given(_SEEDS)
def test_every_made_up_value_is_valid(rng):
    """For each question of each form, what is made up is an answer without any problem."""
    for item in ITEMS:
        if item.takes_value:
            value = plausible_value(item, rng)
            assert check_value(item, value) is None, (item.link_id, value)
            assert not is_empty(value)


@pytest.mark.parametrize(
    "extensions",
    [
        [("minValue", {"valueDate": "1890-01-01"}), ("maxValue", {"valueDate": "1890-01-03"})],
        [("minValue", {"valueDate": "2090-01-01"})],
        [("maxValue", {"valueDate": "1901"})],
        [("minValue", {"valueInteger": 1000}), ("maxValue", {"valueInteger": 1001})],
        [("maxValue", {"valueDecimal": -5.5})],
        [("minValue", {"valueDecimal": 0.25}), ("maxValue", {"valueDecimal": 1.01})],
        [("maxDecimalPlaces", {"valueInteger": 0})],
        [("minLength", {"valueInteger": 300})],
        [("minValue", {"valueTime": "22:00:00"})],
        [("maxValue", {"valueTime": "06:00:00"})],
        [("maxValue", {"valueDateTime": "2001-01-01T00:00:01+02:00"})],
    ],
)
@pytest.mark.parametrize("kind", ["date", "dateTime", "time", "integer", "decimal", "string"])
def test_bounds_are_kept(kind, extensions):
    """However narrow or far away the bounds, what is made up lies within."""
    written = [{"url": _EXT + name} | value for name, value in extensions]
    suits = any(kind.lower() in str(one).lower() for one in written)
    item = flow_of({"linkId": "q", "type": kind, "extension": written}).items["q"]
    for seed in range(20 if suits else 2):
        value = plausible_value(item, Random(seed))
        assert check_value(item, value) is None, value


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d{3}-?\d{2}-?\d{4}",
        r"^(?!000)\d{5}(-\d{4})?$",
        r"[A-CEGHJ-NPR-TVXY]\d[A-Z] ?\d[A-Z]\d",
        r"(\+\d{1,2}\s?)?\(?\d{3}\)?[\s.-]?\d{3}[\s.-]?\d{4}",
        r"[^@\s]+@[^@\s]+\.[^@\s]+",
        r"(0[1-9]|1[0-2])\/(19|20)\d{2}",
        r"\p{L}[\p{L}' -]{1,30}",
        r"(?:yes|no|(?:may)?be)+?",
        r"a{2,}b*[x\]\-]\.",
        r"\(\w+\)\s\[[^a-z]\]",
    ],
)
def test_patterns_are_read_and_matched(pattern):
    """For patterns such as forms have, a matching text is made."""
    made = [matching(pattern, Random(seed)) for seed in range(40)]
    found = [text for text in made if text is not None]
    assert len(found) > 10
    assert all(regex.fullmatch(pattern, text) for text in found)


@given(st.text(alphabet=r"ab01\dw[]()-{}?*+|^$.,:!<>=p", max_size=12), _SEEDS)
def test_any_pattern_gives_a_match_or_nothing(pattern, rng):
    """Whatever the pattern, what is made matches it, or nothing is made."""
    try:
        compiled = regex.compile(pattern)
    except regex.error:
        return
    text = matching(pattern, rng)
    assert text is None or compiled.fullmatch(text)


def test_what_cannot_be_made_up_is_said():
    """A field whose rules leave nothing, or that takes no value, is named."""
    impossible = [{"url": _EXT + "regex", "valueString": "(?=a)b"}]
    between = [
        {"url": _EXT + "minValue", "valueDecimal": 0.2},
        {"url": _EXT + "maxValue", "valueDecimal": 0.8},
    ]
    flow = flow_of(
        {"linkId": "i", "type": "integer", "extension": between},
        {"linkId": "q", "type": "string", "extension": impossible},
        {"linkId": "g", "type": "attachment"},
    )
    for link_id in ("q", "g", "i"):
        with pytest.raises(NoPlausibleValue, match=link_id):
            plausible_value(flow.items[link_id], Random(1))


@given(_SEEDS)
def test_documents_are_real(rng):
    """A made-up document is a whole PNG, JPEG or PDF of a type and size that the field takes."""
    for item in ITEMS:
        if item.kind != "attachment":
            continue
        content, media_type = plausible_document(item, rng)
        assert item.max_size is None or len(content) <= item.max_size
        if media_type == "image/png":
            _check_png(content)
        elif media_type == "image/jpeg":
            assert content[:2] == b"\xff\xd8"
            assert content[-2:] == b"\xff\xd9"
        else:
            assert media_type == "application/pdf"
            start = int(content.split(b"startxref\n")[1].split(b"\n")[0])
            assert content[start:].startswith(b"xref")


def _check_png(content: bytes) -> None:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, names = 8, []
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        body = content[at + 4 : at + 8 + length]
        (check,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        assert zlib.crc32(body) == check
        names.append(body[:4])
        at += 12 + length
    assert names == [b"IHDR", b"IDAT", b"IEND"]


@given(_SEEDS)
def test_strokes_are_drawn_in_time(rng):
    """Points lie in the unit square, and time never runs back."""
    strokes = plausible_strokes(rng)
    points = [point for stroke in strokes for point in stroke]
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y, _ in points)
    moments = [moment for _, _, moment in points]
    assert moments == sorted(moments)
    assert moments[0] == 0


def test_the_same_seed_gives_the_same_answers():
    """Made-up answers depend on the generator alone."""

    def made():
        rng = Random(5)
        return [plausible_value(item, rng) for item in ITEMS if item.takes_value]

    assert made() == made()
