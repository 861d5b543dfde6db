"""Plays whole sessions over the network, many at once: a facility and a patient device for each.

All devices share one network thread; each session is driven by the views it receives.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, Self

from clients.sdk.admin import AdminClient
from clients.sdk.credential import Credential
from clients.sdk.facility import FacilityClient
from clients.sdk.flow_cache import FlowCache
from clients.sdk.network.loop import NetworkLoop
from clients.sdk.patient import PatientClient
from clients.simulator.session import Pace, SessionPlay, SessionResult
from schemas.base import Role
from schemas.topics import Topic
from schemas.wire.requests import REHEARSAL, EnrolDevice, RevokeDevice

__all__ = ["SessionResult", "outcomes", "simulate", "sweep"]

Crew = Sequence[tuple[Credential, Credential]]
"""Pairs of a facility device and a patient device."""

AT_ONCE = 100
_SETTING_UP = 60.0


def simulate(
    url: str,
    crew: Credential | Crew,
    flow_id: str,
    sessions: int = 1,
    *,
    at_once: int = AT_ONCE,
    pace: float = 0.0,
    seed: int = 0,
    timeout: float | None = None,
    progress: Callable[[SessionResult], object] | None = None,
    test: bool = False,
) -> list[SessionResult]:
    """Simulate sessions of a flow and return their results, ordered by number.

    `crew`: an admin's credential, used to enroll two devices for each of the `at_once` places and
    to revoke them afterwards; or pairs of enrolled devices, whose number then limits `at_once`.
    `pace`: average seconds between two actions of a patient; 0: no delay. The same `seed` gives
    the same answers. `progress` is called with each result, in the network thread. Sessions that
    are not over after `timeout` seconds have the outcome `timeout`. With `test` and an admin's
    credential, the sessions are marked as a rehearsal and never delivered, and nothing of the
    devices remains.
    """
    loop = NetworkLoop("handrail-simulator")
    try:
        with _Company(url, crew, loop, min(sessions, at_once), test=test) as company:
            opener = company.admin if test else None
            show = _Show(company.pairs, flow_id, sessions, Pace(loop, pace, seed), progress, opener)
            return show.run(timeout)
    finally:
        loop.stop()


class _Desk(FacilityClient):
    """A staff client without the lobby: 100 screens would each receive 100 lines."""

    _reads: ClassVar[tuple[type[Topic], ...]] = ()


@dataclass(frozen=True, slots=True)
class _Pair:
    staff: FacilityClient
    patient: PatientClient


class _Company:
    """The devices of a simulation, connected for the duration of the `with`."""

    def __init__(
        self, url: str, crew: Credential | Crew, loop: NetworkLoop, places: int, *, test: bool
    ) -> None:
        self._url = url
        self._test = test
        self._crew = crew
        self._loop = loop
        self._places = places
        self._flow_cache = FlowCache()
        self.admin: AdminClient | None = None
        self._enrolled: list[str] = []
        self.pairs: list[_Pair] = []

    def __enter__(self) -> Self:
        try:
            self._connect()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _connect(self) -> None:
        crew = self._crew
        if isinstance(crew, Credential):
            self.admin = AdminClient(self._url, crew, loop=self._loop).start()
            crew = self._enrol(self.admin)
        for staff, patient in crew[: self._places]:
            self.pairs.append(
                _Pair(
                    _Desk(self._url, staff, loop=self._loop, flows=self._flow_cache),
                    PatientClient(self._url, patient, loop=self._loop, flows=self._flow_cache),
                )
            )
        clients = [client for pair in self.pairs for client in (pair.staff, pair.patient)]
        for client in clients:
            client.start(timeout=None)
        deadline = time.monotonic() + _SETTING_UP
        for client in clients:
            client.wait_online(max(0.1, deadline - time.monotonic()))

    def _enrol(self, admin: AdminClient) -> Crew:
        site = admin.credential.site
        asked = [
            (
                role,
                admin.pending_request(EnrolDevice, name=name, role=role, test=self._test or None),
            )
            for n in range(1, self._places + 1)
            for role in (Role.FACILITY, Role.PATIENT)
            for name in [f"simulated {role} {n}"]
        ]
        credentials = []
        for role, pending in asked:
            answer = pending.result(_SETTING_UP)
            self._enrolled.append(answer.device)
            credentials.append(Credential(site, answer.device, role, answer.secret))
        return list(zip(credentials[::2], credentials[1::2], strict=True))

    def _leave(self) -> None:
        for pair in self.pairs:
            pair.patient.close()
            pair.staff.close()
        if self.admin is not None:
            if self._test:
                sweep(self.admin, self._enrolled)
            else:
                _revoke(self.admin, self._enrolled)
            self.admin.close()


def sweep(admin: AdminClient, devices: Collection[str] | None = None) -> None:
    """Cancel the open sessions of these rehearsing devices, or of all, and delete the devices.

    All, if no other simulation runs: an earlier one may have been killed. Raises `HandrailError`.
    """
    if devices is None:
        known = (line.device for line in admin.list_devices().devices)
        devices = [device for device in known if device.startswith(REHEARSAL)]
    for line in list(admin.list_sessions()):
        if line.test and line.host in devices:
            admin.cancel_session(line.session, "The simulation has ended.")
    _revoke(admin, devices)


def _revoke(admin: AdminClient, devices: Iterable[str]) -> None:
    pending = [admin.pending_request(RevokeDevice, device=device) for device in devices]
    for one in pending:
        one.exception(_SETTING_UP)


@dataclass(slots=True)
class _Show:
    """Assigns the sessions to the pairs, each to the next free pair."""

    pairs: Sequence[_Pair]
    flow_id: str
    sessions: int
    pace: Pace
    progress: Callable[[SessionResult], object] | None
    opener: AdminClient | None
    _results: dict[int, SessionResult] = field(default_factory=dict)
    _playing: dict[int, SessionPlay] = field(default_factory=dict)
    _numbers: Any = field(default_factory=count)
    _over: "Future[None]" = field(default_factory=Future)

    def run(self, timeout: float | None) -> list[SessionResult]:
        """Play all sessions."""
        for pair in self.pairs:
            self.pace.loop.run(self._next, pair)
        try:
            self._over.result(timeout)
        except TimeoutError:
            self._give_up()
        return [self._results[number] for number in sorted(self._results)]

    def _next(self, pair: _Pair) -> None:
        number = next(self._numbers)
        if number >= self.sessions:
            return
        play = SessionPlay(
            number, pair.staff, pair.patient, self.flow_id, self.pace, rehearsing=self.opener
        )
        self._playing[number] = play
        play.over.add_done_callback(lambda done: self._done(number, pair, done))
        play.start()

    def _done(self, number: int, pair: _Pair, done: "Future[SessionResult]") -> None:
        result = done.result()
        self._playing.pop(number, None)
        self._results[number] = result
        if self.progress is not None:
            self.progress(result)
        if len(self._results) == self.sessions:
            self._over.set_result(None)
        else:
            # Deferred: this call may be made by the pair's last session.
            self.pace.loop.soon(self._next, pair)

    def _give_up(self) -> None:
        self._numbers = count(self.sessions)
        stopped: Future[None] = Future()

        def stop() -> None:
            for play in list(self._playing.values()):
                play.give_up("timeout")
            stopped.set_result(None)

        self.pace.loop.run(stop)
        stopped.result(_SETTING_UP)


def outcomes(results: Sequence[SessionResult]) -> Counter[str]:
    """Count the outcomes of the sessions."""
    return Counter(result.outcome for result in results)
