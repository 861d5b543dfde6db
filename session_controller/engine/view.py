"""`view`: the only place that decides what a device may see of a session.

A view is assembled from parts. Most events leave most parts unchanged, and the JSON of unchanged
parts is reused.
"""

from collections.abc import Callable, Iterable, Iterator

from schemas.base import Role, rfc3339, written
from schemas.wire.views import FacilityView, PatientView
from session_controller.engine import view_parts as parts
from session_controller.engine.session import Session

_PATIENT = Role.PATIENT


ScreenKey = Callable[[str], str | None]
"""From a device to the key of what it stores."""
PersonAt = Callable[[str], str | None]
"""From a front-desk screen to the name of whoever is signed in there."""


def view(
    session: Session,
    device: str,
    *,
    epoch: int,
    code: str | None = None,
    screen_key: ScreenKey | None = None,
    person_at: PersonAt | None = None,
    signed_out: bool = False,
    offers_copies: bool = False,
) -> PatientView | FacilityView | None:
    """Return a participant's whole view, or None if the device takes no part.

    `code` is the open pairing code as displayed, `screen_key` the key of what a device stores; this
    function decides who may see them. `person_at` names who is at the host's screen. `signed_out`
    says that nobody is signed in at a staff screen, `offers_copies` that the box can hand patients
    a copy of their record.
    """
    participant = session.state.participants.get(device)
    if participant is None:
        return None
    if participant.role is _PATIENT:
        return PatientView.model_validate(
            parts.fixed(session, epoch)
            | parts.standing(session)
            | parts.patient_standing(
                session, device, screen_key, person_at, offers_copies=offers_copies
            )
            | parts.entered_here(session)
        )
    if signed_out:
        return FacilityView.model_validate(
            parts.fixed(session, epoch) | parts.signed_out(session, device)
        )
    return facility_view(session, device, epoch=epoch, code=code)


def facility_view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> FacilityView:
    """Return the facility view, also for a device that is not a participant."""
    return FacilityView.model_validate(
        parts.fixed(session, epoch)
        | parts.standing(session)
        | parts.facility_standing(session, device, code)
        | parts.entered_anywhere(session)
        | parts.around(session, device)
    )


def written_views(
    session: Session,
    devices: Iterable[str],
    *,
    epoch: int,
    code: str | None = None,
    screen_key: ScreenKey | None = None,
    person_at: PersonAt | None = None,
    is_signed_out: Callable[[str], bool] = lambda _: False,
    offers_copies: bool = False,
) -> Iterator[tuple[str, bytes]]:
    """Yield what `view` returns for each participating device, as JSON, at less cost.

    Serializes only what has changed, and once for all devices that share it.
    """
    participants = session.state.participants
    standing = parts.standing(session)
    standing["updated_at"] = rfc3339(session.state.updated_at)
    for device in devices:
        participant = participants.get(device)
        if participant is None:
            continue
        if participant.role is _PATIENT:
            own = parts.patient_standing(
                session, device, screen_key, person_at, offers_copies=offers_copies
            )
            others = _patient_parts(session, epoch)
        elif is_signed_out(device):
            yield device, written(parts.fixed(session, epoch) | parts.signed_out(session, device))
            continue
        else:
            own = parts.facility_standing(session, device, code)
            others = _staff_parts(session, epoch, device)
        yield device, b"".join((b"{", *others, written(standing | own)[1:]))


def _patient_parts(session: Session, epoch: int) -> tuple[bytes, ...]:
    state = session.state
    where = state.step_index, state.shown_steps, state.status.ended, state.locked
    depends = session.assessment, state.reading_seconds, state.correction_words, where
    return (session.once(depends, _entered_here, epoch),)


def _staff_parts(session: Session, epoch: int, device: str) -> tuple[bytes, ...]:
    state, judged = session.state, session.assessment
    # A requested signature shows the hash of a text, and that text may depend on answers.
    judgement = judged if state.signatures else judged.steps
    course = judgement, state.step_index, state.shown_steps, state.status, state.signatures
    company = state.participants, state.host, state.paused, state.signing
    depends = judged, state.reading_seconds, state.correction_words
    entered = session.once(depends, _entered_anywhere, epoch)
    return entered, session.once((course, company), _around, device)


def _entered_here(session: Session, epoch: int) -> bytes:
    return _inside(parts.fixed(session, epoch) | parts.entered_here(session))


def _entered_anywhere(session: Session, epoch: int) -> bytes:
    return _inside(parts.fixed(session, epoch) | parts.entered_anywhere(session))


def _around(session: Session, device: str) -> bytes:
    return _inside(parts.around(session, device))


def _inside(members: parts.Members) -> bytes:
    """Serialize members for the beginning of an object, followed by others."""
    return b"%b," % written(members)[1:-1]
