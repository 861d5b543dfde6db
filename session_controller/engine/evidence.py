"""Evidence of the outcome of each signature request, derived from a session's log.

    evidence(session, events) -> tuple of SignatureEvidence, in the order of the log

Replays the log: texts, reading and requester are those of the moment of signing, whatever has
changed since (21 CFR 11.50 and 11.70; 15 USC 7001).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from schemas.questionnaire.model import FieldKind, Flow
from schemas.wire.commands import Strokes
from schemas.wire.views import CoversScope
from session_controller.engine import events as f
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.coverage import Covered, changed_fields
from session_controller.engine.events import Event
from session_controller.engine.evolve import evolve
from session_controller.engine.history import before_the_first
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState
from session_controller.forms.answers import resolve, shifted

NO_STROKES: Strokes = ()
"""Strokes of a declined or withdrawn signature; those of a signing stay with the signing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of a consent text was read, and for how long."""

    field_id: str
    fraction: float
    """From 0 to 1."""
    seconds: float | None
    """Time the text was on the patient screen, or None if that screen did not report it."""
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class SignatureEvidence:
    """The outcome of one signature request (21 CFR 11.50 and 11.70, ESIGN 15 USC 7001)."""

    field_id: str
    outcome: Literal["signed", "declined", "withdrawn"]
    meaning: str
    """What signing means: the text of the signature's own item, in `language`."""
    text: str
    """The exact text that was shown and is bound by the signature."""
    document_sha256: str
    """SHA-256 of `text` in UTF-8, in hex."""
    covered: Covered | None
    """What else a signature covers, and the hash of all of it; None if nothing was signed."""
    scope: CoversScope | None
    """Which answers it covers; None if nothing was signed."""
    changed_after: tuple[str, ...]
    """Fields whose content changed after the signing, in the flow's order."""
    language: str | None
    """Language of `text` (BCP 47), or None if the questionnaire states none."""
    flow_ref: str
    flow_version: str | None
    requested_at: datetime
    requested_by: str
    """The device that was host."""
    staff_name: str | None
    """Who requested the signature, if staff entered a name."""
    decided_at: datetime
    decided_on: str
    """The device that signed or declined."""
    printed_name: str | None
    """Name of the signer."""
    relationship: str | None
    """Relationship of the signer to the patient, or None if the patient signed."""
    reason: str | None
    """Why it was declined or withdrawn."""
    strokes: Strokes
    reading: tuple[Reading, ...]
    revision: int
    """Session revision after the outcome."""
    chain: str
    """The audit log's hash at this event, in hex: binds the signature to its position there."""
    requested_person: str | None = None
    """Who was signed in there, as `Event.person`."""
    other_patient: bool = False
    """Whether who the patient is has changed since: the outcome is not of the patient of now."""


def evidence(
    session: Session, events: Iterable[tuple[Event, str]]
) -> tuple[SignatureEvidence, ...]:
    """Return the evidence of every signature that was given, declined or withdrawn.

    `events` is the whole log, each event with the audit log's hash at it, in hex. Only the flow
    of `session` is used. Raises `BrokenLogError` if the log does not begin with `SessionOpened`,
    or contains a signature of a text other than the one shown.
    """
    walk: _Walk | None = None
    found: list[tuple[SignatureEvidence, SessionState]] = []
    for event, chain in events:
        if walk is None:
            walk = _Walk.before(session.flow, event)
        outcome = walk.outcome(event, chain)
        if outcome is not None:
            found.append((outcome, walk.session.state))
        walk.follow(event)
    return tuple(
        _since(session.flow, one, then, walk.session.state) if walk else one for one, then in found
    )


