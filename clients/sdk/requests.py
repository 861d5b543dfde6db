"""Pending requests: each has an id, is resent after a reconnect, and is answered once."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from clients.sdk.errors import Closed, request_refused
from clients.sdk.pending import Pending
from schemas.wire.rejections import Rejection
from schemas.wire.requests import Answer, InProgress, Request


def new_id() -> str:
    """Return a new id for a request or a command."""
    return str(uuid4())


class Asking:
    """The unanswered requests, in order. Its owner holds a lock around every call."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Request, Pending[Any]]] = {}

    def put(self, request: Request, pending: Pending[Any]) -> None:
        """Add a request."""
        self._open[request.request_id] = (request, pending)

    def forget(self, request_id: str) -> None:
        """Remove a request whose caller gave up."""
        self._open.pop(request_id, None)

    def unanswered(self) -> Iterator[Request]:
        """Return the requests to resend after a reconnect."""
        return iter([request for request, _ in self._open.values()])

    def take(self, answer: Answer | Rejection) -> Pending[Any] | None:
        """Return the pending result of an answer, or None if absent; remove it if that is final."""
        if isinstance(answer, InProgress):
            found = self._open.get(answer.request_id)
        else:
            found = self._open.pop(answer.request_id or "", None)
        return found[1] if found else None

    def close(self) -> None:
        """Fail all pending requests."""
        waiting, self._open = list(self._open.values()), {}
        for _, pending in waiting:
            pending.fail(Closed("the client was closed"))


def settle(pending: Pending[Any], answer: Answer | Rejection) -> None:
    """Resolve a pending request with its answer, or record its progress."""
    if isinstance(answer, InProgress):
        pending.progress(answer.done, answer.total)
    elif isinstance(answer, Rejection):
        pending.fail(request_refused(answer))
    else:
        pending.settle(answer)
