"""What is delivered in tests: a small session, time that passes at once, an outbox in memory."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast

from schemas.wire.destinations import DESTINATION
from session_controller.delivery.courier import Courier
from session_controller.delivery.route import Circumstances
from session_controller.delivery.senders import Senders
from session_controller.export.record import Record
from session_controller.export.writers import Formats
from session_controller.storage.deliveries import Delivery, DeliveryStatus, queued
from tests.waiting import turns

START = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
SECRET = "Quintessa Marigold"
"""What a patient entered: never in a log."""
KINDS = ("Patient", "QuestionnaireResponse", "Provenance")


@dataclass(frozen=True)
class FakeRecord:
    """As much of a record as the formats below read."""

    session: str
    family: str = SECRET
    status: str = "completed"


def bundle_of(record: Any) -> dict[str, Any]:
    """Write a small transaction: a conditional create, one that refers to it, a PUT of both."""
    system, key = "urn:handrail:session", record.session
    name = f"urn:uuid:{key}-patient"
    answers = f"urn:uuid:{key}-response"
    identifier = {"system": system, "value": key}
    criteria = f"identifier={system}|{key}"
    resources = [
        (
            name,
            {
                "resourceType": "Patient",
                "identifier": [identifier],
                "name": [{"family": record.family}],
            },
            {"method": "POST", "url": "Patient", "ifNoneExist": criteria},
        ),
        (
            answers,
            {
                "resourceType": "QuestionnaireResponse",
                "identifier": identifier,
                "status": record.status,
                "subject": {"reference": name},
            },
            {"method": "POST", "url": "QuestionnaireResponse", "ifNoneExist": criteria},
        ),
        (
            f"urn:uuid:{key}-provenance",
            {
                "resourceType": "Provenance",
                "id": f"p-{key}",
                "target": [{"reference": answers}],
                "recorded": "2026-11-27T09:00:00Z",
                "agent": [{"who": {"reference": name}}],
            },
            {"method": "PUT", "url": f"Provenance/p-{key}"},
        ),
    ]
    entry = [{"fullUrl": u, "resource": r, "request": q} for u, r, q in resources]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entry}


class Single(NamedTuple):
    """A request of its own."""

    method: str
    url: str
    if_none_exist: str | None
    resource: dict[str, Any]
    full_url: str


def singles_of(bundle: dict[str, Any]) -> list[Single]:
    """Return the entries of the small transaction, in order."""
    return [
        Single(
            each["request"]["method"],
            each["request"]["url"],
            each["request"].get("ifNoneExist"),
            each["resource"],
            each["fullUrl"],
        )
        for each in bundle["entry"]
    ]


FORMATS = Formats(
    transaction=bundle_of,
    singles=singles_of,
    files={"fhir": lambda record: json.dumps(bundle_of(record)).encode()},
)


@dataclass
class Times:
    """A clock that is put forward by whoever waits."""

    now: datetime = START
    waits: list[float] = field(default_factory=list)
    rng: Random = field(default_factory=lambda: Random(7))
    on_wait: Callable[[], None] | None = None
    steady: float = 0.0

    async def pause(self, seconds: float) -> None:
        """Advance the clock."""
        self.waits.append(seconds)
        self.pass_by(seconds)
        if self.on_wait:
            self.on_wait()
        await turns()

    def pass_by(self, seconds: float) -> None:
        """Put the clocks forward."""
        self.now += timedelta(seconds=seconds)
        self.steady += seconds

    def circumstances(self) -> Circumstances:
        """Return a courier for them."""
        return Circumstances(lambda: self.now, self.rng.random, self.pause)


@dataclass
class MemoryOutbox:
    """An outbox that forgets at the test's end."""

    rows: dict[tuple[str, str], Delivery] = field(default_factory=dict)
    records: dict[str, FakeRecord] = field(default_factory=dict)
    puts: list[Delivery] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    broken: int = 0
    """How many calls fail from now on."""

    def add(self, session: str, *destinations: str, at: datetime = START) -> None:
        """Queue a session."""
        self.records[session] = FakeRecord(session)
        for name in destinations:
            self.rows[session, name] = queued(session, name, at)

    async def next(self, destination: str) -> Delivery | None:
        """Return the delivery that is due first."""
        waiting = [
            each
            for each in self.rows.values()
            if each.destination == destination and each.status is DeliveryStatus.WAITING
        ]
        return min(waiting, key=lambda each: each.next_at, default=None)

    async def record(self, session: str) -> Record | None:
        """Return a record."""
        return cast("Record | None", self.records.get(session))

    async def put(self, delivery: Delivery) -> None:
        """Keep a delivery, unless it was purged."""
        if self.broken:
            self.broken -= 1
            raise OSError("disk full")
        key = (delivery.session, delivery.destination)
        if key in self.rows:
            self.rows[key] = delivery
            self.puts.append(delivery)
        self.changed.set()

    def retry(self, session: str, destination: str, at: datetime) -> None:
        """Retry the refused deliveries."""
        row = self.rows[session, destination]
        self.rows[session, destination] = replace(row, status=DeliveryStatus.WAITING, next_at=at)

    async def settled(self) -> None:
        """Wait until nothing waits any more."""
        while any(each.status is DeliveryStatus.WAITING for each in self.rows.values()):
            self.changed.clear()
            await self.changed.wait()


class Office:
    """A courier with all that belongs to it."""

    def __init__(self, data: Path, outbox: MemoryOutbox | None = None) -> None:
        self.times = Times()
        self.outbox = outbox or MemoryOutbox()
        self.data = data
        self.formats = FORMATS

    def courier(self) -> Courier:
        """Return a new courier, as after a restart."""
        senders = Senders(
            self.data,
            "main",
            self.formats,
            seal=lambda form, record, data: f"{form} {record.session} {len(data)}".encode(),
            clock=lambda: self.times.now,
            steady_s=lambda: self.times.steady,
        )
        return Courier("main", self.outbox, senders.open, self.times.circumstances())

    async def deliver(self, *destinations: dict[str, Any], within_s: float = 10.0) -> None:
        """Run a courier until nothing waits any more."""
        courier = self.courier()
        await courier.serve([DESTINATION.validate_python(each) for each in destinations])
        courier.start()
        try:
            async with asyncio.timeout(within_s):
                await self.outbox.settled()
        finally:
            await courier.stop()


def ehr(base: str, **more: Any) -> dict[str, Any]:
    """Return a FHIR destination's settings."""
    return {"name": "ehr", "kind": "fhir", "url": base, **more}
