"""The store's turn: its one connection serves one thread at a time, between two batches."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class StoresTurn(Protocol):
    """Calls what uses the database between two batches, on its thread."""

    def __call__(self, turn: Callable[[], _T], /) -> Awaitable[_T]:
        """Give what the call gave."""
