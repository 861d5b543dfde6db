"""What comes out of looking at a document: it may be kept, or why not."""

from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal[
    "empty",
    "pretends",
    "damaged",
    "too_large",
    "not_allowed",
    "unsupported",
    "active_content",
    "encrypted",
]
REASONS: frozenset[str] = frozenset(get_args(Reason))

_SENTENCES: dict[Reason, str] = {
    "empty": "This file is empty. Please choose another one.",
    "pretends": "This file is not what it says it is. Please take a picture instead.",
    "damaged": "This file cannot be opened. Please take the picture again or choose another file.",
    "too_large": "This file takes too much to open. Please take a smaller picture.",
    "not_allowed": "This kind of file is not asked for here. Please take a picture instead.",
    "unsupported": "This kind of file cannot be checked here. Please take a picture instead.",
    "active_content": "This file holds a program or other files. Please take a picture instead.",
    "encrypted": "This file asks for a password. Please choose one without, or take a picture.",
}


@dataclass(frozen=True, slots=True)
class Inspected:
    """A document that may be kept.

    `media_type` is what the bytes are, `data` what is to be stored: the same picture without what
    tells of the person, the place or the device, every other kind as it came. `width` and
    `height` are in pixels, as stored (before Orientation is applied).
    """

    media_type: str
    data: bytes
    width: int | None = None
    height: int | None = None
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Unfit:
    """A document that is not kept. `message` is for a person and says nothing of what is in it."""

    reason: Reason

    @property
    def message(self) -> str:
        """Say it to a patient or a nurse, in English; pages say it in their words by `reason`."""
        return _SENTENCES[self.reason]


class UnfitError(Exception):
    """Ends the reading of a document, deep inside of it; `inspect` gives the refusal as a value."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
