"""The promises, checked against a history and the log: what is broken, a line each.

A session's revisions give its commands a total order, so each promise is one scan.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from schemas.base import Role
from session_controller.engine import events as f
from session_controller.engine.events import CommandRefused, Event
from session_controller.integrity.sessions import log_faults

from .history import History, Refused, Seen, Sent, Shown, Told
from .log import Log, SessionLog, shown

_FACT_OF = {
    "NAVIGATE": f.Navigated,
    "HIGHLIGHT_FIELD": f.FieldHighlighted,
    "REQUEST_SIGNATURE": f.SignatureRequested,
    "CANCEL_SIGNATURE": f.SignatureCancelled,
    "REQUEST_CORRECTION": f.CorrectionRequested,
    "REVIEW_DOCUMENT": f.DocumentReviewed,
    "FETCH_DOCUMENT": f.DocumentFetched,
    "SEND_HELP": f.HelpSent,
    "ANSWER_HELP": f.HelpAnswered,
    "SET_SELF_PACED": f.SelfPacedSet,
    "COVER_SCREEN": f.ScreenCovered,
    "PAUSE": f.Paused,
    "RESUME": f.Resumed,
    "REPLACE_PATIENT_DEVICE": f.PatientDeviceReplaced,
    "TAKE_OVER": f.TookOver,
    "COMPLETE": f.Completed,
    "CANCEL": f.Cancelled,
    "ENTER_FIELD": f.FieldEntered,
    "CLEAR_FIELD": f.FieldCleared,
    "FOCUS_FIELD": f.FieldFocused,
    "REPORT_READING": f.ReadingReported,
    "BEGIN_UPLOAD": f.UploadBegun,
    "FINISH_UPLOAD": f.UploadFinished,
    "SUBMIT_SIGNATURE": f.Signed,
    "DECLINE_SIGNATURE": f.SignatureDeclined,
    "WITHDRAW_SIGNATURE": f.SignatureWithdrawn,
    "REPORT_READY": f.ReadyReported,
    "ASK_FOR_HELP": f.HelpAsked,
}
_OF_PATIENTS = (
    f.FieldEntered,
    f.FieldCleared,
    f.FieldFocused,
    f.ReadingReported,
    f.UploadBegun,
    f.UploadProgressed,
    f.UploadFinished,
    f.Signed,
    f.SignatureDeclined,
    f.SignatureWithdrawn,
    f.ReadyReported,
    f.StepPassed,
    f.HelpAsked,
)
_BY_ITSELF = (
    f.SessionOpened,
    f.DeviceJoined,
    f.DeviceLeft,
    f.PresenceChanged,
    f.CodeIssued,
    f.CodeClosed,
    f.Expired,
    f.UploadProgressed,
    f.Cancelled,
    f.PatientIdentified,
)
"""What may stand in the log without a command: requests, presence, time, bytes."""
_UNIQUE = ("last-name", "what-changed")
"""Fields into which the crew enters no value twice."""
_NOT_FINAL = ("unavailable", "too_many", "sequence_gap", "sequence_reused")
"""After these a command is sent again, or under a new number."""


def check(history: History, log: Log, *, quiet: bool = True) -> list[str]:
    """Return every broken promise; `quiet`: nothing was in flight at the end."""
    return list(
        chain(
            _whole(log),
            _lost(history, log),
            _doubled(log),
            _made_up(history, log),
            _in_the_wrong_role(log),
            _refused_and_applied(history, log),
            _told(history, log),
            _out_of_order(history, log),
            _fallen(history),
            _contents(history, log),
            _steps(history, log),
            _apart(history, log) if quiet else (),
        )
    )


def _whole(log: Log) -> Iterator[str]:
    """P3, and the stored state is what the log gives."""
    for session in log.sessions.values():
        for fault in log_faults(session.flow, session.state, list(session.events)):
            yield f"P3 {fault}"


def _lost(history: History, log: Log) -> Iterator[str]:
    """P1: what a device was told to be decided is in the log, of a command that it sent."""
    told: dict[tuple[str, str], int] = {}
    for h in history.happenings:
        if isinstance(h, Seen) and h.epoch == log.epoch:
            key = (h.session, h.device)
            told[key] = max(told.get(key, 0), h.acknowledged)
    for (name, device), last in told.items():
        session = log.sessions.get(name)
        found = {e.seq for e in session.answers() if e.device == device} if session else set()
        missing = sorted(set(range(1, last + 1)) - found)
        if missing:
            yield f"P1 {name}: lost of {device}: {missing[:5]} of {last}"


def _doubled(log: Log) -> Iterator[str]:
    """P2: each command at most once, and one answer to each number."""
    for name, session in log.sessions.items():
        numbers = Counter((e.device, e.seq) for e in session.answers())
        ids = Counter(e.command_id for e in session.accepted())
        for what, count in chain(numbers.items(), ids.items()):
            if count > 1:
                yield f"P2 {name}: {what} is in the log {count} times"


def _sent(history: History) -> Iterator[Sent]:
    return (h for h in history.happenings if isinstance(h, Sent))


def _made_up(history: History, log: Log) -> Iterator[str]:
    """Nobody made anything up: what is in the log was sent under this number."""
    sent = {(s.session, s.device, s.seq, s.command_id): s for s in _sent(history)}
    for name, session in log.sessions.items():
        for event in session.events:
            if event.seq is None:
                if not isinstance(event.fact, _BY_ITSELF):
                    yield f"P2 {name}: {event.fact.type} without a command"
                continue
            found = sent.get((name, event.device or "", event.seq, event.command_id or ""))
            if found is None:
                yield f"P2 {name}: nobody sent {event.device} {event.seq}"
            elif not isinstance(event.fact, (_FACT_OF[found.type], CommandRefused)):
                yield f"P2 {name}: {found.type} made {event.fact.type}"


def _in_the_wrong_role(log: Log) -> Iterator[str]:
    """P7: the patient enters, the facility does all else."""
    for name, session in log.sessions.items():
        for event in session.accepted():
            of_patient = log.roles.get(event.device or "") is Role.PATIENT
            if of_patient != isinstance(event.fact, _OF_PATIENTS):
                yield f"P7 {name}: {event.fact.type} by {event.device}"


def _refused_and_applied(history: History, log: Log) -> Iterator[str]:
    applied = {e.command_id for s in log.sessions.values() for e in s.accepted()}
    for h in history.happenings:
        if isinstance(h, Refused) and h.code not in _NOT_FINAL and h.command_id in applied:
            yield f"P2 {h.session}: {h.command_id} was refused as {h.code}, and applied"


def _told(history: History, log: Log) -> Iterator[str]:
    """P1: what a screen's future said of an entry is so; each value is entered once."""
    entered = {
        (name, event.device, event.fact.field_id, str(event.fact.value))
        for name, session in log.sessions.items()
        for event in session.accepted()
        if isinstance(event.fact, f.FieldEntered)
    }
    for h in history.happenings:
        if not isinstance(h, Told) or h.session not in log.sessions:
            continue
        is_there = (h.session, h.device, h.field_id, str(h.value)) in entered
        if h.code is None and h.epoch == log.epoch and not is_there:
            yield f"P1 {h.session}: {h.device} was told that {h.field_id} is accepted"
        if h.code is not None and is_there and h.field_id in _UNIQUE:
            yield f"P1 {h.session}: {h.device} was told {h.code} of {h.field_id}, which is there"


