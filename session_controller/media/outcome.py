"""The result of an inspection: an accepted document, or the reason why it is refused."""

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
    "pretends": "This file does not match its type. Please take a picture instead.",
    "damaged": "This file cannot be opened. Please take the picture again or choose another file.",
    "too_large": "This file is too large to open. Please take a smaller picture.",
    "not_allowed": "This kind of file is not accepted here. Please take a picture instead.",
    "unsupported": "This kind of file cannot be checked here. Please take a picture instead.",
    "active_content": "This file contains a program or other files. Please take a picture instead.",
    "encrypted": "This file needs a password. Please choose another one, or take a picture.",
}


@dataclass(frozen=True, slots=True)
class Inspected:
    """An accepted document.

    `media_type` is detected from the bytes. `data` is what to store: a picture without metadata
    about person, place or device, any other type unchanged. `width` and `height` are in pixels, as
    stored (before Orientation is applied).
    """

    media_type: str
    data: bytes
    width: int | None = None
    height: int | None = None
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Unfit:
    """A refused document. `message` is for a person and does not quote the content."""

    reason: Reason

    @property
    def message(self) -> str:
        """The reason in English, for a person; pages have their own words for `reason`."""
        return _SENTENCES[self.reason]


class UnfitError(Exception):
    """Ends the inspection of a document; `inspect` returns the reason as a value."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
