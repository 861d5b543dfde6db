"""One simulated session: two devices, two players, and its result.

Runs in the network thread. The patient acts, waits for the answer and the pace, and acts again on
the newest view; staff act when the patient has nothing left to do. All decisions are based on
views only.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random
from typing import Any

from clients.sdk.admin import AdminClient
from clients.sdk.errors import HandrailError, Refused
from clients.sdk.facility import FacilityClient
from clients.sdk.network.loop import NetworkLoop
from clients.sdk.notifications import Departed
from clients.sdk.patient import PatientClient
from clients.sdk.pending import Pending
from clients.simulator import players
from schemas.questionnaire.load import Flow
from schemas.questionnaire.model import Json
from schemas.wire.requests import JoinSession, OpenSession, SessionOpened
from schemas.wire.views import FacilityView, PatientView

_SAME_REFUSALS = 4
"""How often a step may be refused for the same reason before the session is abandoned."""
_MAX_REFUSALS = 100
_OVERTAKEN = frozenset({"locked_for_signature", "field_not_on_this_step", "session_paused"})
"""Refusals because staff acted in between; a newer view will arrive."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The speed of simulated people, and their random seed."""

    loop: NetworkLoop
    seconds: float
    seed: int

    def rng(self, number: int) -> Random:
        """Return the random generator of one session."""
        return Random(f"{self.seed}/{number}")  # noqa: S311 - no secret comes of it


@dataclass(slots=True)
class SessionResult:
    """The result of one simulated session.

    `outcome`: `completed`, `cancelled` or `expired` as the session's status; otherwise `stuck`
    (the flow could not be finished), `failed` or `timeout`, and `error` says why. `values`: what
    the patient entered and the final view still shows as enabled.
    """

    number: int
    session: str = ""
    flow_ref: str = ""
    outcome: str = "failed"
    error: str | None = None
    values: dict[str, Json] = field(default_factory=dict, repr=False)
    documents: dict[str, bytes] = field(default_factory=dict, repr=False)
    signatures: set[str] = field(default_factory=set)
    actions: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    """Action and code of each refusal."""
    seconds: float = 0.0
    final: FacilityView | None = field(default=None, repr=False)

    @property
    def completed(self) -> bool:
        """Whether it was submitted."""
        return self.outcome == "completed"