def _out_of_order(history: History, log: Log) -> Iterator[str]:
    """P5: acknowledged before the other was first sent: the lower revision."""
    answers = _answers(log)
    decided: dict[tuple[str, str], int] = {}
    highest: dict[str, int] = {}
    known: set[str] = set()
    for h in history.happenings:
        if isinstance(h, Seen) and h.epoch == log.epoch:
            key, told = (h.session, h.device), h.acknowledged
            for seq in range(decided.get(key, 0) + 1, told + 1):
                event = answers.get((*key, seq))
                if event is not None and not isinstance(event.fact, CommandRefused):
                    highest[h.session] = max(highest.get(h.session, 0), event.revision)
            decided[key] = max(told, decided.get(key, 0))
        elif isinstance(h, Sent) and h.command_id not in known:
            known.add(h.command_id)
            event = answers.get((h.session, h.device, h.seq))
            if event is None or event.command_id != h.command_id:
                continue
            if isinstance(event.fact, CommandRefused):
                continue
            if event.revision <= highest.get(h.session, 0):
                yield f"P5 {h.session}: {h.device} {h.seq} came before what it followed"


def _answers(log: Log) -> dict[tuple[str, str, int], Event]:
    return {
        (name, event.device or "", event.seq or 0): event
        for name, session in log.sessions.items()
        for event in session.answers()
    }


