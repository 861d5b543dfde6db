"""Requests under way: each has an id, is sent again after a reconnect, and is answered once."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from clients.errors import Closed, request_refused
from clients.pending import Pending
from schemas.rejections import Rejection
from schemas.requests import Answer, Request


def new_id() -> str:
    """Make an id for a request or a command."""
    return str(uuid4())


class Asking:
    """The requests without an answer, in the order asked. Its owner holds a lock around calls."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Request, Pending[Any]]] = {}

    def put(self, request: Request, pending: Pending[Any]) -> None:
        """Note a request."""
        self._open[request.request_id] = (request, pending)

    def forget(self, request_id: str) -> None:
        """Ask no more: whoever waited gave up."""
        self._open.pop(request_id, None)

    def unanswered(self) -> Iterator[Request]:
        """Give what has to be sent again after a reconnect."""
        return iter([request for request, _ in self._open.values()])

    def take(self, answer: Answer | Rejection) -> Pending[Any] | None:
        """Find who waits for an answer."""
        found = self._open.pop(answer.request_id or "", None)
        return found[1] if found else None

    def close(self) -> None:
        """Tell everyone who waits that no answer will come."""
        waiting, self._open = list(self._open.values()), {}
        for _, pending in waiting:
            pending.fail(Closed("the client was closed"))


def settle(pending: Pending[Any], answer: Answer | Rejection) -> None:
    """Give an answer to who waits for it."""
    if isinstance(answer, Rejection):
        pending.fail(request_refused(answer))
    else:
        pending.settle(answer)
