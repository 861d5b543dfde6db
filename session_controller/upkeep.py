"""What nobody asks for: codes close, idle sessions expire, topics of ended ones are cleared."""

from session_controller.admin import clear_topics
from session_controller.engine.facts import CodeClosed, Expired
from session_controller.engine.session import Session
from session_controller.presence import note_presence
from session_controller.work import Work


def look_after(work: Work) -> None:
    """Look at every live session once; called every second."""
    settings = work.world.settings
    for session in list(work.world.sessions.values()):
        state = session.state
        if state.status.ended:
            if work.at >= state.updated_at + settings.retention_of_topics:
                _clear(work, session)
        elif work.at >= state.updated_at + settings.idle_limit:
            work.record(session, Expired())
        elif state.code and work.at >= state.code.expires_at:
            work.record(session, CodeClosed())
    expired = [c for c in work.world.open_codes.values() if not c.is_open(work.at)]
    for code in expired:
        del work.world.open_codes[code.code_hash]


def _clear(work: Work, session: Session) -> None:
    clear_topics(work, session.state)
    work.batch.cleared[session.state.session] = work.at


def everyone_left(work: Work) -> None:
    """Note that nobody is connected: the broker has only just started."""
    for device in list(work.world.devices.values()):
        if device.online:
            note_presence(work, device, online=False, connection=device.connection)