def _fallen(history: History) -> Iterator[str]:
    """No screen goes back, and on one connection no view does either."""
    screens: dict[tuple[str, str], tuple[int, int]] = {}
    lines: dict[tuple[str, str, int], tuple[int, int, int]] = {}
    for h in history.happenings:
        if isinstance(h, Shown):
            screen = (h.session, h.device)
            if h.age < screens.get(screen, (0, 0)):
                yield f"P3 {h.session}: the screen of {h.device} fell to {h.age}"
            screens[screen] = h.age
        elif isinstance(h, Seen):
            line = (h.session, h.device, h.connection)
            age = (h.epoch, h.revision, h.acknowledged)
            if age < lines.get(line, (0, 0, 0)):
                yield f"P3 {h.session}: {h.device} was sent {age} after {lines[line]}"
            lines[line] = age


_VARIES = ("acknowledged_seq", "refused", "not_taken", "code", "storage_key")
"""The first three change within a revision, by refusals; the others are not in the log."""


def _contents(history: History, log: Log) -> Iterator[str]:
    """P4: one content per revision, and it is what the log gives there."""
    first: dict[tuple[str, str, int, int], dict[str, object]] = {}
    for h in history.happenings:
        if not isinstance(h, Seen):
            continue
        content = {k: v for k, v in h.view.items() if k not in _VARIES}
        key = (h.session, h.device, h.epoch, h.revision)
        if key not in first:
            first[key] = content
            if h.epoch == log.epoch and h.session in log.sessions:
                yield from _against_the_log(h, content, log.sessions[h.session])
        elif first[key] != content:
            yield f"P4 {h.session}: {h.device} saw revision {key[3]} in two ways"


def _against_the_log(seen: Seen, content: dict[str, object], log: SessionLog) -> Iterator[str]:
    revision = seen.revision
    states = log.at_revision.get(revision)
    if states is None:
        yield f"P1 {seen.session}: {seen.device} saw revision {revision}, which is not in the log"
        return
    right = shown(states[-1], seen.device, seen.epoch) or {}
    wrong = [k for k, v in content.items() if right.get(k) != v]
    if wrong:
        yield f"P4 {seen.session}: {seen.device} saw revision {revision} wrong: {wrong}"


def _steps(history: History, log: Log) -> Iterator[str]:
    """P6: whatever step a screen showed, the facility had chosen it by then."""
    chosen: dict[str, set[str]] = {}
    for h in history.happenings:
        if isinstance(h, Sent) and h.type == "NAVIGATE":
            if log.roles.get(h.device) is not Role.PATIENT:
                chosen.setdefault(h.session, set()).add(h.body["step_id"])
        elif isinstance(h, Seen) and h.session in log.sessions:
            first = log.sessions[h.session].flow.steps[0].step_id
            if h.step_id not in chosen.get(h.session, set()) | {first}:
                yield f"P6 {h.session}: {h.device} saw {h.view['step_id']}, which nobody chose"


def _apart(history: History, log: Log) -> Iterator[str]:
    """P8: after quiet every screen shows what the log gives."""
    last: dict[tuple[str, str], Shown] = {}
    for h in history.happenings:
        if isinstance(h, Shown):
            last[h.session, h.device] = h
    for (name, device), screen in last.items():
        session = log.sessions.get(name)
        right = shown(session.sessions[-1], device, log.epoch) if session else None
        if right is None:
            continue
        truth = ((right["epoch"], right["revision"]), right["acknowledged_seq"])
        if (screen.age, screen.acknowledged) != truth:
            at = (screen.age, screen.acknowledged)
            yield f"P8 {name}: {device} stands at {at}, the log at {truth}"
