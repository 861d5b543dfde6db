"""Enrolls the devices of a run at a box and opens its sessions, by admin requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .screens import ROOT, LoadError, MqttScreen

FLOW = Path(__file__).parents[2] / "flows" / "pre-registration.json"
WINDOW = 50
"""Concurrent requests."""


class MqttEnrolment:
    """An admin device that enrolls devices and opens sessions."""

    def __init__(self, port: int, admin: tuple[str, str]) -> None:
        self._port = port
        self._device, self._secret = admin

    async def run(self, sessions: int) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
        """Return the secrets, and each session's name, host and patient."""
        admin = await MqttScreen.open(self._port, self._device, self._secret)
        await admin.join(self._device, "none")
        flow = json.loads(FLOW.read_text())
        await self._ask(admin, [{"type": "ADD_FLOW", "questionnaire": flow}])
        names = [(f"host-{n}", f"patient-{n}") for n in range(sessions)]
        wanted = [
            {"type": "ENROL_DEVICE", "name": name, "role": role}
            for pair in names
            for name, role in zip(pair, ("facility", "patient"), strict=True)
        ]
        enrolled = await self._ask(admin, wanted)
        secrets = {answer["device"]: answer["secret"] for answer in enrolled}
        opened = await self._ask(
            admin,
            [
                {
                    "type": "OPEN_SESSION",
                    "flow_id": "pre-registration",
                    "label": f"Room {number}",
                    "host": host,
                    "patient_device": patient,
                }
                for number, (host, patient) in enumerate(names)
            ],
        )
        admin.close()
        plan = [
            (answer["session"], host, patient)
            for answer, (host, patient) in zip(opened, names, strict=True)
        ]
        return secrets, plan

    async def _ask(self, admin: MqttScreen, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers: dict[str, dict[str, Any]] = {}
        kind, sent = wanted[0]["type"], 0
        while len(answers) < len(wanted):
            while sent < len(wanted) and sent - len(answers) < WINDOW:
                request = {"v": 1, "request_id": f"{kind}-{sent}", **wanted[sent]}
                topic = f"{ROOT}/devices/{self._device}/requests"
                admin.publish(topic, json.dumps(request).encode())
                sent += 1
            await admin.until(lambda: bool(admin.inbox))
            for payload in admin.inbox:
                answer = json.loads(payload)
                if answer["type"] == "REJECTION":
                    raise LoadError(f"refused: {answer}")
                answers[answer["request_id"]] = answer
            admin.inbox.clear()
        return [answers[f"{kind}-{number}"] for number in range(len(wanted))]
