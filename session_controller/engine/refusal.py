"""A refusal as a value: a code, a sentence for a person, details for a program."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from schemas.rejections import RejectionCode


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command or a request was refused; `message` never repeats a value."""

    code: RejectionCode
    message: str
    details: Mapping[str, JsonValue] = field(default_factory=dict)
