"""One command's way: read, in sequence, decided, recorded; answered by view or refusal."""

import logging
from typing import NamedTuple

from schemas.commands import (
    Command,
    TakeOver,
)
from schemas.reading import Unreadable, read_command
from schemas.rejections import Rejection, RejectionCode
from schemas.topics import MAX_CHUNK, CommandTopic, DocumentTopic, RejectionTopic
from session_controller.acts import OutsiderRefused
from session_controller.engine.context import Candidate, Context, StoredUpload
from session_controller.engine.decide import decide
from session_controller.engine.facts import (
    CommandRefused,
    DocumentFetched,
    Fact,
    PatientDeviceReplaced,
)
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.joining import keep_code
from session_controller.records import Device
from session_controller.sealing import SealBrokenError
from session_controller.store import Store
from session_controller.work import Work


class _Sent(NamedTuple):
    """A command as it came: who sent it, where to, and its place in the sequence."""

    topic: CommandTopic
    device: Device
    seq: int | None
    command_id: str | None


_log = logging.getLogger(__name__)


def handle_command(work: Work, store: Store, topic: CommandTopic, payload: bytes) -> None:
    """Handle a command. Whatever it is, the sender hears of it, on its own topics alone."""
    device = work.device(topic.device)
    if device is None or (device.revoked_at is not None and device.guest_of is None):
        return  # no broker of ours lets it in, and nobody is listening; a guest stays a moment
    command = read_command(payload)
    sent = _Sent(topic, device, command.seq, command.command_id)
    excuse_command(work, topic, command)
    session = work.session(topic.session)
    if session is None:
        _turn_away(work, sent, _unknown_session(store, topic.session))
    elif not _may_speak(session, device, command):
        refusal = Refusal(
            RejectionCode.NOT_A_PARTICIPANT, "This screen takes no part in the session."
        )
        _turn_away(work, sent, refusal)
    elif _is_due(work, store, session, sent):
        _answer(work, session, sent, _outcome(work, store, session, sent, command))


def _turn_away(work: Work, sent: _Sent, refusal: Refusal) -> None:
    """Refuse what has no place in a session's own log, and note it in the box's."""
    _refuse(work, sent, refusal)
    act = OutsiderRefused(code=refusal.code)
    work.note(act, device=sent.topic.device, session=sent.topic.session)


def excuse_command(work: Work, topic: CommandTopic, command: Command | Unreadable) -> None:
    """Have the sender told, should this command not be stored."""
    work.excuse(_rejections(topic), command_id=command.command_id, seq=command.seq)


def _rejections(topic: CommandTopic) -> RejectionTopic:
    return RejectionTopic(topic.session, topic.device)


def _unknown_session(store: Store, session: str) -> Refusal:
    if store.knows(session):
        return Refusal(RejectionCode.SESSION_ENDED, "The session has ended.")
    return Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")


def _may_speak(session: Session, device: Device, command: Command | Unreadable) -> bool:
    """Let participants speak; any staff's screen may take over without having joined."""
    if device.device in session.state.participants:
        return True
    return isinstance(command, TakeOver) and device.role.leads


def _refuse(work: Work, sent: _Sent, refusal: Refusal) -> None:
    rejection = Rejection(
        command_id=sent.command_id,
        seq=sent.seq,
        code=refusal.code,
        message=refusal.message,
        details=dict(refusal.details),
    )
    work.say(_rejections(sent.topic), rejection)


def _is_due(work: Work, store: Store, session: Session, sent: _Sent) -> bool:
    """Tell whether this is the next of its sequence; otherwise it is answered here.

    A command that cannot be placed in the sequence is due too: it is refused, and not recorded.
    """
    if sent.seq is None:
        return True
    last = session.state.acknowledged.get(sent.device.device, 0)
    if sent.seq > last + 1:
        refusal = Refusal(
            RejectionCode.SEQUENCE_GAP,
            "A command before this one is missing.",
            {"expected_seq": last + 1},
        )
        _refuse(work, sent, refusal)
        return False
    if sent.seq <= last:
        _answer_again(work, store, sent)
        return False
    return True


def _answer_again(work: Work, store: Store, sent: _Sent) -> None:
    """Answer a `seq` that was decided before as it was then: by the view, or the same refusal."""
    topic, device = sent.topic, sent.device.device
    fact = _first_answer(work, store, sent)
    if fact is None or fact[0] != sent.command_id:
        refusal = Refusal(
            RejectionCode.SEQUENCE_REUSED, "This number was used for another command."
        )
        _refuse(work, sent, refusal)
    elif isinstance(fact[1], CommandRefused):
        said = fact[1]
        _refuse(work, sent, Refusal(said.code, said.message, said.details))
    work.refresh(topic.session, device)


