"""What came of each request for a signature, read out of a session's log.

    evidence(session, events) -> tuple of SignatureEvidence, in the order of the log

It goes through the log as it happened: texts, reading and who asked are those of that moment,
whatever has changed since (21 CFR 11.50 and 11.70; 15 USC 7001).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.commands import Strokes
from schemas.questionnaire import FieldKind, Flow
from session_controller.answers import resolve, shifted
from session_controller.engine import facts as f
from session_controller.engine.evolve import evolve
from session_controller.engine.facts import Event
from session_controller.engine.forms import BrokenLogError
from session_controller.engine.history import before_the_first
from session_controller.engine.session import Session
from session_controller.record import Reading, SignatureEvidence

NO_STROKES: Strokes = ()
"""Of what was not signed, or is signed no more: its strokes stand with the signing itself."""


def evidence(
    session: Session, events: Iterable[tuple[Event, str]]
) -> tuple[SignatureEvidence, ...]:
    """Give the evidence of every signature that was given, declined or withdrawn.

    `events` is the whole log, each event with the audit log's hash at it, in hex. Of `session`
    only the flow counts. Raises `BrokenLogError` where the log does not begin with the opening,
    or holds a signature for another text than was there.
    """
    walk: _Walk | None = None
    found = []
    for event, chain in events:
        if walk is None:
            walk = _Walk.before(session.flow, event)
        outcome = walk.outcome(event, chain)
        if outcome is not None:
            found.append(outcome)
        walk.follow(event)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for a signature."""

    at: datetime
    by: str
    staff_name: str | None


@dataclass(slots=True)
class _Walk:
    """Where a walk through the log stands: what is kept by field id moves as its groups do."""

    session: Session
    asked: dict[str, _Asked] = field(default_factory=dict)
    signed: dict[str, SignatureEvidence] = field(default_factory=dict)
    read_at: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    """When each text was first and last reported as read."""

    @classmethod
    def before(cls, flow: Flow, first: Event) -> "_Walk":
        """Stand just before the first event."""
        if not isinstance(first.fact, f.SessionOpened):
            raise BrokenLogError("the log does not begin with the opening of the session")
        return cls(before_the_first(flow, first.session, first.fact, first.at))

    def outcome(self, event: Event, chain: str) -> SignatureEvidence | None:
        """Tell what an event decides about a signature, seen from just before it."""
        match event.fact:
            case f.Signed():
                return self._signed(event, event.fact, chain)
            case f.SignatureDeclined():
                return self._declined(event, event.fact, chain)
            case f.SignatureWithdrawn():
                return self._withdrawn(event, event.fact, chain)
        return None

    def follow(self, event: Event) -> None:
        """Go past an event."""
        fact = event.fact
        if isinstance(fact, f.SignatureRequested):
            by = event.device or ""
            self.asked[fact.field_id] = _Asked(event.at, by, fact.staff_name)
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
            printed_name=fact.printed_name,
            relationship=fact.relationship,
            reason=None,
            strokes=fact.strokes,
        )
        if signed.document_sha256 != fact.document_sha256:
            raise BrokenLogError("the log holds a signature for another text")
        self.signed[fact.field_id] = signed
        return signed

    def _declined(
        self, event: Event, fact: f.SignatureDeclined, chain: str
    ) -> SignatureEvidence | None:
        """Give the text as the questionnaire is written: who declines names no language."""
        field_id = self.session.state.signing
        if field_id is None:
            return None
        return SignatureEvidence(
            outcome="declined",
            **self._shown(field_id, None),
            **self._decided(event, field_id, chain),
            printed_name=None,
            relationship=None,
            reason=fact.reason,
            strokes=NO_STROKES,
        )

    def _withdrawn(self, event: Event, fact: f.SignatureWithdrawn, chain: str) -> SignatureEvidence:
        """Give the text that was signed, by whom, and how the signature ended."""
        signed = self.signed.pop(fact.field_id, None)
        if signed is None:
            raise BrokenLogError("the log withdraws a signature that was not given")
        return SignatureEvidence(
            outcome="withdrawn",
            **{name: getattr(signed, name) for name in _SHOWN},
            **self._decided(event, fact.field_id, chain),
            printed_name=signed.printed_name,
            relationship=signed.relationship,
            reason=fact.reason,
            strokes=NO_STROKES,
        )

    def _shown(self, field_id: str, language: str | None) -> dict[str, Any]:
        """Give the text that the signature binds, and what it is of."""
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
        """Give the moment of the outcome: who asked and decided when, and where in the log."""
        asked = self.asked.get(field_id) or _Asked(event.at, "", None)
        return {
            "field_id": field_id,
            "requested_at": asked.at,
            "requested_by": asked.by,
            "staff_name": asked.staff_name,
            "decided_at": event.at,
            "decided_on": event.device or "",
            "reading": self._reading(field_id),
            "revision": event.revision,
            "chain": chain,
        }

    def _reading(self, field_id: str) -> tuple[Reading, ...]:
        """Tell how the consent texts of the signature's step were read so far."""
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


_SHOWN = ("meaning", "text", "document_sha256", "language", "flow_ref", "flow_version")
