"""What an answer of a FHIR server means for a delivery: pure functions."""

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
"""A 4xx that speaks of what was sent, even where no OperationOutcome says so; others (403, 404 …)
speak of the address or of the client as long as none does."""
_CONFLICT, _REQUEST_TIMEOUT, _UNAUTHORIZED = 409, 408, 401
PATIENCE_WITH_CONFLICTS = 5
"""A 409 is most often two writers at once, and over soon; one that stays needs a person."""


def failure(answer: Answer, now: datetime, resource: str | None = None) -> Refused | TryAgain:
    """Say what an answer that is no success means (FHIR R4, 3.1.0.1.10)."""
    status, wish = answer.status, answer.retry_after_s(now)
    if status in _BUSY:
        return TryAgain(Reason.BUSY, status, wish)
    if status >= 500:  # noqa: PLR2004 - RFC 9110, 15.6
        return TryAgain(Reason.SERVER_ERROR, status, wish, everyone=False)
    if status == _REQUEST_TIMEOUT:
        return TryAgain(Reason.TIMED_OUT, status, wish)
    if status == _UNAUTHORIZED:
        return TryAgain(Reason.NOT_AUTHORIZED, status, wish)
    if 400 <= status < 500:  # noqa: PLR2004 - RFC 9110, 15.5
        return _client_error(answer, resource)
    return TryAgain(Reason.NOT_FHIR, status)


def _client_error(answer: Answer, resource: str | None) -> Refused | TryAgain:
    outcome = answer.operation_outcome
    if outcome is None and answer.status not in _ABOUT_CONTENT:
        known = {403: Reason.NOT_AUTHORIZED}
        return TryAgain(known.get(answer.status, Reason.NOT_FHIR), answer.status)
    return Refused(answer.status, shortened(outcome), resource)


def patiently(outcome: Outcome, attempts: int) -> Outcome:
    """Try what met a conflict (409) again a few times before it counts as refused."""
    conflict = isinstance(outcome, Refused) and outcome.status == _CONFLICT
    if conflict and attempts < PATIENCE_WITH_CONFLICTS:
        return TryAgain(Reason.CONFLICT, _CONFLICT, everyone=False)
    return outcome


def takes_no_transactions(answer: Answer, *, declared: bool | None) -> bool:
    """Tell whether an answer to a transaction means that the server knows none.

    `declared` is what its CapabilityStatement says; one that declares them may still answer 404 for
    a reference that it cannot resolve.
    """
    if answer.status in {405, 501}:
        return True
    if declared:
        return False
    return answer.status == 404 or "not-supported" in _codes(answer)  # noqa: PLR2004


def _codes(answer: Answer) -> Iterator[Any]:
    return (issue.get("code") for issue in _issues(answer.operation_outcome))


def declares_transactions(answer: Answer) -> bool | None:
    """Read whether a CapabilityStatement names `transaction`; None where it names nothing."""
    body: Any = answer.body
    if answer.resource_type != "CapabilityStatement":
        return None
    rest = [each for each in _dicts(body.get("rest")) if each.get("mode") == "server"]
    codes = [each.get("code") for one in rest for each in _dicts(one.get("interaction"))]
    return "transaction" in codes if codes else None


def declares_conditional_create(answer: Answer, resource_type: str) -> bool:
    """Read whether a CapabilityStatement promises `If-None-Exist` for a type of resource."""
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
    """Say whether a server took a whole transaction (FHIR R4, 3.1.0.11.2).

    A success alone is not believed: a proxy or a sign-in page says 200 as well.
    """
    if not 200 <= answer.status < 300:  # noqa: PLR2004
        return failure(answer, now)
    body: Any = answer.body
    found = _dicts(body.get("entry")) if answer.resource_type == "Bundle" else []
    if len(found) != entries or body.get("type") not in ("transaction-response", "batch-response"):
        return TryAgain(Reason.NOT_FHIR, answer.status)
    responses = [each.get("response") or {} for each in found]
    for response in responses:
        refused = _refusal_of_an_entry(response, now)
        if refused is not None:
            return refused
    return Delivered([_text(response.get("location")) for response in responses])


def _refusal_of_an_entry(response: Any, now: datetime) -> Outcome | None:
    """Judge one entry's own status: all are good in a transaction, but not where it was a batch."""
    digits = str(response.get("status", ""))[:3]
    status = int(digits) if digits.isascii() and digits.isdigit() else 0
    if 200 <= status < 300 or status == 304:  # noqa: PLR2004
        return None
    return failure(Answer(status, {}, response.get("outcome")), now)


def shortened(outcome: JsonValue) -> JsonValue:
    """Give an OperationOutcome's issues, cut to what a person reads."""
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
