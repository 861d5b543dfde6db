"""`view`: what a device may see of a session. Nothing else makes a view.

A view is made of parts, and written part by part: most events leave most parts as they were, and
what was written of those for the view before stands in the next one as it is.
"""

from collections.abc import Callable

from schemas.base import Role, written
from schemas.views import FacilityView, PatientView
from session_controller.engine import view_parts as parts
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
        return PatientView.model_validate(
            parts.standing(session, epoch)
            | parts.patient_standing(session, device)
            | parts.entered_here(session)
        )
    return facility_view(session, device, epoch=epoch, code=code)


def facility_view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> FacilityView:
    """Give the staff's view, also to who only asks and takes no part."""
    return FacilityView.model_validate(
        parts.standing(session, epoch)
        | parts.facility_standing(session, device, code)
        | parts.entered_anywhere(session)
        | parts.around(session, device)
    )


def written_view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> bytes | None:
    """Give what `view` gives as JSON, at less cost: only what has changed is written anew."""
    participant = session.state.participants.get(device)
    if participant is None:
        return None
    if participant.role is Role.PATIENT:
        own = parts.patient_standing(session, device)
        others = _patient_parts(session)
    else:
        own = parts.facility_standing(session, device, code)
        others = _staff_parts(session, device)
    # One revision has one content (a refusal changes what is acknowledged, and nothing here).
    moment = session.state.revision, session.state.updated_at
    standing = _written(session, parts.standing, epoch, depends=moment)
    return b"{%b}" % b",".join((standing, _inside(own), *others))


def _patient_parts(session: Session) -> tuple[bytes, ...]:
    state = session.state
    depends = session.assessment, state.reading_seconds, state.step_index
    return (_written(session, parts.entered_here, depends=depends),)


def _staff_parts(session: Session, device: str) -> tuple[bytes, ...]:
    state, judged = session.state, session.assessment
    # A signature that is asked for shows the hash of a text, and that has answers in it.
    judgement = judged if state.signatures else judged.steps
    course = judgement, state.step_index, state.furthest_step, state.status, state.signatures
    company = state.participants, state.host, state.paused, state.signing
    return (
        _written(session, parts.entered_anywhere, depends=(judged, state.reading_seconds)),
        _written(session, parts.around, device, depends=(course, company)),
    )


def _written(
    session: Session,
    part: Callable[..., parts.Members],
    *arguments: str | int,
    depends: object,
) -> bytes:
    """Write a part, unless what it depends on is as it was when it was written last."""
    return session.once((part, *arguments), depends, lambda: _inside(part(session, *arguments)))


def _inside(members: parts.Members) -> bytes:
    """Write members as they stand in an object; there is at least one."""
    return written(members)[1:-1]
