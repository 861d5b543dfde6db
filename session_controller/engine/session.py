"""A session as the rules see it: the flow, the state, and the answers judged."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypedDict, TypeVar

from pydantic import JsonValue

from schemas.questionnaire import Flow, Step
from schemas.views import SignatureStatus
from session_controller.answers import Assessment, Fault, assess, consent_document
from session_controller.engine.limits import size_of
from session_controller.engine.state import Document, SessionState

_T = TypeVar("_T")
_STALE = "stale"
"""A signature whose text has changed since: to the judgement it is no longer signed."""


class Session(NamedTuple):
    """A state with what follows from it. `moved_to` is the only way on."""

    flow: Flow
    state: SessionState
    assessment: Assessment
    known: dict[Hashable, tuple[object, Any]]
    """What was worked out of this state or an earlier one, with what that depends on."""

    @classmethod
    def of(cls, flow: Flow, state: SessionState) -> "Session":
        """Take up a state, judging all of its answers."""
        judged = assess(flow, state.answers, state.instances, **_held(flow, state))
        return cls(flow, state, judged, {})

    def moved_to(self, state: SessionState) -> "Session":
        """Give the session in a later state, judging again only what changed."""
        if _judged(self.state) == _judged(state):
            return Session(self.flow, state, self.assessment, self.known)
        changed = set(_changed(self.state, state))
        # A signature is judged again each time: what it signed may read otherwise now.
        assessment = self.assessment.after(
            changed | state.signatures.keys(),
            state.answers,
            state.instances,
            **_held(self.flow, state),
        )
        return Session(self.flow, state, assessment, self.known)

    def once(self, depends: object, make: Callable[..., _T], *arguments: str | int) -> _T:
        """Give what `make` gave last of this session, unless what it depends on is another now."""
        key = (make, *arguments)
        known = self.known.get(key)
        if known is None or known[0] != depends:
            known = self.known[key] = depends, make(self, *arguments)
        made: _T = known[1]
        return made

    @property
    def step(self) -> Step:
        """The authoritative step."""
        return self.flow.steps[self.state.step_index]

    def shows(self, field_id: str) -> bool:
        """Tell whether a field, on whatever step, is on and shown."""
        return field_id in self.assessment.enabled_ids

    @property
    def shown_here(self) -> tuple[str, ...]:
        """All that the current step shows, in order: fields, groups, instances and texts."""
        return self.assessment.steps[self.state.step_index].enabled

    @property
    def answer_bytes(self) -> int:
        """The size of all answers together as JSON."""
        return sum(map(size_of, self.state.answers.values()))

    def consent_text(self, field_id: str, language: str | None = None) -> bytes:
        """Give the text that a signature field binds now, in UTF-8."""
        return _consent_text(self.flow, self.state, field_id, language)

    def document_sha256(self, field_id: str, language: str | None = None) -> str:
        """Hash the text that a signature field binds now."""
        return _sha256(self.consent_text(field_id, language))

    def documents_sha256(self, field_id: str) -> Mapping[str, str] | None:
        """Hash that text in each language of the flow; None where it comes in its own alone."""
        languages = self.flow.languages
        if not set(languages) - {self.flow.language}:
            return None
        return {language: self.document_sha256(field_id, language) for language in languages}

    def upload(self, upload: str) -> tuple[str, Document] | None:
        """Find an upload: its field and its document."""
        found = ((k, d) for k, d in self.state.documents.items() if d.upload == upload)
        return next(found, None)


def explain(faults: Sequence[Fault]) -> str:
    """Say in a sentence what is missing; names questions, never answers."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{str(faults[0]).rstrip('.')}{more}."


def fields_of(faults: Iterable[Fault]) -> list[JsonValue]:
    """List the fields that faults are of, each once, in order."""
    return list(dict.fromkeys(fault.field_id for fault in faults))


_JUDGED = ("answers", "instances", "documents", "signatures", "reading", "corrections")
_judged = attrgetter(*_JUDGED)


def _changed(before: SessionState, after: SessionState) -> Iterable[str]:
    for name in _JUDGED:
        old, new = getattr(before, name), getattr(after, name)
        if old is not new:
            yield from (k for k in old.keys() | new.keys() if old.get(k) != new.get(k))


class _Held(TypedDict):
    documents: Mapping[str, str]
    signatures: Mapping[str, str]
    reading: Mapping[str, float]
    corrections: Mapping[str, str]


def _held(flow: Flow, state: SessionState) -> _Held:
    return {
        "documents": _document_statuses(state),
        "signatures": {k: _standing(flow, state, k) for k in state.signatures},
        "reading": state.reading,
        "corrections": state.corrections,
    }


def _standing(flow: Flow, state: SessionState, field_id: str) -> str:
    signature = state.signatures[field_id]
    if signature.status is not SignatureStatus.SIGNED:
        return signature.status.value
    text = _consent_text(flow, state, field_id, signature.language)
    same = _sha256(text) == signature.document_sha256
    return signature.status.value if same else _STALE


def _consent_text(flow: Flow, state: SessionState, field_id: str, language: str | None) -> bytes:
    return consent_document(
        flow,
        field_id,
        state.answers,
        state.instances,
        language,
        documents=_document_statuses(state),
        reading=state.reading,
    )


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _document_statuses(state: SessionState) -> Mapping[str, str]:
    return {field_id: document.status.value for field_id, document in state.documents.items()}
