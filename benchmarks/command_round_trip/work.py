"""The job: the commands of host and patient, and when both screens show their effect."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

from .screens import LoadError, Screen

Step = tuple[str, dict[str, object], bytes]
"""The sender, the command's own fields, and what the other screen then shows."""


def highlight(field_id: str) -> Step:
    """Return the host's step that highlights a field."""
    shown = f'"highlight":"{field_id}"'.encode()
    return "host", {"type": "HIGHLIGHT_FIELD", "field_id": field_id}, shown


def navigate(step_id: str) -> Step:
    """Return the host's step that moves both screens."""
    return "host", {"type": "NAVIGATE", "step_id": step_id}, f'"step_id":"{step_id}"'.encode()


def enter(field_id: str, value: object) -> Step:
    """Return the patient's step that enters a value."""
    seen = value["code"] if isinstance(value, dict) else value
    shown = json.dumps(seen).encode()
    return "patient", {"type": "ENTER_FIELD", "field_id": field_id, "value": value}, shown


def filling() -> list[Step]:
    """Return the steps that complete the first page, so that the host may move on and back."""
    sex = {
        "system": "http://hl7.org/fhir/administrative-gender",
        "code": "female",
        "display": "Female",
    }
    language = {"system": "urn:ietf:bcp:47", "code": "en", "display": "English"}
    return [
        enter("first-name", "Maria"),
        enter("last-name", "Beispiel"),
        enter("birth-date", "1961-04-17"),
        enter("sex", sex),
        enter("language", language),
    ]


def guiding() -> Iterator[Step]:
    """Yield the host's steps: move back, highlight twice, move on, highlight twice."""
    return itertools.cycle(
        [
            navigate("about-you"),
            highlight("first-name"),
            highlight("birth-date"),
            navigate("contact"),
            highlight("street"),
            highlight("zip"),
        ]
    )


def mixed() -> Iterator[Step]:
    """Yield steps of host and patient in turn: highlight a field, enter it."""
    yield navigate("about-you")
    for number in itertools.count():
        yield highlight("first-name")
        yield enter("first-name", f"Maria {number}")
        yield highlight("middle-name")
        yield enter("middle-name", f"Elena {number}")


JOBS: dict[str, Callable[[], Iterator[Step]]] = {"guided": guiding, "mixed": mixed}


@dataclass(slots=True)
class Pair:
    """A session's two screens; one command in flight at a time."""

    session: str
    host: Screen
    patient: Screen
    took: list[float] = field(default_factory=list)
    """Seconds of each round trip, from when it was due until both screens showed it."""
    _busy: tuple[Screen, Screen, bytes, float] | None = None
    _next: Callable[[], None] | None = None
    _stopped: asyncio.Future[None] | None = None

    def listen(self) -> None:
        """Subscribe to both screens' views."""
        self.host.on_view = self.patient.on_view = self._look

    def start(self, step: Step, due: float) -> None:
        """Send a command."""
        who, fields, shown = step
        sender, other = (self.host, self.patient) if who == "host" else (self.patient, self.host)
        sender.seq += 1
        command = {"v": 1, "command_id": str(uuid4()), "seq": sender.seq, **fields}
        self._busy = sender, other, shown, due
        sender.send(json.dumps(command, separators=(",", ":")).encode())

    def _look(self) -> None:
        error = self.host.failed or self.patient.failed
        if error and self._stopped and not self._stopped.done():
            self._stopped.set_exception(error)
            return
        if self._busy is None:
            return
        sender, other, shown, due = self._busy
        if sender.view.acknowledged < sender.seq or other.view.revision < sender.view.revision:
            return
        if shown not in other.view.payload:
            error = LoadError(f"{shown!r} is not in {other.view.payload!r}")
            if self._stopped and not self._stopped.done():
                self._stopped.set_exception(error)
            return
        self._busy = None
        self.took.append(time.perf_counter() - due)
        if self._next:
            self._next()

    def _begin(self) -> asyncio.Future[None]:
        self.took.clear()
        self._stopped = asyncio.get_running_loop().create_future()
        return self._stopped

    def closed_loop(self, steps: Iterator[Step], until: float) -> asyncio.Future[None]:
        """Send one command after the other until a deadline, or until there are no more."""
        stopped = self._begin()

        def following() -> None:
            now = time.perf_counter()
            step = next(steps, None) if now < until else None
            if step is not None:
                self.start(step, now)
            elif not stopped.done():
                stopped.set_result(None)

        self._next = following
        following()
        return stopped

    def paced(
        self, steps: Iterator[Step], first: float, every: float, until: float
    ) -> asyncio.Future[None]:
        """Send each command at its scheduled time; a delayed one is measured from that time."""
        stopped, loop = self._begin(), asyncio.get_running_loop()
        due = first
        shift = loop.time() - time.perf_counter()

        def following() -> None:
            nonlocal due
            if due >= until:
                if not stopped.done():
                    stopped.set_result(None)
                return
            loop.call_at(due + shift, fire)

        def fire() -> None:
            nonlocal due
            due += every
            self.start(next(steps), due - every)

        self._next = following
        following()
        return stopped
