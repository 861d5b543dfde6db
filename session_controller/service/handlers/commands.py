"""One command's way: read, in sequence, decided, recorded; answered by view or refusal."""

import logging
from typing import NamedTuple

from schemas.topics import MAX_CHUNK, CommandTopic, DocumentTopic, RejectionTopic
from schemas.wire.commands import Command
from schemas.wire.parse import Unreadable
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import OutsiderRefused
from session_controller.engine import membership
from session_controller.engine.context import Candidate, Context, StoredUpload
from session_controller.engine.decide import decide, refused
from session_controller.engine.events import (
    CommandRefused,
    DocumentFetched,
    Fact,
    PatientDeviceReplaced,
)
from session_controller.engine.refusal import (
    SESSION_ENDED,
    UNKNOWN_SESSION,
    Refusal,
)
from session_controller.engine.session import Session
from session_controller.security.encryption import DecryptionError
from session_controller.service.duties import COMMANDS, keeps_out, note_act
from session_controller.service.handlers.sessions import keep_code
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device
from session_controller.storage.store import Store


class _Sent(NamedTuple):
    """A command as it came: who sent it, where to, and its place in the sequence."""

    topic: CommandTopic
    device: Device
    seq: int | None
    command_id: str | None


_log = logging.getLogger(__name__)


def handle_command(
    work: UnitOfWork, store: Store, topic: CommandTopic, command: Command | Unreadable
) -> None:
    """Handle a command. Whatever it is, the sender hears of it, on its own topics alone."""
    device = work.device(topic.device)
    if device is None or (device.revoked_at is not None and device.guest_of is None):
        return  # no broker of ours lets it in, and nobody is listening; a guest stays a moment
    sent = _Sent(topic, device, command.seq, command.command_id)
    session = work.session(topic.session)
    if session is None:
        _turn_away(work, sent, _unknown_session(store, topic.session))
    elif refusal := _may_speak(session, device, command):
        _turn_away(work, sent, refusal)
    elif _is_due(work, store, session, sent):
        outcome = _outcome(work, store, session, sent, command)
        _answer(work, work.session(topic.session) or session, sent, command, outcome)


def _turn_away(work: UnitOfWork, sent: _Sent, refusal: Refusal) -> None:
    """Refuse what has no place in a session's own log, and note it in the box's."""
    _refuse(work, sent, refusal)
    act = OutsiderRefused(code=refusal.code)
    work.note(act, device=sent.topic.device, session=sent.topic.session)


def refuse_for_good(
    work: UnitOfWork,
    store: Store,
    topic: CommandTopic,
    command: Command | Unreadable,
    refusal: Refusal,
) -> None:
    """Refuse a command unheard, and record that if it is the next of its sequence."""
    device, session = work.device(topic.device), work.session(topic.session)
    if device is None:
        return
    sent = _Sent(topic, device, command.seq, command.command_id)
    if session is None or device.device not in session.state.participants:
        _turn_away(work, sent, refusal)
    elif _is_due(work, store, session, sent):
        _answer(work, session, sent, command, refusal)


def _rejections(topic: CommandTopic) -> RejectionTopic:
    return RejectionTopic(topic.session, topic.device)


def _unknown_session(store: Store, session: str) -> Refusal:
    if store.knows(session):
        return SESSION_ENDED
    return UNKNOWN_SESSION


def _may_speak(session: Session, device: Device, command: Command | Unreadable) -> Refusal | None:
    read = None if isinstance(command, Unreadable) else command
    return membership.may_speak(session.state, device, read)


def _refuse(work: UnitOfWork, sent: _Sent, refusal: Refusal) -> None:
    rejection = Rejection(
        command_id=sent.command_id,
        seq=sent.seq,
        code=refusal.code,
        message=refusal.message,
        details=dict(refusal.details),
    )
    work.say(_rejections(sent.topic), rejection)
    work.count(refusal)


