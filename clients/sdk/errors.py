# ruff: noqa: N818 - named for what happened: `Refused(rejection)`
"""The SDK's exceptions; none of their texts contains patient data."""

from collections.abc import Mapping

from schemas.wire.rejections import Rejection, RejectionCode


class HandrailError(Exception):
    """Base class of the SDK's exceptions."""


class ConnectFailed(HandrailError):
    """The broker could not be reached in time."""


class NotAuthorized(ConnectFailed):
    """The broker refused this credential, which may be revoked, or this subscription."""


class TimedOut(HandrailError, TimeoutError):
    """The awaited result did not arrive in time; it may still arrive."""


class Closed(HandrailError):
    """The client was closed while waiting."""


class ExportBroken(HandrailError):
    """A record did not arrive intact, even after retries."""


class UploadFailed(HandrailError):
    """A document could not be uploaded, even after retries."""


class InvalidInput(HandrailError, ValueError):
    """A value breaks the contract's limits; nothing was sent.

    `problems` maps each field to what is wrong with it; no value is repeated.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field} {problem}" for field, problem in problems.items()))
        self.problems = problems


class Refused(HandrailError):
    """The controller refused; `rejection` says why, `code` is its reason code."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(f"{rejection.code}: {rejection.message}")
        self.rejection = rejection

    @property
    def code(self) -> RejectionCode:
        """The reason code of the rejection."""
        return self.rejection.code


class RequestRefused(Refused):
    """A request was refused."""


class CodeRefused(RequestRefused):
    """The code is wrong, used or expired; which of these is deliberately not disclosed."""


def request_refused(rejection: Rejection) -> RequestRefused:
    """Return the exception for a refused request."""
    kind = CodeRefused if rejection.code is RejectionCode.CODE_REFUSED else RequestRefused
    return kind(rejection)


def type_and_place(error: BaseException) -> str:
    """Return an exception's type and place: its text may quote what a patient entered."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {place}"
