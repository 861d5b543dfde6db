"""Looks at a whole document: what it is, whether it may be kept, and what of it."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from session_controller.media import kinds
from session_controller.media.outcome import Inspected, Unfit, UnfitError


def inspect(data: bytes, media_type: str, allowed: tuple[str, ...]) -> Inspected | Unfit:
    """Decide whether a document may be kept, by its content alone.

    `media_type` is what the sender announced: it has to be what the bytes are. `allowed` are the
    kinds that the flow names (`image/*`); where it names none, those that are known here.
    It decodes what strangers sent: outside of tests, call it by `apart.inspect_apart`.
    """
    try:
        return _inspected(data, kinds.canonical(media_type), allowed)
    except UnfitError as unfit:
        return Unfit(unfit.reason)
    except (MemoryError, RecursionError):
        return Unfit("too_large")


def prepare(media_type: str) -> None:
    """Import what such a document needs, while files may still be opened."""
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
    """Give what reads documents of this type; imported when it is needed, since each takes long."""
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
    """Refuse a known kind under another's name; text is what tells of nothing else."""
    expected = None if announced in kinds.PLAIN else announced
    if kind != expected:
        raise UnfitError("pretends")


def _check_allowed(announced: str, allowed: tuple[str, ...]) -> None:
    patterns = [kinds.canonical(one) for one in allowed] or kinds.KNOWN
    if not any(fnmatchcase(announced, pattern) for pattern in patterns):
        raise UnfitError("not_allowed")
