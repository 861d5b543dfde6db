"""A session as the rules see it: flow, state, and the assessment of its answers."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypedDict, TypeVar

from pydantic import JsonValue

from schemas.questionnaire.dates import Span, days_around
from schemas.questionnaire.model import FieldKind, Flow, Step
from schemas.wire.views import SignatureStatus
from session_controller.engine.coverage import Covered, covered
from session_controller.engine.limits import size_of
from session_controller.engine.state import Document, SessionState
from session_controller.forms.answers import Assessment, Fault, assess, consent_document
from session_controller.forms.field_status import DECLINED_BEFORE

_T = TypeVar("_T")
STALE = "stale"
"""A signature of something that has changed since: it no longer counts as signed."""


class Session(NamedTuple):
    """A state with everything derived from it. `moved_to` is the only way to the next one."""

    flow: Flow
    state: SessionState
    assessment: Assessment
    known: dict[Hashable, tuple[object, Any]]
    """Results derived from this state or an earlier one, each with what it depends on."""

    @classmethod
    def of(cls, flow: Flow, state: SessionState) -> "Session":
        """Create a session from a state, assessing all of its answers."""
        judged = assess(flow, state.answers, state.instances, **_held(flow, state))
        return cls(flow, state, judged, {})

    def moved_to(self, state: SessionState) -> "Session":
        """Return the session in a later state, assessing again only what changed."""
        if _judged(self.state) == _judged(state):
            return Session(self.flow, state, self.assessment, self.known)
        changed = set(_changed(self.state, state))
        # Signatures are assessed each time: the text that was signed may have changed.
        assessment = self.assessment.after(
            changed | state.signatures.keys(),
            state.answers,
            state.instances,
            **_held(self.flow, state),
        )
        return Session(self.flow, state, assessment, self.known)

    def once(self, depends: object, make: Callable[..., _T], *arguments: str | int) -> _T:
        """Return the cached result of `make`, computing it again if `depends` has changed."""
        key = (make, *arguments)
        known = self.known.get(key)
        if known is None or known[0] != depends:
            known = self.known[key] = depends, make(self, *arguments)
        made: _T = known[1]
        return made

    @property
    def step(self) -> Step:
        """The current step."""
        return self.flow.steps[self.state.step_index]

    def shows(self, field_id: str) -> bool:
        """Return whether a field, on any step, is enabled and shown."""
        return field_id in self.assessment.enabled_ids

    @property
    def patient_faults(self) -> Sequence[Fault]:
        """What the patient has still to do on the current step; staff ask for signatures."""
        faults = self.assessment.steps[self.state.step_index].faults
        return [one for one in faults if not _is_signature(self, one.field_id)]

    @property
    def may_advance(self) -> bool:
        """Whether the patient may pass the current step alone once it is complete."""
        chosen = self.state.self_paced
        allowed = self.step.self_paced if chosen is None else chosen
        return allowed and self.next_shown is not None

    @property
    def steps_on(self) -> Sequence[int]:
        """The indices of the steps that there are now: each that shows anything, and this one."""
        shown, here = self.assessment.steps_on, self.state.step_index
        return shown if here in shown else sorted((*shown, here))

    @property
    def next_shown(self) -> int | None:
        """The index of the next step that shows anything, or None if there is none."""
        return self.nearest_shown(self.state.step_index + 1)

    def nearest_shown(self, index: int) -> int | None:
        """Return the first step that shows anything, from `index` on; or None.

        A step before the current one is looked for backwards.
        """
        shown, here = self.assessment.steps_on, self.state.step_index
        if index < here:
            return next((one for one in reversed(shown) if one <= index), None)
        return next((one for one in shown if one >= index), None)

    def title_of(self, index: int, language: str | None = None) -> str:
        """Return a step's title, by what it shows."""
        return self.flow.steps[index].title_in(language, self.assessment.enabled_ids)

    @property
    def shown_here(self) -> tuple[str, ...]:
        """Everything that the current step shows, in order: fields, groups, instances and texts."""
        return self.assessment.steps[self.state.step_index].enabled

    @property
    def answer_bytes(self) -> int:
        """Size of all answers together as JSON, in bytes."""
        return sum(map(size_of, self.state.answers.values()))

    def consent_text(self, field_id: str, language: str | None = None) -> bytes:
        """Return the text that a signature field binds now, in UTF-8."""
        return _consent_text(self.flow, self.state, field_id, language)

    def document_sha256(self, field_id: str, language: str | None = None) -> str:
        """Return the SHA-256 of the text that a signature field binds now, in hex."""
        return _sha256(self.consent_text(field_id, language))

    def documents_sha256(self, field_id: str) -> Mapping[str, str] | None:
        """Return that hash for each language of the flow, or None if it has only its own."""
        languages = self.flow.languages
        if not set(languages) - {self.flow.language}:
            return None
        return {language: self.document_sha256(field_id, language) for language in languages}

    def covered(self, field_id: str, text_sha256: str) -> Covered:
        """Return what a requested or given signature of that text covers, as the session stands."""
        wanted = self.state.signatures[field_id].covers
        return covered(self.flow, self.state, field_id, text_sha256, wanted)

    def declined(self, field_id: str) -> Covered:
        """Return what declining a requested signature is about, as the session stands."""
        signature = self.state.signatures[field_id]
        text, wanted = signature.document_sha256, signature.covers
        return covered(self.flow, self.state, field_id, text, wanted, declined=True)

    def is_stale(self, field_id: str) -> bool:
        """Return whether what was signed, or who declined, has changed since."""
        return standing(self.flow, self.state, field_id) in {STALE, DECLINED_BEFORE}

    def upload(self, upload: str) -> tuple[str, Document] | None:
        """Find an upload: return its field id and its document, or None if absent."""
        found = ((k, d) for k, d in self.state.documents.items() if d.upload == upload)
        return next(found, None)


