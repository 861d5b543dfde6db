"""What every request and every answer bears."""

from schemas.base import RequestId, Versioned


class RequestBase(Versioned):
    """What every request and every answer bears."""

    request_id: RequestId
