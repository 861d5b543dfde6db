"""Common types of the protocol: version, identifiers, timestamps, roles, JSON encoding."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from math import isfinite
from typing import Annotated, Literal

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
)

VERSION: Literal[1] = 1
"""The protocol version: the `v` of every payload and a level of every topic."""

ID_PATTERN = r"[a-z0-9-]{1,64}"
ID_LIMIT = "must be 1 to 64 characters of a-z, 0-9 and -"
"""`ID_PATTERN` in words, for messages."""
DAY_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_FORMATS = (
    r"\xad\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
"""Format characters (Unicode category Cf) that no language is written with.

Not among them, since names have them: U+200B to U+200D (Khmer, Persian, Indic scripts, emoji), the
marks U+061C, U+200E and U+200F, which turn no other letter around (UAX 9, 2.6), U+180E (Mongolian),
and the number signs of Arabic, Syriac and Kaithi, which show.
"""
CONTROLS = rf"\x00-\x1f\x7f-\x9f\u2028\u2029{_FORMATS}"
"""Characters that are in no text of one line, as in a character class: controls, separators."""
CODES = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
"""Control codes (Unicode category Cc) other than tabs and line ends."""
CONTROLS_IN_LINES = f"{CODES}{_FORMATS}"
"""Those that are in no text at all: one of several lines may have tabs, and be separated."""
ONE_LINE = f"^[^{CONTROLS}]+$"
"""The pattern of a text of one line."""
LINES = f"^[^{CONTROLS_IN_LINES}]+$"
"""The pattern of a text that may have several lines."""
Identifier = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
"""The id of a site, device, session, upload or flow; valid as a topic level."""

_IDENTIFIER = re.compile(ID_PATTERN)
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
CommandId = Annotated[str, Field(pattern=_UUID)]
PageMark = Annotated[str, Field(pattern=rf"^[0-9TZ:.+-]{{20,35}} {ID_PATTERN}$")]
"""The last line of a page of a list: its time and its id, with a space between."""
RequestId = Annotated[str, Field(min_length=1, max_length=64)]
FieldId = Annotated[str, Field(min_length=1, max_length=1024)]
"""The linkId of an item, with the instance in a repeating group: `{group}[{n}].{linkId}`."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON parser represents exactly (RFC 8259, 6)."""
Seq = Annotated[int, Field(ge=1, le=MAX_SEQ)]


@lru_cache(4096)
def rfc3339(moment: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC with milliseconds; cached, as views repeat it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to_milliseconds(moment: datetime) -> datetime:
    beyond = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - beyond) if beyond else moment


Timestamp = Annotated[
    AwareDatetime,
    AfterValidator(_to_milliseconds),
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time of the box's clock; encoded as RFC 3339 in UTC with milliseconds."""


def is_identifier(text: str) -> bool:
    """Return whether a text is valid as a site, device, session or upload id in a topic."""
    return _IDENTIFIER.fullmatch(text) is not None


class Role(StrEnum):
    """The role that a device was enrolled with."""

    FACILITY = "facility"
    PATIENT = "patient"
    ADMIN = "admin"

    @property
    def leads(self) -> bool:
        """Whether the device may do what a staff screen may; an admin may."""
        return self is not Role.PATIENT


def _finite(value: JsonValue) -> JsonValue:
    """Reject NaN and infinities, which are not JSON (RFC 8259, 6) but accepted by many parsers."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("not a finite number")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _finite(part)
    return value


AnyJson = Annotated[JsonValue, AfterValidator(_finite)]
"""Any JSON value; NaN and infinities are rejected."""


DEFERRED = ConfigDict(defer_build=True)
"""Of models and `TypeAdapter`s that are built when they are first used: all together take 0.3 s."""


class Wire(BaseModel):
    """A frozen protocol object; readers ignore unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        allow_inf_nan=False,
        **DEFERRED,
    )

    def to_json(self) -> bytes:
        """Return the object as UTF-8 JSON, as it is published."""
        # A copy: orjson's result occupies a buffer of 4 kB, and this may be kept for a long time.
        return bytes(memoryview(written(self)))


# A Literal would accept `true`, which equals 1 in Python.
Version = Annotated[int, Field(ge=VERSION, le=VERSION), WithJsonSchema({"const": VERSION})]


class Versioned(Wire):
    """An object that is a complete payload."""

    v: Version = VERSION


def absent(value: object) -> bool:
    """Return whether an optional key is omitted from the JSON: if its value is None."""
    return value is None


def written(value: object) -> bytes:
    """Encode a value as UTF-8 JSON, as pydantic would but several times faster.

    It may contain models, dataclasses and datetimes. NaN and infinities were rejected on input.
    Raises `TypeError` for values that JSON cannot represent.
    """
    try:
        return orjson.dumps(value, _plain, orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:  # a patient may enter an integer of more than 64 bits
        text = json.dumps(
            value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
        return text.encode()


def _plain(value: object) -> object:
    """Return the JSON equivalent of a value."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, BaseModel):
        optional = _optional_keys(type(value))
        if not optional:
            return vars(value)
        return {k: v for k, v in vars(value).items() if v is not None or k not in optional}
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    raise TypeError(f"{type(value).__name__} cannot be encoded as JSON")


@cache
def _optional_keys(kind: type[BaseModel]) -> frozenset[str]:
    return frozenset(k for k, f in kind.model_fields.items() if f.exclude_if is absent)
