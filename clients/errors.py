# ruff: noqa: N818 - these are named for what happened, as `Refused(rejection)` reads best
"""What can go wrong for a client, as exceptions; none of their texts holds patient data."""

from schemas.rejections import Rejection, RejectionCode


class HandrailError(Exception):
    """Anything that this package raises."""


class ConnectFailed(HandrailError):
    """The broker could not be reached in time."""


class NotAuthorized(ConnectFailed):
    """The broker does not take this credential (any more), or not this access."""


class TimedOut(HandrailError, TimeoutError):
    """What was waited for did not come in time; it may still come."""


class Closed(HandrailError):
    """The client was closed meanwhile."""


class ExportBroken(HandrailError):
    """A record did not arrive as the box sent it, although it was read again."""


class UploadFailed(HandrailError):
    """A document did not get through, although it was sent again."""


class Refused(HandrailError):
    """The controller refused; `rejection` says why, `code` in one word."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(f"{rejection.code}: {rejection.message}")
        self.rejection = rejection

    @property
    def code(self) -> RejectionCode:
        """Why."""
        return self.rejection.code


class RequestRefused(Refused):
    """A request was refused."""


class CodeRefused(RequestRefused):
    """The code is wrong, spent or expired: which of these, nobody is told."""


def request_refused(rejection: Rejection) -> RequestRefused:
    """Choose the exception for a refused request."""
    kind = CodeRefused if rejection.code is RejectionCode.CODE_REFUSED else RequestRefused
    return kind(rejection)
