"""Parses the members of a large union one at a time, by their `type`."""

from typing import Annotated, Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import from_json

_T = TypeVar("_T")


class ByType(Generic[_T]):
    """A union of payloads that are distinguished by `type`.

    It parses as a `TypeAdapter` of the union does, but builds only the models of what it parses: to
    build all answers takes a command line longer than all else that it does.
    """

    def __init__(self, union: Any) -> None:
        members: tuple[type[BaseModel], ...] = get_args(union)
        self._members = {member.model_fields["type"].default: member for member in members}
        self._union: TypeAdapter[_T] = TypeAdapter(
            Annotated[union, Field(discriminator="type")], config=ConfigDict(defer_build=True)
        )

    def validate_json(self, payload: bytes | str) -> _T:
        """Parse an object. Raises `ValidationError` if it is invalid or of an unknown type."""
        member: Any = self._members.get(_type_of(payload))
        if member is None:
            return self._union.validate_json(payload)
        found: _T = member.model_validate_json(payload)
        return found


def _type_of(payload: bytes | str) -> str | None:
    try:
        found = from_json(payload)
    except ValueError:
        return None
    kind = found.get("type") if isinstance(found, dict) else None
    return kind if isinstance(kind, str) else None
