"""A session in memory: commands in, facts or refusals out, for tests of the rules alone."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.base import Role
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import Flow
from schemas.wire.commands import COMMAND, Command
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import FacilityView, PatientView
from session_controller.engine.calculating import calculated
from session_controller.engine.context import Candidate, Context, StoredUpload
from session_controller.engine.decide import decide, refused
from session_controller.engine.events import (
    CommandRefused,
    DeviceJoined,
    Event,
    Fact,
    SessionOpened,
)
from session_controller.engine.evolve import evolve
from session_controller.engine.history import before_the_first
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.engine.view import view, written_views

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOST, OTHER, PATIENT = "host", "other", "tablet"
_ROLES = {HOST: Role.FACILITY, OTHER: Role.FACILITY, PATIENT: Role.PATIENT}


def item(link_id: str, kind: str, **more: Any) -> dict[str, Any]:
    """Write a Questionnaire item."""
    return {"linkId": link_id, "type": kind, "text": f"Text of {link_id}", **more}


def flow_of(*items: dict[str, Any]) -> Flow:
    """Read a Questionnaire of these top-level items."""
    questionnaire = {"resourceType": "Questionnaire", "status": "active", "id": "test"}
    return load_flow(json.dumps({**questionnaire, "item": list(items)}).encode())


def command(kind: str, seq: int = 1, **more: Any) -> Command:
    """Write a command as it is read from the wire."""
    head = {
        "v": 1,
        "type": kind,
        "seq": seq,
        "command_id": f"{seq:08d}-0000-4000-8000-000000000000",
    }
    return COMMAND.validate_json(json.dumps({**head, **more}))


class Play:
    """A session with a host, an observing facility screen and a patient's screen."""

    def __init__(self, flow: Flow, *, no_time: bool = False) -> None:
        self.flow = flow
        self.events: list[Event] = []
        self.clock: Iterator[datetime] = (START + timedelta(seconds=n) for n in itertools.count())
        self.seqs = dict.fromkeys(_ROLES, 0)
        self.identity: tuple[str, ...] = ()
        self.no_time = no_time
        """Whether expressions have no time to be evaluated."""
        self.stored: StoredUpload | None = None
        self.candidate: Candidate | None = None
        opened = SessionOpened(
            flow_ref=flow.flow_ref,
            label=None,
            check_words=("acorn", "boat"),
            host=HOST,
            host_role=Role.FACILITY,
            host_online=True,
        )
        self.session: Session = before_the_first(flow, "s", opened, START)
        self.happen(opened)
        for device in (OTHER, PATIENT):
            self.happen(DeviceJoined(device=device, role=_ROLES[device], online=True))

    def happen(self, fact: Fact, device: str | None = None, seq: int | None = None) -> Fact:
        """Make a fact true."""
        revision = self.session.state.revision + (not isinstance(fact, CommandRefused))
        event = Event("s", revision, next(self.clock), fact, device, seq)
        self.events.append(event)
        before, self.session = self.session, evolve(self.session, event)
        self._check_what_is_written()
        results = calculated(before, self.session, fact, lambda: lambda: self.no_time)
        if results is not None:
            self.happen(results)
        return fact

    def _check_what_is_written(self) -> None:
        """See that views written part by part, in part for earlier ones, say what a view says."""
        known = {"epoch": 1, "code": "WDJB-MJHT", "offers_copies": True}
        all_written = dict(written_views(self.session, _ROLES, **known))
        for device in _ROLES:
            shown = view(self.session, device, **known)
            written = all_written.get(device)
            assert (shown is None) == (written is None)
            if shown and written:
                assert json.loads(written) == json.loads(shown.to_json())

    def send(self, sender: str, kind: str, /, **more: Any) -> Fact | RejectionCode:
        """Send a command; record its outcome as the service does."""
        self.seqs[sender] += 1
        context = Context(
            device=sender,
            role=_ROLES[sender],
            at=START + timedelta(hours=1),
            code_expires_at=START + timedelta(minutes=10),
            stored=self.stored,
            candidate=self.candidate,
            identity=self.identity,
        )
        self.refusal: Refusal | None = None
        sent = command(kind, self.seqs[sender], **more)
        outcome = decide(self.session, sent, context)
        if isinstance(outcome, Refusal):
            self.refusal = outcome
            self.happen(refused(self.session, sent, outcome), sender, self.seqs[sender])
            return outcome.code
        return self.happen(outcome, sender, self.seqs[sender])

    def host(self, kind: str, /, **more: Any) -> Fact | RejectionCode:
        """Send a command as the host."""
        return self.send(HOST, kind, **more)

    def patient(self, kind: str, /, **more: Any) -> Fact | RejectionCode:
        """Send a command as the patient."""
        return self.send(PATIENT, kind, **more)

    def enter(self, field_id: str, value: Any) -> Fact | RejectionCode:
        """Enter a value as the patient."""
        return self.patient("ENTER_FIELD", field_id=field_id, value=value)

    @property
    def staff_view(self) -> FacilityView:
        """What the host sees."""
        shown = view(self.session, HOST, epoch=1)
        assert isinstance(shown, FacilityView)
        return shown

    @property
    def patient_view(self) -> PatientView:
        """What the patient sees."""
        shown = view(self.session, PATIENT, epoch=1)
        assert isinstance(shown, PatientView)
        return shown
