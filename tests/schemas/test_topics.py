"""Topics: text and value are two spellings of the same."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.access import access_rules, controller_access
from schemas.base import ID_PATTERN

identifiers = st.from_regex(ID_PATTERN, fullmatch=True)
values = st.sampled_from(topics.ALL).flatmap(
    lambda kind: st.builds(kind, **{f.name: identifiers for f in fields(kind)})
)


@given(identifiers, values)
def test_a_topic_that_was_written_reads_as_itself(site, topic):
    """`parse` is the inverse of `under`, for every topic and every identifier."""
    assert topics.parse(site, topic.under(site)) == topic


@given(identifiers, st.text(alphabet="abz09-+#/{}. A\x00é", max_size=80))
def test_any_other_text_is_no_topic(site, text):
    """What `parse` takes it also writes, letter by letter; the rest is None, never an error."""
    for candidate in (text, f"handrail/v1/{site}/{text}"):
        found = topics.parse(site, candidate)
        assert found is None or found.under(site) == candidate


@given(identifiers, identifiers, values)
def test_a_topic_of_another_site_is_none_of_ours(site, other, topic):
    """A site reads its own topics alone."""
    if site != other:
        assert topics.parse(site, topic.under(other)) is None


@pytest.mark.parametrize(
    "levels",
    [
        "sessions/s-1/state",
        "sessions/s-1/state/d-1/more",
        "sessions/S-1/state/d-1",
        "sessions//state/d-1",
        "sessions/+/state/d-1",
        "sessions/s-1/uploads/d-1/u-1/12/3",
        "devices/d-1/secrets",
        f"sessions/{'a' * 65}/state/d-1",
        "",
    ],
)
def test_near_misses_are_none(levels):
    """A level too few, too many, in capitals, empty, a wildcard or too long is no topic."""
    assert topics.parse("clinic", f"handrail/v1/clinic/{levels}") is None


@given(identifiers, values)
def test_the_rule_of_a_kind_matches_its_topics(site, topic):
    """`rule` spells the filter that covers every topic of the kind."""
    wanted = type(topic).rule(site).split("/")
    levels = topic.under(site).split("/")
    assert len(wanted) == len(levels)
    assert all(w in ("+", level) for w, level in zip(wanted, levels, strict=True))


def test_the_retained_topics_are_those_of_the_contract():
    """Status, flows, presence, assignment, lobby and state are retained, and nothing else."""
    assert {kind.PATTERN for kind in topics.ALL if kind.RETAINED} == {
        "controller/status",
        "flows/{flow_ref}",
        "devices/{device}/presence",
        "devices/{device}/assignment",
        "devices/{device}/lobby",
        "sessions/{session}/state/{device}",
    }


def test_a_device_has_the_access_of_the_contract():
    """The access table of the contract, word by word."""
    root = "handrail/v1/clinic"
    access = access_rules("clinic")
    for role in ("patient", "facility", "admin"):
        assert set(access[role].publish) == {
            f"{root}/devices/%u/presence",
            f"{root}/devices/%u/requests",
            f"{root}/sessions/+/commands/%u",
            f"{root}/sessions/+/uploads/%u/#",
        }
        assert set(access[role].subscribe) == {
            f"{root}/controller/status",
            f"{root}/flows/+",
            f"{root}/devices/%u/inbox",
            f"{root}/devices/%u/assignment",
            f"{root}/devices/%u/lobby",
            f"{root}/sessions/+/state/%u",
            f"{root}/sessions/+/rejections/%u",
            f"{root}/sessions/+/documents/%u/#",
        }
    assert access["pairing"].publish == (f"{root}/pairing/%c/claim",)
    assert access["pairing"].subscribe == (f"{root}/pairing/%c/grant",)


def test_the_controller_reads_what_it_subscribes_to():
    """The controller's subscriptions are within its access rules."""
    rules = controller_access("clinic").subscribe
    assert set(topics.controller_subscriptions("clinic")) <= set(rules)