def _first_answer(work: Work, store: Store, sent: _Sent) -> tuple[str | None, Fact] | None:
    key = (sent.topic.session, sent.device.device, sent.seq)
    for event in work.batch.events:
        if (event.session, event.device, event.seq) == key:
            return event.command_id, event.fact
    stored = store.answered(sent.topic.session, sent.device.device, sent.seq or 0)
    return (stored.command_id, stored.fact) if stored else None


def _outcome(
    work: Work, store: Store, session: Session, sent: _Sent, command: Command | Unreadable
) -> Fact | Refusal:
    if isinstance(command, Unreadable):
        return Refusal(command.code, command.message)
    context = _context(work, store, session, sent, command)
    outcome = decide(session, command, context)
    if command.type == "FINISH_UPLOAD" and isinstance(outcome, Refusal):
        work.let_go(session.state.session, command.upload, outcome, context.stored)
    elif command.type == "REPLACE_PATIENT_DEVICE" and isinstance(outcome, PatientDeviceReplaced):
        if outcome.code:
            keep_code(work, session.state.session, outcome.code.serial)
    elif command.type == "FETCH_DOCUMENT" and isinstance(outcome, DocumentFetched):
        return _send_document(work, store, session, sent.topic, command.field_id) or outcome
    return outcome


def _answer(work: Work, session: Session, sent: _Sent, outcome: Fact | Refusal) -> None:
    """Record what came of it, if it has a place in the sequence, and tell the sender."""
    fact: Fact
    if isinstance(outcome, Refusal):
        _refuse(work, sent, outcome)
        fact = CommandRefused(
            code=outcome.code, message=outcome.message, details=dict(outcome.details)
        )
    else:
        fact = outcome
    if sent.seq is not None:
        device, command_id = sent.device.device, sent.command_id
        work.record(session, fact, device=device, seq=sent.seq, command_id=command_id)


def _context(work: Work, store: Store, session: Session, sent: _Sent, command: Command) -> Context:
    device = sent.device
    stored = candidate = room = expires_at = None
    if command.type == "BEGIN_UPLOAD":
        room = _room(work, store, command.upload)
    elif command.type == "FINISH_UPLOAD":
        stored = _stored(work, session, command.upload)
    elif command.type == "REPLACE_PATIENT_DEVICE":
        expires_at = work.at + work.world.settings.code_lifetime
        candidate = _candidate(work, command.device) if command.device else None
    return Context(
        device=device.device,
        role=device.role,
        at=work.at,
        online=device.online,
        code_expires_at=expires_at,
        stored=stored,
        candidate=candidate,
        box_room=room,
    )


def _room(work: Work, store: Store, upload: str) -> int:
    """Tell how many bytes of documents the box still takes, those on their way counted whole."""
    expected = sum(
        document.size
        for session in work.open_sessions()
        for document in session.state.documents.values()
        if document.stored is None and document.upload != upload
    )
    return work.world.settings.max_documents_bytes - store.vault.used - expected


def _candidate(work: Work, name: str) -> Candidate | None:
    device = work.device(name)
    if device is None:
        return None
    usable = not device.role.leads and not device.guest_of and not device.revoked_at
    return Candidate(usable, work.assigned_to(name) is not None, device.online)


def _stored(work: Work, session: Session, upload: str) -> StoredUpload | None:
    """Give what is known of an upload's bytes; they are looked at once all have arrived."""
    looked = work.find_upload(session.state.session, upload)
    if looked is not None:
        return looked
    found = session.upload(upload)
    return StoredUpload(found[1].received, "") if found else None


def _send_document(
    work: Work, store: Store, session: Session, topic: CommandTopic, field_id: str
) -> Refusal | None:
    """Say a document's bytes, piece by piece; a refusal where its file is not as it was."""
    document = session.state.documents[field_id]
    if document.stored is None:
        return None
    try:
        data = store.document(topic.session, document.stored.file)
    except (OSError, SealBrokenError):
        _log.error("a document of %s is damaged on the disk", topic.session)
        return DAMAGED
    for offset in range(0, len(data), MAX_CHUNK):
        place = DocumentTopic(topic.session, topic.device, document.upload, str(offset))
        work.say(place, data[offset : offset + MAX_CHUNK])
    return None


DAMAGED = Refusal(
    RejectionCode.UNAVAILABLE,
    "This document is damaged on the box's disk. Ask facility IT to look at it.",
)
