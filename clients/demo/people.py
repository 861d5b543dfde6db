"""The demo's two people: what Ana Rivera enters, and the clerk at the front desk."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from clients.cli.context import Failure
from clients.demo.stage import Stage
from clients.sdk.errors import Refused
from clients.sdk.facility import FacilityClient
from clients.sdk.patient import PatientClient
from clients.sdk.pending import Pending
from clients.simulator import players
from schemas.questionnaire.load import Flow, Item
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import FacilityView, PatientView

SAYS: Mapping[str, Any] = {
    "first-name": "Ana",
    "last-name": "Rivera",
    "birth-date": "1984-03-12",
    "sex": "female",
    "language": "en",
    "social-security-number": "078-05-1120",
    "street": "12 Harbor Street",
    "city": "Portland",
    "state": "ME",
    "zip": "04101",
    "mobile-phone": "+1 207 555 0142",
    "email": "ana.rivera@example.org",
    "emergency-name": "Luis Rivera",
    "emergency-relationship": "SPS",
    "emergency-phone": "+1 207 555 0177",
    "id-kind": "PPN",
    "id-number": "X4482919",
    "payment": "insurance",
    "payer": "aetna",
    "member-id": "W2210 55718",
    "subscriber-relationship": "self",
    "reason": "A cough that has not gone away for three weeks.",
    "smoking": "266919005",
    "takes-medicines": True,
    "medicine-name": "Lisinopril",
    "medicine-dose": "10 mg, once a day",
    "has-allergies": False,
    "privacy-acknowledged": True,
    "answers-correct": True,
}
"""Answers by linkId, choices by code. Other answers are generated."""

NAME = "Ana Rivera"
"""The printed name below her signature."""

WITHIN_S = 30.0


def demand(holds: bool, what: str) -> None:
    """Abort the demo unless a condition holds."""
    if not holds:
        raise Failure(f"the demo failed: {what}")


class Patient:
    """Ana, at the tablet."""

    def __init__(self, client: PatientClient, stage: Stage, session: str, flow: Flow) -> None:
        self.client = client
        self._stage = stage
        self._session = session
        self._flow = flow
        self._player = players.PatientPlayer(flow, Random(7))  # noqa: S311 - nothing secret

    @property
    def view(self) -> PatientView:
        """The tablet's newest view."""
        return self.client.wait_for(self._session, timeout=WITHIN_S)

    def enter(self, field_id: str, value: Any = None) -> Pending[PatientView]:
        """Enter a value into a field: her own answer, unless one is passed."""
        self.client.focus_field(self._session, field_id)
        item = self._flow.items[field_id.rpartition(".")[2]]
        chosen = _answer(item, SAYS[item.link_id] if value is None else value)
        return self.client.enter_field(self._session, field_id, chosen)

    def fill(self, until: Callable[[PatientView], bool] = lambda _: False) -> None:
        """Fill in the step, to its end or until a condition holds."""
        while not until(self.view):
            action = self._player.next(self.view)
            if action is None:
                return
            self._do(action)
            self._stage.pause()

    def _do(self, action: players.PatientAction) -> None:
        session = self._session
        match action:
            case players.Enter(field_id, value) if field_id.rpartition(".")[2] in SAYS:
                self.enter(field_id).result(WITHIN_S)
            case players.Enter(field_id, value):
                self.client.enter_field(session, field_id, value).result(WITHIN_S)
            case players.Read(field_id, fraction, seconds):
                self.client.report_reading(session, field_id, fraction, seconds).result(WITHIN_S)
            case players.Attach(field_id, data, media_type):
                self.client.upload(session, field_id, data, media_type, WITHIN_S)
            case players.Sign(field_id, strokes):
                self.client.submit_signature(session, field_id, strokes, printed_name=NAME).result(
                    WITHIN_S
                )

    def asks_for_help(self) -> None:
        """Request help."""
        self.client.ask_for_help(self._session).result(WITHIN_S)


def _answer(item: Item, wanted: Any) -> Any:
    """Return the option with a code, or the value itself if there are no options."""
    for option in item.options_by_key.get(wanted, ()) if item.options else ():
        return option.to_json()
    return wanted


class Clerk:
    """The front desk."""

    def __init__(self, client: FacilityClient, stage: Stage, session: str, flow: Flow) -> None:
        self.client = client
        self._stage = stage
        self.session = session
        self._flow = flow

    @property
    def view(self) -> FacilityView:
        """The front-desk screen's newest view."""
        return self.client.wait_for(self.session, timeout=WITHIN_S)

    def moves_on(self, to: str | None = None) -> None:
        """Move both screens to a step, or to the next one."""
        self.navigate(to).result(WITHIN_S)
        self._stage.pause()

    def navigate(self, to: str | None = None) -> Pending[FacilityView]:
        """Send the command to move."""
        view = self.view
        steps = list(view.steps)
        step_id = to or steps[min(view.step_index + 1, len(steps) - 1)]
        return self.client.navigate(self.session, step_id)

    def is_refused(self, pending: Pending[FacilityView], code: RejectionCode) -> str:
        """Wait for an expected refusal, and return its message."""
        try:
            pending.result(WITHIN_S)
        except Refused as refused:
            demand(refused.code is code, f"{code} was expected, not {refused.code}")
            return refused.rejection.message
        raise Failure(f"the demo failed: {code} was expected, but it was accepted")

    def reviews(self, field_id: str, *, reason: str | None = None) -> None:
        """View a document; accept it, or reject it with a reason."""
        size = len(self.client.fetch_document(self.session, field_id, WITHIN_S))
        demand(size > 0, "the document arrived empty")
        self.client.review_document(
            self.session, field_id, accepted=reason is None, reason=reason
        ).result(WITHIN_S)
        self._stage.pause()

    def sees(self, what: str, holds: Callable[[FacilityView], bool]) -> FacilityView:
        """Wait until the screen shows something expected."""
        try:
            return self.client.wait_for(self.session, holds, WITHIN_S)
        except TimeoutError:
            raise Failure(f"the demo failed: the front-desk screen never showed {what}") from None
