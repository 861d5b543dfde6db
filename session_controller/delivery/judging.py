"""What a FHIR server's response means for a delivery: pure functions."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from session_controller.delivery.exchange import Answer
from session_controller.delivery.outcomes import Delivered, Outcome, Reason, Refused, TryAgain

_MAX_ISSUES = 50
_MAX_TEXT = 4_000
_MAX_DEPTH = 6
_BUSY = {429, 502, 503, 504}
_ABOUT_CONTENT = {400, 406, 409, 410, 412, 413, 415, 422}
"""A 4xx about the content, even without an OperationOutcome; others (403, 404 …) without one are
about the address or the client.
"""
_ABOUT_ADDRESS = {403: Reason.FORBIDDEN, 404: Reason.WRONG_ADDRESS, 407: Reason.PROXY}
_CONFLICT, _REQUEST_TIMEOUT, _UNAUTHORIZED = 409, 408, 401
PATIENCE_WITH_CONFLICTS = 5
"""A 409 is usually two concurrent writers, and passes; a lasting one needs a person."""


def failure(answer: Answer, now: datetime, resource: str | None = None) -> Refused | TryAgain:
    """Classify a response that is not a success (FHIR R4, 3.1.0.1.10)."""
    status, wish, said = answer.status, answer.retry_after_s(now), excerpt(answer)
    if status in _BUSY:
        return TryAgain(Reason.BUSY, status, wish, answer=said)
    if status >= 500:  # noqa: PLR2004 - RFC 9110, 15.6
        return TryAgain(Reason.SERVER_ERROR, status, wish, everyone=False, answer=said)
    if status == _REQUEST_TIMEOUT:
        return TryAgain(Reason.TIMED_OUT, status, wish, answer=said)
    if status == _UNAUTHORIZED:
        return TryAgain(Reason.NOT_AUTHORIZED, status, wish, answer=said)
    if 400 <= status < 500:  # noqa: PLR2004 - RFC 9110, 15.5
        return _client_error(answer, resource)
    return not_fhir(answer)


def not_fhir(answer: Answer) -> TryAgain:
    """Return that a response is not one of a FHIR server, and what it was."""
    return TryAgain(Reason.NOT_FHIR, answer.status, answer=excerpt(answer))


def excerpt(answer: Answer) -> dict[str, JsonValue]:
    """Return what a server said, shortened: an OperationOutcome, or how any other body begins."""
    return {**answer.head, "body": shortened(answer.operation_outcome) or answer.text}


def _client_error(answer: Answer, resource: str | None) -> Refused | TryAgain:
    outcome = answer.operation_outcome
    if outcome is None and answer.status not in _ABOUT_CONTENT:
        reason = _ABOUT_ADDRESS.get(answer.status, Reason.NOT_FHIR)
        return TryAgain(reason, answer.status, answer=excerpt(answer))
    return Refused(answer.status, shortened(outcome), resource)


def patiently(outcome: Outcome, attempts: int) -> Outcome:
    """Retry a conflict (409) a few times before it counts as refused."""
    if not isinstance(outcome, Refused) or outcome.status != _CONFLICT:
        return outcome
    if attempts >= PATIENCE_WITH_CONFLICTS:
        return outcome
    return TryAgain(Reason.CONFLICT, _CONFLICT, everyone=False, answer=outcome.answer)


def takes_no_transactions(answer: Answer, *, declared: bool | None) -> bool:
    """Return whether a response to a transaction means that the server supports none.

    `declared` is what its CapabilityStatement says; a server that declares them may still respond
    404 for a reference that it cannot resolve.
    """
    if answer.status in {405, 501}:
        return True
    if declared:
        return False
    return answer.status == 404 or "not-supported" in _codes(answer)  # noqa: PLR2004


def _codes(answer: Answer) -> Iterator[Any]:
    return (issue.get("code") for issue in _issues(answer.operation_outcome))


def declares_transactions(answer: Answer) -> bool | None:
    """Return whether a CapabilityStatement lists `transaction`, or None if it lists nothing."""
    body: Any = answer.body
    if answer.resource_type != "CapabilityStatement":
        return None
    rest = [each for each in _dicts(body.get("rest")) if each.get("mode") == "server"]
    codes = [each.get("code") for one in rest for each in _dicts(one.get("interaction"))]
    return "transaction" in codes if codes else None


def declares_conditional_create(answer: Answer, resource_type: str) -> bool:
    """Return whether a CapabilityStatement lists `If-None-Exist` for a resource type."""
    body: Any = answer.body
    if answer.resource_type != "CapabilityStatement":
        return False
    found = (
        each
        for one in _dicts(body.get("rest"))
        for each in _dicts(one.get("resource"))
        if each.get("type") == resource_type
    )
    return any(each.get("conditionalCreate") is True for each in found)


def transaction_outcome(answer: Answer, entries: int, now: datetime) -> Outcome:
    """Return whether a server stored a whole transaction (FHIR R4, 3.1.0.11.2).

    A success status alone is not enough: a proxy or a sign-in page also responds with 200.
    """
    if not 200 <= answer.status < 300:  # noqa: PLR2004
        return failure(answer, now)
    body: Any = answer.body
    found = _dicts(body.get("entry")) if answer.resource_type == "Bundle" else []
    if len(found) != entries or body.get("type") not in ("transaction-response", "batch-response"):
        return not_fhir(answer)
    responses = [each.get("response") or {} for each in found]
    for response in responses:
        refused = _refusal_of_an_entry(response, now)
        if refused is not None:
            return refused
    return Delivered([_text(response.get("location")) for response in responses])


def _refusal_of_an_entry(response: Any, now: datetime) -> Outcome | None:
    """Check one entry's status: all succeed in a transaction, but not in a batch."""
    digits = str(response.get("status", ""))[:3]
    status = int(digits) if digits.isascii() and digits.isdigit() else 0
    if 200 <= status < 300 or status == 304:  # noqa: PLR2004
        return None
    return failure(Answer(status, {}, response.get("outcome")), now)


def shortened(outcome: JsonValue) -> JsonValue:
    """Return an OperationOutcome's issues, truncated for display."""
    issues: list[dict[str, JsonValue]] = [
        {key: _short(issue[key]) for key in _KEPT if key in issue} for issue in _issues(outcome)
    ]
    if not issues:
        return None
    kept: list[JsonValue] = [*issues[:_MAX_ISSUES]]
    return {"resourceType": "OperationOutcome", "issue": kept}


_KEPT = ("severity", "code", "details", "diagnostics", "location", "expression")


def _short(value: Any, depth: int = _MAX_DEPTH) -> JsonValue:
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    if isinstance(value, list | dict) and not depth:
        return None
    if isinstance(value, list):
        return [_short(each, depth - 1) for each in value[:_MAX_ISSUES]]
    if isinstance(value, dict):
        return {k: _short(each, depth - 1) for k, each in list(value.items())[:_MAX_ISSUES]}
    return value if isinstance(value, bool | int | float) else None


def _text(value: Any) -> JsonValue:
    return value[:_MAX_TEXT] if isinstance(value, str) else None


def _issues(outcome: Any) -> list[dict[str, Any]]:
    return _dicts(outcome.get("issue")) if isinstance(outcome, dict) else []


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
