"""Inspect a whole document: what type it is, whether to accept it, and which bytes to store."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from session_controller.media import kinds
from session_controller.media.outcome import Inspected, Unfit, UnfitError


def inspect(data: bytes, media_type: str, allowed: tuple[str, ...]) -> Inspected | Unfit:
    """Decide from its content whether a document is accepted.

    `media_type` is the announced type; the bytes must match it. `allowed` are the types that the
    flow names (`image/*`), or empty for all types supported here. Decodes untrusted data: outside
    of tests, call it through `apart.inspect_apart`.
    """
    try:
        return _inspected(data, kinds.canonical(media_type), allowed)
    except UnfitError as unfit:
        return Unfit(unfit.reason)
    except (MemoryError, RecursionError):
        return Unfit("too_large")


def prepare(media_type: str) -> None:
    """Import what such a document needs, while files can still be opened."""
    _reader(kinds.canonical(media_type))


def _inspected(data: bytes, announced: str, allowed: tuple[str, ...]) -> Inspected:
    if not data:
        raise UnfitError("empty")
    kind = kinds.kind_of(data)
    if kind in kinds.KNOWN or announced in kinds.KNOWN:
        _check_agreement(kind, announced)
    _check_allowed(announced, allowed)
    return _reader(announced)(data, announced)


def _reader(media_type: str) -> Callable[[bytes, str], Inspected]:
    """Return the inspection function of a type; imported on demand, since each import is slow."""
    # ruff: noqa: PLC0415
    if media_type in kinds.PICTURES:
        from session_controller.media.picture import inspect_picture as reader
    elif media_type == kinds.PDF:
        from session_controller.media.pdf import inspect_pdf as reader
    elif media_type in kinds.PLAIN:
        from session_controller.media.text import inspect_text as reader
    else:
        from session_controller.media.others import inspect_other as reader
    return reader


def _check_agreement(kind: str | None, announced: str) -> None:
    """Refuse a known type announced as another; text is what matches no known type."""
    expected = None if announced in kinds.PLAIN else announced
    if kind != expected:
        raise UnfitError("pretends")


def _check_allowed(announced: str, allowed: tuple[str, ...]) -> None:
    patterns = [kinds.canonical(one) for one in allowed] or kinds.KNOWN
    if not any(fnmatchcase(announced, pattern) for pattern in patterns):
        raise UnfitError("not_allowed")
