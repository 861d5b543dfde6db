"""docs/reference/topics.md has each topic as the code has it, and no other."""

from dataclasses import fields

from schemas import topics
from schemas.access import PAIRING_USER, Access, access_rules, controller_access
from schemas.base import Role
from schemas.spec.asyncapi import CHANNELS
from tests.pages import codes, rows, section

PAGE = "reference/topics.md"
_ROOT = "handrail/v1/main/"


def test_each_topic_has_a_row() -> None:
    """Who writes it, who reads it, what it holds and whether it is retained: both ways."""
    known = {
        one.topic.PATTERN: [
            ", ".join(one.senders),
            ", ".join(one.receivers),
            ", ".join(f"`{message}`" for message in one.messages),
            "yes" if one.topic.RETAINED else "no",
        ]
        for one in CHANNELS
    }
    told = {codes(row[0])[0]: row[1:] for row in rows(PAGE, "## Topics")}
    assert told == known
    assert set(told) == {topic.PATTERN for topic in topics.ALL}


def test_each_level_has_a_row() -> None:
    """Every level in braces is explained, and no other."""
    levels = {field.name for topic in topics.ALL for field in fields(topic)}
    told = {codes(row[0])[0].strip("{}") for row in rows(PAGE, "## Levels")}
    assert told == {"site", *levels}


def test_the_access_is_that_of_the_rules() -> None:
    """What each user may publish and subscribe to, as the broker has it."""
    device, pairing, controller = rows(PAGE, "## Access")
    rules = access_rules("main")
    assert {*codes(device[0])} == {*Role}
    assert all(_told(device) == _known(rules[role]) for role in Role)
    assert codes(pairing[0]) == [PAIRING_USER]
    assert _told(pairing) == _known(rules[PAIRING_USER])
    assert _told(controller) == _known(controller_access("main"))


def _told(row: list[str]) -> tuple[set[str], set[str]]:
    return {*codes(row[1])}, {*codes(row[2])}


def _known(access: Access) -> tuple[set[str], set[str]]:
    publish, subscribe = access.publish, access.subscribe
    return {_short(one) for one in publish}, {_short(one) for one in subscribe}


def _short(topic: str) -> str:
    assert topic.startswith(_ROOT)
    return topic.removeprefix(_ROOT)


def test_the_page_names_the_root() -> None:
    """All of them are below it."""
    assert "handrail/v1/{site}/" in section(PAGE, "# MQTT topics")
