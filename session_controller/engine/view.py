"""`view`: what a device may see of a session. Nothing else makes a view.

A view is made of parts, and written part by part: most events leave most parts as they were, and
what was written of those for the view before stands in the next one as it is.
"""

from collections.abc import Iterable, Iterator

from schemas.base import Role, rfc3339, written
from schemas.views import FacilityView, PatientView
from session_controller.engine import view_parts as parts
from session_controller.engine.session import Session

_PATIENT = Role.PATIENT


def view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> PatientView | FacilityView | None:
    """Give a participant's whole view; None for a device that takes no part.

    `code` is the open pairing code as it is shown; who may see it is decided here.
    """
    participant = session.state.participants.get(device)
    if participant is None:
        return None
    if participant.role is _PATIENT:
        return PatientView.model_validate(
            parts.fixed(session, epoch)
            | parts.standing(session)
            | parts.patient_standing(session, device)
            | parts.entered_here(session)
        )
    return facility_view(session, device, epoch=epoch, code=code)


def facility_view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> FacilityView:
    """Give the staff's view, also to who only asks and takes no part."""
    return FacilityView.model_validate(
        parts.fixed(session, epoch)
        | parts.standing(session)
        | parts.facility_standing(session, device, code)
        | parts.entered_anywhere(session)
        | parts.around(session, device)
    )


def written_views(
    session: Session, devices: Iterable[str], *, epoch: int, code: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """Give what `view` gives each of the devices that take part, as JSON, at less cost.

    Only what has changed is written anew, and what all of them are told once.
    """
    participants = session.state.participants
    standing = parts.standing(session)
    standing["updated_at"] = rfc3339(session.state.updated_at)
    for device in devices:
        participant = participants.get(device)
        if participant is None:
            continue
        if participant.role is _PATIENT:
            own = parts.patient_standing(session, device)
            others = _patient_parts(session, epoch)
        else:
            own = parts.facility_standing(session, device, code)
            others = _staff_parts(session, epoch, device)
        yield device, b"".join((b"{", *others, written(standing | own)[1:]))


def _patient_parts(session: Session, epoch: int) -> tuple[bytes, ...]:
    state = session.state
    depends = session.assessment, state.reading_seconds, state.step_index
    return (session.once(depends, _entered_here, epoch),)


def _staff_parts(session: Session, epoch: int, device: str) -> tuple[bytes, ...]:
    state, judged = session.state, session.assessment
    # A signature that is asked for shows the hash of a text, and that has answers in it.
    judgement = judged if state.signatures else judged.steps
    course = judgement, state.step_index, state.furthest_step, state.status, state.signatures
    company = state.participants, state.host, state.paused, state.signing
    entered = session.once((judged, state.reading_seconds), _entered_anywhere, epoch)
    return entered, session.once((course, company), _around, device)


def _entered_here(session: Session, epoch: int) -> bytes:
    return _inside(parts.fixed(session, epoch) | parts.entered_here(session))


def _entered_anywhere(session: Session, epoch: int) -> bytes:
    return _inside(parts.fixed(session, epoch) | parts.entered_anywhere(session))


def _around(session: Session, device: str) -> bytes:
    return _inside(parts.around(session, device))


def _inside(members: parts.Members) -> bytes:
    """Write members as they stand in an object, before others."""
    return b"%b," % written(members)[1:-1]
