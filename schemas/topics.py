"""Every MQTT topic of the protocol, as a value; the only module that spells topics.

`topic.under(site)` formats a topic, and `parse(site, text)` parses one. `Topic.rule(site)` returns
the subscription filter and the pattern of the access rules, from the same text.
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Self

from schemas.base import VERSION, is_identifier

_ROOT = f"handrail/v{VERSION}"

_CACHED = 8_192
"""Topics cached in each direction: those of 2,000 open sessions."""

MAX_CHUNK = 64 * 1024
"""Bytes of a document per message; a slow link transmits this within a keepalive."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic below the site's root; its fields are the levels in braces."""

    PATTERN: ClassVar[str]
    RETAINED: ClassVar[bool] = False

    @lru_cache(_CACHED)  # noqa: B019 - topics are values, and the cache is bounded
    def under(self, site: str) -> str:
        """Return the topic as text, for a site."""
        levels = self.PATTERN.format(**{f.name: getattr(self, f.name) for f in fields(self)})
        return f"{_ROOT}/{site}/{levels}"

    @classmethod
    def rule(cls, site: str, **levels: str) -> str:
        """Return a topic filter: the named levels as given, the others as `+`."""
        wanted = {f.name: levels.get(f.name, "+") for f in fields(cls)}
        return f"{_ROOT}/{site}/{cls.PATTERN.format(**wanted)}"

    @classmethod
    def read(cls, levels: list[str]) -> Self | None:
        """Parse the levels in braces; return None if one is not an identifier."""
        values = [
            level
            for name, level in zip(cls.PATTERN.split("/"), levels, strict=True)
            if name.startswith("{")
        ]
        return cls(*values) if all(map(is_identifier, values)) else None


@dataclass(frozen=True, slots=True)
class ControllerStatusTopic(Topic):
    """Whether the controller serves; retained, and the controller's will."""

    PATTERN: ClassVar[str] = "controller/status"
    RETAINED: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class FlowTopic(Topic):
    """A flow, immutable under its reference."""

    PATTERN: ClassVar[str] = "flows/{flow_ref}"
    RETAINED: ClassVar[bool] = True
    flow_ref: str


@dataclass(frozen=True, slots=True)
class ClaimTopic(Topic):
    """The pairing code of a device that is not enrolled."""

    PATTERN: ClassVar[str] = "pairing/{client_id}/claim"
    client_id: str


@dataclass(frozen=True, slots=True)
class GrantTopic(Topic):
    """The controller's answer to a claim."""

    PATTERN: ClassVar[str] = "pairing/{client_id}/grant"
    client_id: str


@dataclass(frozen=True, slots=True)
class PresenceTopic(Topic):
    """Whether a device is online; retained, and the device's will."""

    PATTERN: ClassVar[str] = "devices/{device}/presence"
    RETAINED: ClassVar[bool] = True
    device: str


@dataclass(frozen=True, slots=True)
class RequestTopic(Topic):
    """A device's requests outside any session."""

    PATTERN: ClassVar[str] = "devices/{device}/requests"
    device: str


@dataclass(frozen=True, slots=True)
class InboxTopic(Topic):
    """Answers to a device's requests."""

    PATTERN: ClassVar[str] = "devices/{device}/inbox"
    device: str


@dataclass(frozen=True, slots=True)
class AssignmentTopic(Topic):
    """The session that a patient device is in."""

    PATTERN: ClassVar[str] = "devices/{device}/assignment"
    RETAINED: ClassVar[bool] = True
    device: str


@dataclass(frozen=True, slots=True)
class LobbyTopic(Topic):
    """The site's open sessions, for one facility device."""

    PATTERN: ClassVar[str] = "devices/{device}/lobby"
    RETAINED: ClassVar[bool] = True
    device: str


@dataclass(frozen=True, slots=True)
class CommandTopic(Topic):
    """A device's commands in a session."""

    PATTERN: ClassVar[str] = "sessions/{session}/commands/{device}"
    session: str
    device: str


@dataclass(frozen=True, slots=True)
class StateTopic(Topic):
    """A device's view of a session."""

    PATTERN: ClassVar[str] = "sessions/{session}/state/{device}"
    RETAINED: ClassVar[bool] = True
    session: str
    device: str


@dataclass(frozen=True, slots=True)
class RejectionTopic(Topic):
    """Refusals of a device's commands in a session."""

    PATTERN: ClassVar[str] = "sessions/{session}/rejections/{device}"
    session: str
    device: str


@dataclass(frozen=True, slots=True)
class UploadTopic(Topic):
    """Bytes of an uploaded document, from `offset` on."""

    PATTERN: ClassVar[str] = "sessions/{session}/uploads/{device}/{upload}/{offset}"
    session: str
    device: str
    upload: str
    offset: str


@dataclass(frozen=True, slots=True)
class DocumentTopic(Topic):
    """Bytes of a document sent to a staff screen, from `offset` on."""

    PATTERN: ClassVar[str] = "sessions/{session}/documents/{device}/{upload}/{offset}"
    session: str
    device: str
    upload: str
    offset: str


ALL: tuple[type[Topic], ...] = (
    ControllerStatusTopic,
    FlowTopic,
    ClaimTopic,
    GrantTopic,
    PresenceTopic,
    RequestTopic,
    InboxTopic,
    AssignmentTopic,
    LobbyTopic,
    CommandTopic,
    StateTopic,
    RejectionTopic,
    UploadTopic,
    DocumentTopic,
)


def _shape(levels: list[str]) -> tuple[int, str, str]:
    """Return a topic's length, first and third level: a unique key among the patterns."""
    return len(levels), levels[0], levels[2] if len(levels) > 2 else ""  # noqa: PLR2004


_BY_SHAPE = {_shape(topic.PATTERN.split("/")): topic for topic in ALL}


@lru_cache(_CACHED)
def parse(site: str, text: str) -> Any:
    """Parse a topic; return None if it is not one of this site's."""
    root = f"{_ROOT}/{site}/"
    if not text.startswith(root):
        return None
    levels = text[len(root) :].split("/")
    kind = _BY_SHAPE.get(_shape(levels))
    topic = kind.read(levels) if kind else None
    return topic if topic and topic.under(site) == text else None


def controller_subscriptions(site: str) -> tuple[str, ...]:
    """Return the filters that the controller subscribes to."""
    readable = (ClaimTopic, PresenceTopic, RequestTopic, CommandTopic, UploadTopic)
    return tuple(topic.rule(site) for topic in readable)
