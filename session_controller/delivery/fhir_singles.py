"""Send a transaction's resources one by one, to a server without transactions.

Each step is idempotent: a PUT, or a POST with `If-None-Exist`. Progress is stored after each step,
so that a connection of a few minutes is enough to make progress.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from pydantic import JsonValue

from session_controller.delivery.exchange import Answer
from session_controller.delivery.fhir_server import FhirServer
from session_controller.delivery.judging import failure, not_fhir
from session_controller.delivery.outcomes import Delivered, Outcome, Refused, TryAgain
from session_controller.delivery.sender import Keep
from session_controller.export.fhir import with_references
from session_controller.export.writers import Resource, Single

Done = dict[str, str]
"""What the server has stored: its reference, by the SHA-256 of our entry."""


async def send_singles(
    server: FhirServer, entries: Sequence[Single], progress: JsonValue, keep: Keep
) -> Outcome:
    """Send the entries of a transaction Bundle in order, resuming after the last one stored.

    An entry follows the entries it refers to: their `fullUrl` in it is replaced with the reference
    that the server assigned.
    """
    done = read_progress(progress)
    references: dict[str, str] = {}
    for entry in entries:
        digest = _digest(entry)
        if digest not in done:
            found = await _step(server, entry, references)
            if not isinstance(found, str):
                return found
            done[digest] = found
            await keep({"done": dict(done)})
        references[entry.full_url] = done[digest]
    return Delivered([done[_digest(entry)] for entry in entries])


def read_progress(progress: JsonValue) -> Done:
    """Read the progress of an earlier attempt."""
    done = progress.get("done") if isinstance(progress, dict) else None
    if not isinstance(done, dict):
        return {}
    return {key: value for key, value in done.items() if isinstance(value, str)}


def _digest(entry: Single) -> str:
    said = (entry.method, entry.url, entry.if_none_exist, entry.resource)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


async def _step(
    server: FhirServer, entry: Single, references: Mapping[str, str]
) -> str | Refused | TryAgain:
    """Send one entry; return the reference that the server assigned."""
    kind: str = entry.resource["resourceType"]
    if entry.if_none_exist and not await server.creates_conditionally(kind):
        # A POST might create a duplicate: search first. Only we use our identifiers.
        existing = await find(server, kind, entry.if_none_exist)
        if existing is not None:
            return existing
    answer = await server.ask(
        entry.method,
        entry.url,
        resource=with_references(entry.resource, references),
        headers=_conditions(entry),
    )
    if isinstance(answer, TryAgain):
        return answer
    if not 200 <= answer.status < 300:  # noqa: PLR2004
        return failure(answer, server.now(), kind)
    return await _reference(server, kind, entry, answer)


def _conditions(entry: Single) -> dict[str, str]:
    condition = {"If-None-Exist": entry.if_none_exist} if entry.if_none_exist else {}
    return {"Prefer": "return=minimal", **condition}


async def _reference(
    server: FhirServer, kind: str, entry: Single, answer: Answer
) -> str | Refused | TryAgain:
    """Return the reference of a stored resource, from the response or by searching."""
    if answer.resource_type == kind and isinstance(answer.body, dict):
        return f"{kind}/{answer.body.get('id')}"
    for header in ("Location", "Content-Location"):
        found = reference_of(answer.headers.get(header, ""), kind)
        if found is not None:
            return found
    url, _, criteria = entry.url.partition("?")
    criteria = criteria or entry.if_none_exist or ""
    if criteria:
        return await find(server, kind, criteria) or not_fhir(answer)
    return await _read(server, kind, url) or not_fhir(answer)


async def _read(server: FhirServer, kind: str, url: str) -> str | TryAgain | None:
    """Check that a PUT was stored: an empty 200 may come from an intermediary."""
    answer = await server.ask("GET", url)
    if isinstance(answer, TryAgain):
        return answer
    return url if answer.status == 200 and answer.resource_type == kind else None  # noqa: PLR2004


def reference_of(location: str, kind: str) -> str | None:
    """Parse `Type/id` from a `Location`: `[base]/Type/id/_history/version` (FHIR R4, 3.1.0.8)."""
    levels = location.partition("?")[0].split("/_history/")[0].rstrip("/").split("/")
    if len(levels) >= 2 and levels[-2] == kind and levels[-1]:  # noqa: PLR2004
        return "/".join(levels[-2:])
    return None


async def find(server: FhirServer, kind: str, criteria: str) -> str | Refused | TryAgain | None:
    """Search for an existing resource, as a conditional create does; None if absent.

    The criteria may contain a patient identifier, so they are sent in the body: URLs are logged.
    """
    form = parse_qsl(criteria, keep_blank_values=True)
    answer = await server.ask("POST", f"{kind}/_search", form=form)
    if isinstance(answer, TryAgain):
        return answer
    if answer.status != 200:  # noqa: PLR2004
        return failure(answer, server.now(), kind)
    if answer.resource_type != "Bundle" or not isinstance(answer.body, dict):
        return not_fhir(answer)
    return _only(answer.body, kind)


def _only(bundle: Resource, kind: str) -> str | Refused | None:
    resources = [each.get("resource") or {} for each in bundle.get("entry") or []]
    found = [each for each in resources if each.get("resourceType") == kind]
    if len(found) > 1:
        return Refused(412, _SEVERAL, kind)  # as a server that supports conditional create responds
    return f"{kind}/{found[0].get('id')}" if found else None


_SEVERAL: JsonValue = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "multiple-matches",
            "diagnostics": "The server has several resources with this identifier.",
        }
    ],
}