class SessionPlay:
    """Plays one session; `over` is its future result.

    With an admin, `rehearsing`, that one opens it as a test session.
    """

    def __init__(
        self,
        number: int,
        staff: FacilityClient,
        patient: PatientClient,
        flow_id: str,
        pace: Pace,
        *,
        rehearsing: AdminClient | None = None,
    ) -> None:
        self.over: Future[SessionResult] = Future()
        self._staff = staff
        self._patient = patient
        self._flow_id = flow_id
        self._rehearsing = rehearsing
        self._pace = pace
        self._rng = pace.rng(number)
        self._result = SessionResult(number)
        self._began = time.monotonic()
        self._players: tuple[players.PatientPlayer, players.StaffPlayer] | None = None
        self._patient_busy = False
        self._staff_busy = False
        self._patient_done_at = -1
        self._wait_beyond = -1
        self._same_refusals: Counter[tuple[str, ...]] = Counter()
        self._undo: list[Callable[[], None]] = []

    # Opening

    def start(self) -> None:
        """Open the session and join the patient device by its code."""
        label = f"simulated {self._result.number + 1}"
        if self._rehearsing is None:
            asked = self._staff.pending_request(OpenSession, flow_id=self._flow_id, label=label)
        else:
            host = self._staff.credential.device
            asked = self._rehearsing.pending_request(
                OpenSession, flow_id=self._flow_id, label=label, host=host, test=True
            )
        self._then(asked, self._opened)

    def _then(self, pending: Pending[Any], follow: Callable[[Any], None]) -> None:
        """Continue with an answer; a refusal ends the session."""

        def answered(done: Any) -> None:
            error = done.exception()
            if error is None:
                follow(done.result())
            else:
                self._end("failed", str(error))

        pending.add_done_callback(answered)

    def _opened(self, opened: SessionOpened) -> None:
        self._result.session = opened.session
        self._result.flow_ref = opened.flow_ref
        self._undo = [
            self._staff.on(FacilityView, self._seen),
            self._patient.on(PatientView, self._seen),
            self._staff.on(Departed, self._departed),
        ]
        self._then(
            self._patient.pending_request(JoinSession, code=opened.code),
            lambda _: self._then(self._patient.pending_flow(opened.flow_ref), self._begin),
        )

    def _begin(self, flow: Flow) -> None:
        self._players = (
            players.PatientPlayer(flow, self._rng),
            players.StaffPlayer(flow),
        )
        self._turn()

    # Turns

    def _seen(self, view: PatientView | FacilityView) -> None:
        if view.session == self._result.session:
            self._turn()

    def _departed(self, departed: Departed) -> None:
        if departed.session == self._result.session:
            self._end("failed", "the session was deleted")

    def _turn(self) -> None:
        """Act on the newest view, as the patient or as staff."""
        mine = self._patient.view(self._result.session)
        theirs = self._staff.view(self._result.session)
        if self._players is None or mine is None or theirs is None or self.over.done():
            return
        if theirs.status.ended:
            self._finish(theirs)
            return
        if not self._patient_busy:
            self._patient_turn(mine)
        if not self._staff_busy:
            done = not self._patient_busy and self._patient_done_at == theirs.revision
            self._staff_turn(theirs, patient_done=done)

    def _patient_turn(self, view: PatientView) -> None:
        if self._players is None or view.revision <= self._wait_beyond:
            return
        action = self._players[0].next(view)
        if action is None:
            self._patient_done_at = view.revision
            return
        self._patient_busy = True
        pending = self._patient_does(view.session, action)
        pending.add_done_callback(lambda done: self._patient_did(action, done))

    def _patient_does(self, session: str, action: players.PatientAction) -> Pending[PatientView]:
        match action:
            case players.Enter(field_id, value):
                return self._patient.enter_field(session, field_id, value)
            case players.Read(field_id, fraction, seconds):
                return self._patient.report_reading(session, field_id, fraction, seconds)
            case players.Attach(field_id, data, media_type):
                return self._patient.start_upload(session, field_id, data, media_type)
            case players.Sign(field_id, strokes, name, relationship):
                return self._patient.submit_signature(
                    session, field_id, strokes, printed_name=name, relationship=relationship
                )

    def _patient_did(self, action: players.PatientAction, done: Any) -> None:
        if self._note(action, done):
            self._keep(action)
        elif self._result.refusals[-1][1] in _OVERTAKEN:
            view = self._patient.view(self._result.session)
            self._wait_beyond = view.revision if view else -1
        delay = self._pace.seconds * self._rng.uniform(0.5, 1.5)
        if delay > 0:
            self._pace.loop.later(delay, self._patient_free)
        else:
            self._pace.loop.soon(self._patient_free)

    def _patient_free(self) -> None:
        self._patient_busy = False
        self._turn()

    def _keep(self, action: players.PatientAction) -> None:
        match action:
            case players.Enter(field_id, value):
                self._result.values[field_id] = value
            case players.Attach(field_id, data, _):
                self._result.documents[field_id] = data
            case players.Sign(field_id):
                self._result.signatures.add(field_id)

    def _staff_turn(self, view: FacilityView, *, patient_done: bool) -> None:
        if self._players is None:
            return
        action = self._players[1].next(view, patient_done=patient_done)
        if action is None:
            return
        self._staff_busy = True
        pending = self._staff_does(view.session, action)
        pending.add_done_callback(lambda done: self._staff_did(action, done))

    def _staff_does(self, session: str, action: players.StaffAction) -> Pending[FacilityView]:
        match action:
            case players.Review(field_id):
                return self._staff.review_document(session, field_id, accepted=True)
            case players.AskToSign(field_id):
                return self._staff.request_signature(session, field_id)
            case players.GoTo(step_id):
                return self._staff.navigate(session, step_id)
            case players.Submit():
                return self._staff.complete(session)

    def _staff_did(self, action: players.StaffAction, done: Any) -> None:
        self._staff_busy = False
        if not self._note(action, done):
            self._explain(done.exception())
        self._pace.loop.soon(self._turn)

    def _explain(self, error: Exception) -> None:
        """Pass the fields named in a refusal to the patient; abandon the session if repeated."""
        fields: list[Any] = []
        if isinstance(error, Refused):
            named = error.rejection.details.get("fields")
            fields = named if isinstance(named, list) else []
        if self._players is not None:
            self._players[0].fill_after_all([str(name) for name in fields])
        self._patient_done_at = -1
        reason = (str(error), *map(str, fields))
        self._same_refusals[reason] += 1
        if self._same_refusals[reason] >= _SAME_REFUSALS:
            self._cancel("stuck", str(error))

    # What happened

    def _note(self, action: object, done: Any) -> bool:
        """Count an action; return whether it was accepted."""
        name = type(action).__name__
        error = done.exception()
        self._result.actions[name] += 1
        if error is None:
            return True
        code = str(error.code) if isinstance(error, Refused) else type(error).__name__
        self._result.refusals.append((name, code))
        if not isinstance(error, Refused) or len(self._result.refusals) > _MAX_REFUSALS:
            self._end("failed", str(error))
        return False

    def give_up(self, outcome: str) -> None:
        """Abandon the session from outside."""
        self._cancel(outcome, "gave up")

    def _cancel(self, outcome: str, error: str) -> None:
        if self._result.session and not self.over.done():
            try:
                self._staff.cancel(self._result.session, f"simulation: {outcome}")
            except HandrailError as closed:
                error = f"{error}; {closed}"
        self._end(outcome, error)

    def _finish(self, view: FacilityView) -> None:
        self._result.final = view
        enabled = set(view.enabled)
        values = self._result.values
        self._result.values = {k: v for k, v in values.items() if k in enabled}
        self._end(str(view.status))

    def _end(self, outcome: str, error: str | None = None) -> None:
        if self.over.done():
            return
        for stop in self._undo:
            stop()
        self._result.outcome = outcome
        self._result.error = error
        self._result.seconds = time.monotonic() - self._began
        self.over.set_result(self._result)