def _since(
    flow: Flow, one: SignatureEvidence, then: SessionState, now: SessionState
) -> SignatureEvidence:
    """Return the evidence with what has changed since."""
    changed = changed_fields(flow, then, now)
    places = (resolve(flow, field_id) for field_id in changed)
    identity = then.signatures[one.field_id].covers.patient
    other = any(place is not None and place.item.link_id in identity for place in places)
    return replace(
        one, changed_after=changed if one.outcome == "signed" else (), other_patient=other
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A signature request."""

    at: datetime
    by: str
    staff_name: str | None
    person: str | None = None


@dataclass(slots=True)
class _Walk:
    """A position in the log; what is keyed by field id is renumbered with the group instances."""

    session: Session
    asked: dict[str, _Asked] = field(default_factory=dict)
    signed: dict[str, SignatureEvidence] = field(default_factory=dict)
    read_at: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    """When reading of each text was first and last reported."""

    @classmethod
    def before(cls, flow: Flow, first: Event) -> "_Walk":
        """Start just before the first event."""
        if not isinstance(first.fact, f.SessionOpened):
            raise BrokenLogError("the log does not begin with SessionOpened")
        return cls(before_the_first(flow, first.session, first.fact, first.at))

    def outcome(self, event: Event, chain: str) -> SignatureEvidence | None:
        """Return the signature outcome that an event decides, given the state just before it."""
        match event.fact:
            case f.Signed():
                return self._signed(event, event.fact, chain)
            case f.SignatureDeclined():
                return self._declined(event, event.fact, chain)
            case f.SignatureWithdrawn():
                return self._withdrawn(event, event.fact, chain)
        return None

    def follow(self, event: Event) -> None:
        """Advance past an event."""
        fact = event.fact
        if isinstance(fact, f.SignatureRequested):
            by = event.device or ""
            self.asked[fact.field_id] = _Asked(event.at, by, fact.staff_name, event.person)
        if isinstance(fact, f.ReadingReported):
            first, _ = self.read_at.get(fact.field_id, (event.at, event.at))
            self.read_at[fact.field_id] = (first, event.at)
        if isinstance(fact, f.FieldCleared):
            self._move_up(fact.field_id)
        self.session = evolve(self.session, event)

    def _move_up(self, field_id: str) -> None:
        place = resolve(self.session.flow, field_id)
        if place is None or not place.is_instance:
            return
        self.asked = shifted(self.asked, place)
        self.signed = shifted(self.signed, place)
        self.read_at = shifted(self.read_at, place)

    def _signed(self, event: Event, fact: f.Signed, chain: str) -> SignatureEvidence:
        signed = SignatureEvidence(
            outcome="signed",
            **self._shown(fact.field_id, fact.language),
            **self._decided(event, fact.field_id, chain),
            covered=self.session.covered(fact.field_id, fact.document_sha256),
            scope=self.session.state.signatures[fact.field_id].covers.scope,
            changed_after=(),
            printed_name=fact.printed_name,
            relationship=fact.relationship,
            reason=None,
            strokes=fact.strokes,
        )
        if signed.document_sha256 != fact.document_sha256:
            raise BrokenLogError("the log contains a signature of another text")
        if signed.covered is None or signed.covered.sha256 != fact.covered_sha256:
            raise BrokenLogError("the log contains a signature of other answers")
        self.signed[fact.field_id] = signed
        return signed

    def _declined(
        self, event: Event, fact: f.SignatureDeclined, chain: str
    ) -> SignatureEvidence | None:
        """Use the text in the questionnaire's own language: a decline names no language."""
        field_id = self.session.state.signing
        if field_id is None:
            return None
        if fact.covered_sha256 not in {None, self.session.declined(field_id).sha256}:
            raise BrokenLogError("the log contains a refusal by another patient")
        return SignatureEvidence(
            outcome="declined",
            **self._shown(field_id, None),
            **self._decided(event, field_id, chain),
            **_COVERS_NOTHING,
            printed_name=None,
            relationship=None,
            reason=fact.reason,
            strokes=NO_STROKES,
        )

    def _withdrawn(self, event: Event, fact: f.SignatureWithdrawn, chain: str) -> SignatureEvidence:
        """Use the text, signer and language of the signature that is withdrawn."""
        signed = self.signed.pop(fact.field_id, None)
        if signed is None:
            raise BrokenLogError("the log withdraws a signature that does not exist")
        return SignatureEvidence(
            outcome="withdrawn",
            **{name: getattr(signed, name) for name in _SHOWN},
            **self._decided(event, fact.field_id, chain),
            **_COVERS_NOTHING,
            printed_name=signed.printed_name,
            relationship=signed.relationship,
            reason=fact.reason,
            strokes=NO_STROKES,
        )

    def _shown(self, field_id: str, language: str | None) -> dict[str, Any]:
        """Describe the text that the signature binds."""
        flow = self.session.flow
        text = self.session.consent_text(field_id, language)
        item = self.session.assessment.item(field_id)
        return {
            "meaning": item.text_in(language) or item.label,
            "text": text.decode(),
            "document_sha256": hashlib.sha256(text).hexdigest(),
            "language": language or flow.language,
            "flow_ref": flow.flow_ref,
            "flow_version": flow.version,
        }

    def _decided(self, event: Event, field_id: str, chain: str) -> dict[str, Any]:
        """Describe the outcome: who requested and decided it, when, and its position in the log."""
        asked = self.asked.get(field_id) or _Asked(event.at, "", None)
        return {
            "field_id": field_id,
            "requested_at": asked.at,
            "requested_by": asked.by,
            "staff_name": asked.staff_name,
            "requested_person": asked.person,
            "decided_at": event.at,
            "decided_on": event.device or "",
            "reading": self._reading(field_id),
            "revision": event.revision,
            "chain": chain,
        }

    def _reading(self, field_id: str) -> tuple[Reading, ...]:
        """Return how far the consent texts of the signature's step have been read."""
        state, texts = self.session.state, self._texts_beside(field_id)
        return tuple(
            Reading(one, state.reading[one], state.reading_seconds.get(one), *self.read_at[one])
            for one in texts
            if one in self.read_at
        )

    def _texts_beside(self, field_id: str) -> Iterable[str]:
        layout = self.session.assessment.layout
        step = layout.nodes[layout.index[field_id]].step
        nodes = (layout.nodes[index] for index in layout.by_step[step])
        return [n.field_id for n in nodes if n.item.kind is FieldKind.CONSENT]


_COVERS_NOTHING: dict[str, Any] = {"covered": None, "scope": None, "changed_after": ()}
_SHOWN = ("meaning", "text", "document_sha256", "language", "flow_ref", "flow_version")
