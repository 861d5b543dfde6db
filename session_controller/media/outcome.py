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
    "pretends": (
        "We can't use this file: its contents do not match its type. Please take a photo instead."
    ),
    "damaged": "This file cannot be opened. Please take the picture again or choose another file.",
    "too_large": "This file is too big for us to open. Please take a new photo.",
    "not_allowed": "We can't accept this kind of file here. Please take a photo instead.",
    "unsupported": "We can't check this kind of file here. Please take a photo instead.",
    "active_content": "We can't accept this file for safety reasons. Please take a photo instead.",
    "encrypted": (
        "This file has a password. Please choose a file without a password, or take a photo."
    ),
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