def explain(faults: Sequence[Fault]) -> str:
    """Return a sentence that says what is missing; it names questions, never answers."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{str(faults[0]).rstrip('.')}{more}."


def fields_of(faults: Iterable[Fault]) -> list[JsonValue]:
    """Return the field ids of faults, without duplicates, in order."""
    return list(dict.fromkeys(fault.field_id for fault in faults))


def _is_signature(session: Session, field_id: str) -> bool:
    return session.assessment.item(field_id).kind is FieldKind.SIGNATURE


_JUDGED = (
    *("answers", "instances", "documents", "signatures", "reading", "corrections"),
    "computed",
)
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
    today: Span
    computed: Mapping[str, Mapping[str, JsonValue]]


def _held(flow: Flow, state: SessionState) -> _Held:
    return {
        "documents": _document_statuses(state),
        "signatures": {k: standing(flow, state, k) for k in state.signatures},
        "reading": state.reading,
        "corrections": state.corrections,
        # Of its opening: the same all through the session, so that only entries change a verdict.
        "today": days_around(state.opened_at),
        "computed": state.computed,
    }


def standing(flow: Flow, state: SessionState, field_id: str) -> str:
    """Return the status of a signature.

    `STALE` if its text, or what it covers, has changed; `DECLINED_BEFORE` if the text that was
    declined, or the patient, is another one now.
    """
    signature = state.signatures[field_id]
    declined = signature.status is SignatureStatus.DECLINED
    if signature.covered_sha256 is None or not (
        declined or signature.status is SignatureStatus.SIGNED
    ):
        return signature.status.value
    text_sha256 = _sha256(_consent_text(flow, state, field_id, signature.language))
    now = covered(flow, state, field_id, text_sha256, signature.covers, declined=declined)
    same = text_sha256 == signature.document_sha256 and now.sha256 == signature.covered_sha256
    if same:
        return signature.status.value
    return DECLINED_BEFORE if declined else STALE


def _consent_text(flow: Flow, state: SessionState, field_id: str, language: str | None) -> bytes:
    return consent_document(
        flow,
        field_id,
        state.answers,
        state.instances,
        language,
        documents=_document_statuses(state),
        reading=state.reading,
        computed=state.computed,
    )


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _document_statuses(state: SessionState) -> Mapping[str, str]:
    return {field_id: document.status.value for field_id, document in state.documents.items()}
