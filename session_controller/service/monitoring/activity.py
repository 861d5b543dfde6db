"""What a committed batch did, as log lines and counts: from the entries of the audit log.

The only place that logs what sessions, devices and facility IT do, so that a line is written once,
after its commit. A line names ids, counts and words of ours; never what a person entered.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.wire.rejections import RejectionCode
from session_controller.audit import events as b
from session_controller.engine import events as f
from session_controller.engine.events import Event
from session_controller.security.codes import is_new_id
from session_controller.service.log_line import LogLine, Value
from session_controller.service.monitoring.line_rate import LineRate
from session_controller.service.unit_of_work import Departed, UnitOfWork
from session_controller.storage.entities import Device, LoggedBoxEvent

_log = logging.getLogger(__name__)

Fields = Mapping[str, Value | None]
AddressOf = Callable[[str], str | None]
"""From a client id to the IP address that it is connected from, or None if unknown."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How entries of one type are logged."""

    sentence: str
    fields: Callable[[Any], Fields] = lambda _: {}
    level: int = logging.INFO


_FACTS: Mapping[type[Any], _Kind] = {
    f.SessionOpened: _Kind("session opened", lambda fact: {"flow": fact.flow_ref}),
    f.DeviceJoined: _Kind(
        "device joined the session", lambda fact: {"device": fact.device, "role": fact.role.value}
    ),
    f.DeviceLeft: _Kind("device left the session", lambda fact: {"device": fact.device}),
    f.PatientDeviceReplaced: _Kind("patient screen replaced", lambda fact: {"device": fact.device}),
    f.TookOver: _Kind("host changed", lambda fact: {"device": fact.device}),
    f.ScreenLocked: _Kind("patient screen locked"),
    f.Completed: _Kind("session completed"),
    f.Cancelled: _Kind("session cancelled"),
    f.Expired: _Kind("session expired"),
    f.PatientIdentified: _Kind("patient identified by staff"),
}
"""The session facts that are logged; all others are a part of a check-in."""

_JOINED_AS_PATIENT = "patient joined"

_ACTS: Mapping[type[Any], _Kind] = {
    b.DeviceEnrolled: _Kind(
        "device enrolled",
        lambda act: {"device": act.subject, "role": act.role.value, "method": act.by},
    ),
    b.DevicePaired: _Kind(
        "device paired", lambda act: {"device": act.subject, "role": act.role.value}
    ),
    b.DeviceRevoked: _Kind("device revoked", lambda act: {"device": act.subject}),
    b.DeviceChanged: _Kind(
        "device changed", lambda act: {"device": act.subject, "change": act.change}
    ),
    b.FlowAdded: _Kind("flow added", lambda act: {"flow": act.flow_ref}),
    b.SessionSeen: _Kind("session viewed", level=logging.DEBUG),
    b.TimelineSeen: _Kind("timeline viewed", level=logging.DEBUG),
    b.FieldHistorySeen: _Kind("field history viewed", level=logging.DEBUG),
    b.FieldRevealed: _Kind("masked field viewed"),
    b.DeliverySeen: _Kind("deliveries viewed", level=logging.DEBUG),
    b.SessionExported: _Kind(
        "session exported", lambda act: {"format": act.format, "bytes": act.size}
    ),
    b.CopyLinkCreated: _Kind("link to a copy for the patient created"),
    b.CopyTaken: _Kind("copy for the patient taken", lambda act: {"bytes": act.size}),
    b.SessionPurged: _Kind("session purged"),
    b.BackupTaken: _Kind("backup taken on request", lambda act: {"file": act.file}),
    b.BoxStarted: _Kind("start recorded", level=logging.DEBUG),  # `Box` logs that it serves
    b.PersonChanged: _Kind(
        "person changed", lambda act: {"person": act.subject, "change": act.change}
    ),
    b.PersonSignedIn: _Kind(
        "person signed in", lambda act: {"person": act.subject, "method": act.by}
    ),
    b.PersonSignedOut: _Kind(
        "person signed out", lambda act: {"person": act.subject, "reason": act.reason}
    ),
    b.EmergencyAccessBegun: _Kind(
        "emergency access began; see `handrail staff list`",
        lambda act: {"access": act.subject},
        logging.WARNING,
    ),
    b.EmergencyAccessReviewed: _Kind(
        "emergency access reviewed", lambda act: {"access": act.subject}
    ),
    b.DestinationChanged: _Kind(
        "destination changed", lambda act: {"destination": act.destination, "change": act.change}
    ),
}
"""The box events that are logged, besides refusals and deliveries.

`KeyRotated` and `Restored` are not part of a batch: they are logged where they are made or found.
"""


def _to(act: b.DeliveryChanged) -> Fields:
    return {"destination": act.destination}


_DELIVERIES: Mapping[str, _Kind] = {
    "delivered": _Kind("session delivered", _to),
    "refused": _Kind(
        "delivery refused by its destination; see `handrail deliver show`", _to, logging.WARNING
    ),
    "held": _Kind(
        "delivery held, its patient is not identified; see `handrail session identify --help`",
        _to,
        logging.WARNING,
    ),
    "retried": _Kind("delivery ordered again", _to),
}

