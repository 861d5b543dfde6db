"""What every object on the wire has in common: the version, identifiers, times, roles."""

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
"""The contract's version: the `v` of every object and a level of every topic."""

ID_PATTERN = r"[a-z0-9-]{1,64}"
Identifier = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
"""A site, device, session, upload or flow: what may stand as a level of a topic."""

_IDENTIFIER = re.compile(ID_PATTERN)
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
CommandId = Annotated[str, Field(pattern=_UUID)]
RequestId = Annotated[str, Field(min_length=1, max_length=64)]
FieldId = Annotated[str, Field(min_length=1, max_length=1024)]
"""The linkId of an item, with the instance where a group repeats: `{group}[{n}].{linkId}`."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8259, 6)."""
Seq = Annotated[int, Field(ge=1, le=MAX_SEQ)]


@lru_cache(4096)
def rfc3339(moment: datetime) -> str:
    """Write an aware datetime as RFC 3339 in UTC with milliseconds; a view repeats most of them."""
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
"""A moment by the box's clock; on the wire RFC 3339 in UTC with milliseconds."""


def is_identifier(text: str) -> bool:
    """Tell whether a text may stand as a site, device, session or upload in a topic."""
    return _IDENTIFIER.fullmatch(text) is not None


class Role(StrEnum):
    """What a device was enrolled as."""

    FACILITY = "facility"
    PATIENT = "patient"
    ADMIN = "admin"

    @property
    def leads(self) -> bool:
        """Whether the device may do what a staff's screen may: admin is as facility."""
        return self is not Role.PATIENT


def _finite(value: JsonValue) -> JsonValue:
    """Refuse NaN and infinities, which no JSON has (RFC 8259, 6) but many a parser takes."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("not a finite number")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _finite(part)
    return value


AnyJson = Annotated[JsonValue, AfterValidator(_finite)]
"""Any JSON value, and nothing that only looks like one."""


class Wire(BaseModel):
    """A frozen object of the wire; a reader ignores fields that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def to_json(self) -> bytes:
        """Give the object as UTF-8 JSON, as it is published."""
        # A copy: orjson leaves what it wrote in a buffer of 4 kB, and this may be kept for long.
        return bytes(memoryview(written(self)))


# As a Literal, `true` would pass: in Python it equals 1.
Version = Annotated[int, Field(ge=VERSION, le=VERSION), WithJsonSchema({"const": VERSION})]


class Versioned(Wire):
    """An object that is a whole payload."""

    v: Version = VERSION


def absent(value: object) -> bool:
    """Tell that an optional key is left out of the JSON: it is, where it is None."""
    return value is None


def written(value: object) -> bytes:
    """Write a value as UTF-8 JSON, as pydantic would, in a fraction of its time.

    Models, dataclasses and moments may stand anywhere in it; who reads what comes in has refused
    NaN and infinities. Raises `TypeError` for what is nothing of JSON.
    """
    try:
        return orjson.dumps(value, _plain, orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:  # a patient may enter an integer of more than 64 bits
        text = json.dumps(
            value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
        return text.encode()


def _plain(value: object) -> object:
    """Give what JSON has in the place of a value."""
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
    raise TypeError(f"{type(value).__name__} is nothing of JSON")


@cache
def _optional_keys(kind: type[BaseModel]) -> frozenset[str]:
    return frozenset(k for k, f in kind.model_fields.items() if f.exclude_if is absent)
