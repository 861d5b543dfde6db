"""A patient and staff who go through a flow on a service without sockets, and go astray."""

import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import Any

from clients.simulator import players
from schemas.questionnaire.load import Flow
from schemas.topics import MAX_CHUNK, RejectionTopic, StateTopic, UploadTopic
from schemas.wire.views import FacilityView, PatientView
from tests.controller.entering import looked
from tests.faults.loopback import Stage

_TURNS = 2_000
"""More than any form needs: who needs more goes in circles."""


@dataclass
class Walk:
    """One session from its first step to its end."""

    stage: Stage
    flow: Flow
    rng: Random
    uploads: int = 0
    begun: set[str] = field(default_factory=set)
    """Steps whose detour was made."""
    finished: set[str] = field(default_factory=set)
    """Steps with a correction asked for."""
    rejected: set[str] = field(default_factory=set)
    """Documents that were sent back once."""
    hesitated: set[str] = field(default_factory=set)
    """Signatures that were cancelled, declined and withdrawn."""

    async def to_its_end(self) -> FacilityView:
        """Play until the session has ended; return what staff see last."""
        patient, staff = players.PatientPlayer(self.flow, self.rng), players.StaffPlayer(self.flow)
        await self._replace_the_kiosk()
        for _ in range(_TURNS):
            mine, theirs = self.patient_view(), self.facility_view()
            if theirs.status.ended:
                return theirs
            if theirs.step_id not in self.begun:
                self.begun.add(theirs.step_id)
                await self._detour(mine)
                continue
            action = patient.next(mine)
            if action is not None:
                await self._patient_does(action, mine)
                continue
            moved = staff.next(theirs, patient_done=True)
            assert moved is not None, theirs.step_id
            refusals = len(self._refusals())
            await self._staff_does(moved, theirs)
            for refusal in self._refusals()[refusals:]:
                patient.fill_after_all(refusal.get("details", {}).get("fields", []))
        raise AssertionError(f"stuck at {self.facility_view().step_id}: {self._refusals()[-1:]}")

    def patient_view(self) -> PatientView:
        """Return the newest view of the patient's screen."""
        return PatientView.model_validate_json(self._newest("kiosk"))

    def facility_view(self) -> FacilityView:
        """Return the newest view of the staff's screen."""
        return FacilityView.model_validate_json(self._newest("desk"))

    def _newest(self, device: str) -> bytes:
        topic = StateTopic(self.stage.session, device).under("main")
        return next(p for name, p in reversed(self.stage.link.published) if name == topic)

    def _refusals(self) -> list[dict[str, Any]]:
        return self.stage.said(RejectionTopic(self.stage.session, "desk"))

    async def _patient(self, type_: str, **fields: Any) -> None:
        self.stage.say("kiosk", type_, **fields)
        await self.stage.service.settled()

    async def _staff(self, type_: str, **fields: Any) -> None:
        self.stage.say("desk", type_, **fields)
        await self.stage.service.settled()

    async def _replace_the_kiosk(self) -> None:
        await self._staff("REPLACE_PATIENT_DEVICE", device=None)
        self.stage.ask("kiosk", "JOIN_SESSION", code=self.facility_view().code)
        await self.stage.service.settled()

    async def _detour(self, view: PatientView) -> None:
        """Do at a step's beginning what staff and patient may do at any time, and what not."""
        shown = next(iter(view.enabled), None)
        await self._patient("ASK_FOR_HELP")
        await self._patient("REPORT_IDLE", idle=True)
        await self._patient("REPORT_IDLE", idle=False)
        await self._patient("REPORT_SCREEN", language="es", text_percent=125)
        await self._staff("COVER_SCREEN", covered=True)
        await self._staff("COVER_SCREEN", covered=False)
        await self._staff("ANSWER_HELP")
        await self._staff("PAUSE")
        await self._patient("ASK_FOR_HELP")
        await self._staff("RESUME")
        if view.step_index + 1 < view.steps_total:
            await self._staff("COMPLETE")
        for type_ in ("HIGHLIGHT_FIELD", "FOCUS_FIELD"):
            says = self._staff if type_ == "HIGHLIGHT_FIELD" else self._patient
            await says(type_, field_id=shown)
            await says(type_, field_id="no such field")
        for field_id in view.enabled:
            await self._patient("ENTER_FIELD", field_id=field_id, value="?" * 40)
            await self._patient("CLEAR_FIELD", field_id=field_id)

    async def _patient_does(self, action: players.PatientAction, view: PatientView) -> None:
        match action:
            case players.Enter(field_id, value):
                await self._patient("ENTER_FIELD", field_id=field_id, value=value)
            case players.Read(field_id, fraction, seconds):
                reading = {"field_id": field_id, "fraction": fraction, "seconds": seconds}
                await self._patient("REPORT_READING", **reading)
            case players.Attach():
                await self._attach(action)
            case players.Sign():
                await self._sign(action, view)

    async def _attach(self, action: players.Attach) -> None:
        self.uploads += 1
        upload, data = f"up-{self.uploads}", action.data
        await self._patient(
            "BEGIN_UPLOAD",
            field_id=action.field_id,
            upload=upload,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            media_type=action.media_type,
        )
        for offset in range(0, len(data), MAX_CHUNK):
            topic = UploadTopic(self.stage.session, "kiosk", upload, str(offset)).under("main")
            self.stage.link.deliver(topic, data[offset : offset + MAX_CHUNK])
            await self.stage.service.settled()
        self.stage.say("kiosk", "FINISH_UPLOAD", upload=upload)
        await looked(self.stage)

    async def _sign(self, action: players.Sign, view: PatientView) -> None:
        assert view.signature is not None
        signed = {
            "field_id": action.field_id,
            "strokes": action.strokes,
            "document_sha256": view.signature.document_sha256,
            "printed_name": action.printed_name,
        }
        if action.relationship is not None:
            signed["relationship"] = action.relationship
        if action.field_id in self.hesitated:
            await self._patient("SUBMIT_SIGNATURE", **signed)
            return
        self.hesitated.add(action.field_id)
        await self._patient("SUBMIT_SIGNATURE", **{**signed, "document_sha256": "0" * 64})
        await self._staff("CANCEL_SIGNATURE")
        await self._staff("REQUEST_SIGNATURE", field_id=action.field_id, staff_name="R. Molina")
        await self._patient("DECLINE_SIGNATURE", reason="not yet")
        await self._staff("REQUEST_SIGNATURE", field_id=action.field_id)
        await self._patient("SUBMIT_SIGNATURE", **signed)
        await self._patient("WITHDRAW_SIGNATURE", field_id=action.field_id, reason="after all")

    async def _staff_does(self, action: players.StaffAction, view: FacilityView) -> None:
        match action:
            case players.Review(field_id):
                await self._review(field_id)
            case players.AskToSign(field_id):
                await self._staff("REQUEST_SIGNATURE", field_id=field_id)
            case _ if view.step_id not in self.finished:
                self.finished.add(view.step_id)
                await self._correct(view)
            case players.GoTo(step_id):
                await self._staff("NAVIGATE", step_id=step_id)
            case players.Submit():
                await self._staff("COMPLETE")

    async def _review(self, field_id: str) -> None:
        await self._staff("FETCH_DOCUMENT", field_id=field_id)
        if field_id in self.rejected:
            await self._staff("REVIEW_DOCUMENT", field_id=field_id, accepted=True)
            return
        self.rejected.add(field_id)
        await self._staff("REVIEW_DOCUMENT", field_id=field_id, accepted=False, reason="blurred")

    async def _correct(self, view: FacilityView) -> None:
        here = [name for name in view.fields if name in self.patient_view().fields]
        for field_id in here[:1]:
            await self._staff("REQUEST_CORRECTION", field_id=field_id, message="Is that right?")
