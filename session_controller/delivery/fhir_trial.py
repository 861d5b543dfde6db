"""Try a FHIR server: its CapabilityStatement, the credential, and a request that stores nothing."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from schemas.wire.deliveries import TrialStep
from schemas.wire.destinations import FhirDestination
from session_controller.delivery.causes import cause_of
from session_controller.delivery.exchange import Answer
from session_controller.delivery.fhir_server import FhirServer
from session_controller.delivery.judging import (
    declares_transactions,
    failure,
    not_fhir,
    takes_no_transactions,
)
from session_controller.delivery.outcomes import Reason, Refused, TryAgain

_T = TypeVar("_T")
_PATIENCE_S = 30.0
_EMPTY = {"resourceType": "Bundle", "type": "transaction"}
"""Stores nothing, and needs the same permission as a session (FHIR R4, 3.1.0.11)."""
_SEARCH = "QuestionnaireResponse?identifier=urn:handrail:test%7Cnone&_summary=count"
"""Finds nothing, and reads nobody's data."""
_SHOWN = 200
_ONE_BY_ONE = "the server takes no transactions: each resource is sent by itself"
_ABOUT_EMPTY, _FAILED = {400, 422}, 500


async def try_server(server: FhirServer, destination: FhirDestination) -> AsyncIterator[TrialStep]:
    """Yield what was tried of a server that can be reached, up to the first step that fails."""
    said = await _patiently(server.authorization())
    yield (step := _authorization(said, destination))
    if step.result == "failed":
        return
    answer = await _patiently(server.statement())
    yield (step := _metadata(server, answer))
    if step.result == "failed" or not isinstance(answer, Answer):
        return
    declared = declares_transactions(answer)
    wanted = destination.transactions
    if wanted == "never" or (wanted == "auto" and declared is False):
        yield await _search(server)
    else:
        yield await _transaction(server, declared=declared, always=wanted == "always")


async def _patiently(asked: Coroutine[Any, Any, _T]) -> _T | TryAgain:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await asked
    except TimeoutError:
        return TryAgain(Reason.TIMED_OUT)


def _authorization(said: str | TryAgain | None, destination: FhirDestination) -> TrialStep:
    if isinstance(said, TryAgain):
        return _failed("authorization", said)
    if destination.auth is None:
        text = "no credential is configured"
    elif destination.auth.by == "token":
        text = "the token file can be read"
    else:
        text = "the authorization server gave a token"
    return TrialStep(step="authorization", result="ok", text=text)


def _metadata(server: FhirServer, answer: Answer | TryAgain) -> TrialStep:
    if isinstance(answer, TryAgain):
        return _failed("metadata", answer)
    body: Any = answer.body
    if answer.resource_type != "CapabilityStatement":
        good = 200 <= answer.status < 300  # noqa: PLR2004
        return _failed("metadata", not_fhir(answer) if good else failure(answer, server.now()))
    version = str(body.get("fhirVersion") or "4")
    if version.split(".", maxsplit=1)[0] != "4":
        text, mend = f"this is FHIR {version[:20]}", "use the server's address for FHIR R4"
        return TrialStep(step="metadata", result="failed", text=text, mend=mend)
    text = "[base]/metadata shows a CapabilityStatement of FHIR R4"
    return TrialStep(step="metadata", result="ok", text=text)


async def _transaction(server: FhirServer, *, declared: bool | None, always: bool) -> TrialStep:
    answer = await _patiently(server.ask("POST", resource=_EMPTY))
    if isinstance(answer, TryAgain):
        return _failed("writing", answer)
    if takes_no_transactions(answer, declared=declared):
        return (
            _WITHOUT_THEM if always else TrialStep(step="writing", result="note", text=_ONE_BY_ONE)
        )
    if 200 <= answer.status < 300 and answer.resource_type == "Bundle":  # noqa: PLR2004
        text = "the server took an empty transaction; nothing was stored"
        return TrialStep(step="writing", result="ok", text=text)
    return _about_empty(answer) or _failed("writing", failure(answer, server.now()))


_WITHOUT_THEM = TrialStep(
    step="writing",
    result="failed",
    text="the server takes no transactions",
    mend="do without `--transactions always`",
)


def _about_empty(answer: Answer) -> TrialStep | None:
    """Return that a server works which wants no empty transaction, or None."""
    if answer.status in _ABOUT_EMPTY and answer.operation_outcome is not None:
        text = "the server takes transactions; it refused an empty one, as it may"
        return TrialStep(step="writing", result="ok", text=text)
    if answer.status == _FAILED:
        text = "the server failed on an empty transaction (500); it may still take sessions"
        return TrialStep(step="writing", result="note", text=text)
    return None


async def _search(server: FhirServer) -> TrialStep:
    answer = await _patiently(server.ask("GET", _SEARCH))
    if isinstance(answer, TryAgain):
        return _failed("writing", answer)
    if 200 <= answer.status < 300 and answer.resource_type == "Bundle":  # noqa: PLR2004
        text = f"{_ONE_BY_ONE}; a search that finds nothing was allowed"
        return TrialStep(step="writing", result="ok", text=text)
    return _failed("writing", failure(answer, server.now()))


def _failed(step: str, found: TryAgain | Refused) -> TrialStep:
    reason = found.reason if isinstance(found, TryAgain) else "refused"
    cause, said = cause_of(reason, found.status), _said(found.answer)
    text = f"{cause.text}: {said}" if said else cause.text
    return TrialStep(step=step, result="failed", text=text, mend=cause.mend)


def _said(answer: Any) -> str:
    """Return the first sentence of what a server said; it was told of no patient."""
    body = (answer or {}).get("body")
    if not isinstance(body, dict):
        return ""
    issues = body.get("issue")
    first = issues[0] if isinstance(issues, list) and issues else body
    found = (first.get(name) for name in ("diagnostics", "error_description", "error"))
    return str(next(filter(None, found), ""))[:_SHOWN]
