"""`view`: what a device may see of a session. Nothing else makes a view.

A view is made of parts, and written part by part: most events leave most parts as they were, and
what was written of those for the view before stands in the next one as it is.
"""

from collections.abc import Callable

from schemas.base import Role, Wire
from schemas.views import FacilityView, PatientView
from session_controller.engine import view_parts as parts
from session_controller.engine.moves import phase_of
from session_controller.engine.session import Session


def view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> PatientView | FacilityView | None:
    """Give a participant's whole view; None for a device that takes no part.

    `code` is the open pairing code as it is shown; who may see it is decided here.
    """
    participant = session.state.participants.get(device)
    if participant is None:
        return None
    if participant.role is Role.PATIENT:
        return PatientView.trusted(
            **vars(parts.patient_standing(session, device, epoch)),
            **vars(parts.entered_here(session)),
        )
    return facility_view(session, device, epoch=epoch, code=code)


def facility_view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> FacilityView:
    """Give the staff's view, also to who only asks and takes no part."""
    return FacilityView.trusted(
        **vars(parts.facility_standing(session, device, epoch, code)),
        **vars(parts.entered_anywhere(session)),
        **vars(parts.progress(session)),
        **vars(parts.company(session)),
        **vars(parts.outlook(session, device)),
    )


def written_view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> bytes | None:
    """Give what `view` gives as JSON, at less cost: only what has changed is written anew."""
    participant = session.state.participants.get(device)
    if participant is None:
        return None
    if participant.role is Role.PATIENT:
        standing = parts.patient_standing(session, device, epoch).to_json()
        return _joined(standing, *_patient_parts(session))
    standing = parts.facility_standing(session, device, epoch, code).to_json()
    return _joined(standing, *_staff_parts(session, device))


def _patient_parts(session: Session) -> tuple[bytes, ...]:
    state = session.state
    depends = session.assessment, state.reading_seconds, state.step_index
    return (_written(session, parts.entered_here, depends=depends),)


def _staff_parts(session: Session, device: str) -> tuple[bytes, ...]:
    state, judged = session.state, session.assessment
    # A signature that is asked for shows the hash of a text, and that has answers in it.
    judgement = judged if state.signatures else judged.steps
    steps = judgement, state.step_index, state.furthest_step, state.status.ended
    moves = judged.steps, phase_of(state), state.is_led, state.host
    return (
        _written(session, parts.entered_anywhere, depends=(judged, state.reading_seconds)),
        _written(session, parts.progress, depends=(steps, state.signatures)),
        _written(session, parts.company, depends=(state.participants, state.host)),
        _written(session, parts.outlook, device, depends=moves),
    )


def _written(
    session: Session, part: Callable[..., Wire], *arguments: str, depends: tuple[object, ...]
) -> bytes:
    """Write a part, unless what it depends on is as it was when it was written last."""
    return session.once((part, *arguments), depends, lambda: part(session, *arguments).to_json())


def _joined(*objects: bytes) -> bytes:
    """Write one JSON object with the members of several, none of which is empty."""
    return b"{%b}" % b",".join([each[1:-1] for each in objects])
