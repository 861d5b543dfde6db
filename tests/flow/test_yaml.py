"""YAML as another spelling of a questionnaire."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.questionnaire.load import FlowError, load_flow
from schemas.questionnaire.yaml import parse_yaml
from tests.flow.everything import EVERYTHING


def test_a_flow_in_yaml_is_the_flow_in_json():
    """The same questionnaire in both spellings has the same flow_ref."""
    written = yaml.safe_dump(json.loads(json.dumps(EVERYTHING)), allow_unicode=True)
    assert load_flow(parse_yaml(written.encode())) == load_flow(EVERYTHING)


def test_words_stay_words():
    """What YAML 1.1 takes for booleans, dates and times of day is text, as a form means it."""
    assert parse_yaml(b"{a: no, b: 2026-11-22, c: 12:30, d: 0x1f, e: 1_000, f: on}") == {
        "a": "no",
        "b": "2026-11-22",
        "c": "12:30",
        "d": "0x1f",
        "e": "1_000",
        "f": "on",
    }


def test_what_json_has_is_read():
    """Null, booleans and numbers are read as JSON has them."""
    assert parse_yaml(b"{a: null, b: true, c: -12, d: 1.5e1, e: }") == {
        "a": None,
        "b": True,
        "c": -12,
        "d": 15.0,
        "e": None,
    }


@pytest.mark.parametrize(
    "source",
    [
        b"a: &x [1]\nb: *x",
        b"a: &x [*x]",
        b"a: 1\na: 2",
        b"1: a",
        b"? [a]\n: b",
        b"[a]",
        b"",
        b"\xff",
        b"a: 1e999",
        b"a: !!set {x}",
        b"a: !!binary aGk=",
        b"a: !!python/object/apply:os.system [ls]",
        b"a: b\n---\nc: d",
        b"[" * 2_000,
        b" " * 5_000_000,
    ],
    ids=lambda source: repr(source[:20]),
)
def test_what_is_no_plain_data_is_refused(source):
    """Aliases, keys that stand twice, foreign tags and what JSON cannot say are refused."""
    with pytest.raises(FlowError):
        parse_yaml(source)


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(source):
    """Whatever the bytes, YAML gives an object or a FlowError."""
    try:
        assert isinstance(parse_yaml(source), dict)
    except FlowError:
        return