def _is_due(work: UnitOfWork, store: Store, session: Session, sent: _Sent) -> bool:
    """Return whether this is the next of its sequence; otherwise answer it here.

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


def _answer_again(work: UnitOfWork, store: Store, sent: _Sent) -> None:
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


def _first_answer(work: UnitOfWork, store: Store, sent: _Sent) -> tuple[str | None, Fact] | None:
    key = (sent.topic.session, sent.device.device, sent.seq)
    for event in work.transaction.events:
        if (event.session, event.device, event.seq) == key:
            return event.command_id, event.fact
    stored = store.answered(sent.topic.session, sent.device.device, sent.seq or 0)
    return (stored.command_id, stored.fact) if stored else None


def _outcome(
    work: UnitOfWork, store: Store, session: Session, sent: _Sent, command: Command | Unreadable
) -> Fact | Refusal:
    if isinstance(command, Unreadable):
        return Refusal(command.code, command.message)
    if refusal := keeps_out(work, sent.device, COMMANDS):
        return refusal
    note_act(work, sent.device)
    context = _context(work, store, session, sent, command)
    outcome = decide(session, command, context)
    if command.type == "FINISH_UPLOAD" and isinstance(outcome, Refusal):
        work.let_go(session, command.upload, outcome, context.stored)
    elif command.type == "REPLACE_PATIENT_DEVICE" and isinstance(outcome, PatientDeviceReplaced):
        if outcome.code:
            keep_code(work, session.state.session, outcome.code.serial)
    elif command.type == "FETCH_DOCUMENT" and isinstance(outcome, DocumentFetched):
        return _send_document(work, store, session, sent.topic, command.field_id) or outcome
    return outcome


def _answer(
    work: UnitOfWork,
    session: Session,
    sent: _Sent,
    command: Command | Unreadable,
    outcome: Fact | Refusal,
) -> None:
    """Record what came of it, if it has a place in the sequence, and tell the sender."""
    fact: Fact
    if isinstance(outcome, Refusal):
        _refuse(work, sent, outcome)
        read = None if isinstance(command, Unreadable) else command
        fact = refused(session, read, outcome)
    else:
        fact = outcome
    if sent.seq is not None:
        device, command_id = sent.device.device, sent.command_id
        work.record(session, fact, device=device, seq=sent.seq, command_id=command_id)


def _context(
    work: UnitOfWork, store: Store, session: Session, sent: _Sent, command: Command
) -> Context:
    device = sent.device
    stored = candidate = room = expires_at = None
    identity: tuple[str, ...] = ()
    signed_in = work.desk(device.device).signed_in
    if command.type == "BEGIN_UPLOAD":
        room = _room(work, store, command.upload)
    elif command.type == "FINISH_UPLOAD":
        stored = _stored(work, session, command.upload)
    elif command.type == "REQUEST_SIGNATURE":
        identity = work.identity(session.flow.flow_ref)
    elif command.type == "REPLACE_PATIENT_DEVICE":
        expires_at = work.at + work.registry.settings.code_lifetime
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
        identity=identity,
        person_name=signed_in.name if signed_in else None,
    )


def _room(work: UnitOfWork, store: Store, upload: str) -> int:
    """Return how many bytes of documents fit on the disk; uploads under way count whole."""
    expected = sum(
        document.size
        for session in work.open_sessions()
        for document in session.state.documents.values()
        if document.stored is None and document.upload != upload
    )
    return store.document_store.room.free - expected


def _candidate(work: UnitOfWork, name: str) -> Candidate | None:
    device = work.device(name)
    if device is None:
        return None
    return Candidate(membership.is_kiosk(device), work.assigned_to(name) is not None, device.online)


def _stored(work: UnitOfWork, session: Session, upload: str) -> StoredUpload | None:
    """Return what is known of an upload's bytes; they are inspected once all have arrived."""
    looked = work.find_upload(session.state.session, upload)
    if looked is not None:
        return looked
    found = session.upload(upload)
    return StoredUpload(found[1].received, "") if found else None


def _send_document(
    work: UnitOfWork, store: Store, session: Session, topic: CommandTopic, field_id: str
) -> Refusal | None:
    """Publish a document in chunks; return a refusal if its file is damaged."""
    document = session.state.documents[field_id]
    if document.stored is None:
        return None
    try:
        data = store.document(topic.session, document)
    except (OSError, DecryptionError):
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