_REFUSED: Mapping[type[Any], str] = {
    b.RequestRefused: "request refused",
    b.OutsiderRefused: "command of a device outside the session refused",
    b.CodeRefused: "pairing code refused",
    b.PinRefused: "PIN refused",
    b.SignInRefused: "sign-in with the provider refused",
}
_CODE_OF: Mapping[type[Any], RejectionCode] = {
    b.CodeRefused: RejectionCode.CODE_REFUSED,
    b.PinRefused: RejectionCode.PIN_REFUSED,
    b.SignInRefused: RejectionCode.SIGN_IN_REFUSED,
}
"""The rejection codes of entries that do not contain one."""
_COMMAND_REFUSED = "command refused"
_CHANGES = ("device online", "device offline")

_COUNTED: Mapping[type[Any], str] = {
    f.SessionOpened: "opened",
    f.Completed: "completed",
    f.Cancelled: "cancelled",
    f.Expired: "expired",
    b.SessionPurged: "purged",
}


@dataclass(slots=True)
class Activity:
    """Logs and counts what batches do. Call `record` after the commit, before it is applied."""

    steady: Callable[[], float]
    address_of: AddressOf = lambda _: None
    sessions: Counter[str] = field(default_factory=Counter)
    """Sessions opened, completed, cancelled, expired and purged since the start."""
    deliveries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Ends of deliveries since the start, by destination and status."""
    refused: Counter[str] = field(default_factory=Counter)
    """Refused commands, requests and codes since the start, by rejection code."""
    commands: int = 0
    """Commands decided since the start."""
    _rate: LineRate[tuple[str, str]] = field(default_factory=LineRate)

    def record(self, work: UnitOfWork) -> None:
        """Log and count what a batch did."""
        for event in work.transaction.events:
            self._fact(event)
        for logged in work.transaction.box_events:
            self._act(logged)
        for device in work.transaction.devices.values():
            self._presence(work, device)

    def log_omitted(self, devices: Mapping[str, Device]) -> None:
        """Log how many lines were omitted in minutes that are over; called every second."""
        for (sentence, name), count in self._rate.end_windows(self.steady()):
            device = devices.get(name)
            online = device.online if device else None
            line = LogLine(
                "lines omitted", line=sentence, device=name or None, count=count, online=online
            )
            _log.warning(line)

    def _fact(self, event: Event) -> None:
        fact = event.fact
        self.commands += event.seq is not None
        if isinstance(fact, f.CommandRefused):
            fields = {"session": event.session, "code": fact.code.value}
            self._refusal(_COMMAND_REFUSED, event.device, fields)
            return
        kind = _FACTS.get(type(fact))
        if kind is None:
            return
        self._count(fact)
        sentence = kind.sentence
        if isinstance(fact, f.DeviceJoined) and not fact.role.leads:
            sentence = _JOINED_AS_PATIENT
        _log.log(
            kind.level,
            LogLine(sentence, session=event.session, **kind.fields(fact), by=event.device),
        )

    def _act(self, logged: LoggedBoxEvent) -> None:
        act = logged.act
        sentence = _REFUSED.get(type(act))
        if sentence is not None:
            self._refused_act(sentence, logged)
            return
        kind = _DELIVERIES[act.status] if isinstance(act, b.DeliveryChanged) else _ACTS[type(act)]
        self._count(act)
        fields = kind.fields(act)
        _log.log(
            kind.level, LogLine(kind.sentence, session=logged.session, **fields, by=logged.device)
        )

    def _refused_act(self, sentence: str, logged: LoggedBoxEvent) -> None:
        act, session = logged.act, logged.session
        fields = {
            "session": session if session and is_new_id("s", session) else None,
            "request": getattr(act, "request", None),
            "person": act.subject if isinstance(act, b.PinRefused | b.SignInRefused) else None,
            "cause": getattr(act, "cause", None),
            "detail": getattr(act, "detail", None),
            "code": str(getattr(act, "code", _CODE_OF.get(type(act)))),
        }
        # Devices that pair choose their client ids: one line for all of them.
        sender = None if isinstance(act, b.CodeRefused) else logged.device
        self._refusal(sentence, sender, fields)

    def _count(self, what: f.Fact | b.BoxEvent) -> None:
        if isinstance(what, b.DeliveryChanged):
            self.deliveries[what.destination, what.status] += 1
        elif type(what) in _COUNTED:
            self.sessions[_COUNTED[type(what)]] += 1

    def _refusal(self, sentence: str, device: str | None, fields: Fields) -> None:
        self.refused[str(fields["code"])] += 1
        self._limited(sentence, device, fields)

    def _presence(self, work: UnitOfWork, device: Device) -> None:
        """Log that a device came online or went offline."""
        known = work.registry.devices.get(device.device)
        if device.online == (known is not None and known.online):
            return
        departed = work.departed.get(device.device, Departed())
        fields: Fields = {
            "role": device.role.value,
            "address": departed.address or self.address_of(device.device),
            "reason": None if device.online else departed.reason,
        }
        self._limited(_CHANGES[not device.online], device.device, fields)

    def _limited(self, sentence: str, device: str | None, fields: Fields) -> None:
        """Log a line that may come very often."""
        if self._rate.allows((sentence, device or ""), self.steady()):
            _log.info(LogLine(sentence, device=device, **fields))
