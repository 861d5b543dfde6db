"""What every object on the wire has in common: the version, identifiers, times, roles."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from math import isfinite
from typing import Annotated, Any, Literal, Self

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

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """Make an object of values that are right by construction: what we say, not what we hear.

        Validating a view costs more than building and writing it. Tests compare both ways.
        """
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", cls._defaults() | values)
        object.__setattr__(made, "__pydantic_fields_set__", set(values))
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

    @classmethod
    @cache
    def _defaults(cls) -> dict[str, Any]:
        return {k: f.default for k, f in cls.model_fields.items() if not f.is_required()}

    def to_json(self) -> bytes:
        """Give the object as UTF-8 JSON, as it is published."""
        return self.__pydantic_serializer__.to_json(self)


# As a Literal, `true` would pass: in Python it equals 1.
Version = Annotated[int, Field(ge=VERSION, le=VERSION), WithJsonSchema({"const": VERSION})]


class Versioned(Wire):
    """An object that is a whole payload."""

    v: Version = VERSION


def absent(value: object) -> bool:
    """Tell that an optional key is left out of the JSON: it is, where it is None."""
    return value is None
