"""The common fields of all requests and answers."""

from schemas.base import RequestId, Versioned


class RequestBase(Versioned):
    """The common fields of all requests and answers."""

    request_id: RequestId
