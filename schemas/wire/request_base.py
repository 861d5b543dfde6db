"""The common fields of all requests, and of all answers."""

from typing import Annotated

from pydantic import Field

from schemas.base import ONE_LINE, RequestId, Versioned, absent

UserName = Annotated[str, Field(min_length=1, max_length=64, pattern=ONE_LINE)]


class AnswerBase(Versioned):
    """The common fields of all answers."""

    request_id: RequestId


class RequestBase(AnswerBase):
    """The common fields of all requests."""

    user: Annotated[UserName | None, Field(exclude_if=absent)] = None
    """The user of the operating system who asks, for the log; of admin devices only."""
