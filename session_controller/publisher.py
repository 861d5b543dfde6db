"""What goes out: views, lobby, status, flows. Called after a commit, and again on each connect."""

import asyncio
from collections.abc import Collection, Mapping
from functools import lru_cache

from schemas.base import Versioned
from schemas.devices import ControllerStatus, Lobby, show_code
from schemas.topics import ControllerStatusTopic, FlowTopic, LobbyTopic, StateTopic, Topic
from session_controller import points
from session_controller.admin import lobby_line
from session_controller.engine.session import Session
from session_controller.engine.view import written_views
from session_controller.link import Link
from session_controller.points import Point
from session_controller.presence import say_assignment
from session_controller.work import Work
from session_controller.world import World


class Publisher:
    """Writes payloads and hands them to the link."""

    def __init__(self, world: World, link: Link, version: str) -> None:
        self._world = world
        self._link = link
        self._version = version
        self._lobby_timer: asyncio.TimerHandle | None = None
        self._lobby_again = False

    def send(self, topic: Topic, payload: bytes) -> None:
        """Publish bytes; an empty payload clears a retained topic (MQTT 3.1.1, 3.3.1.3)."""
        self._send(topic.under(self._world.settings.site), payload, retain=topic.RETAINED)

    def _send(self, topic: str, payload: bytes, *, retain: bool) -> None:
        self._link.publish(topic, payload, retain=retain)
        points.reached(Point.PUBLISHED)

    def publish(self, work: Work) -> None:
        """Publish what a batch said, and the newest view of everyone it touched."""
        for topic, payload in work.said:
            self.send(topic, _bytes(payload))
        for name, devices in self._audience(work).items():
            session = work.sessions.get(name) or self._world.sessions.get(name)
            if session is not None:
                self._send_views(session, devices)
        if work.batch.states or work.batch.devices or work.batch.cleared:
            self._lobby_soon()

    def _audience(self, work: Work) -> Mapping[str, Collection[str]]:
        """Give each session with the devices whose view of it changed or was asked for."""
        audience: dict[str, Collection[str]] = {}
        for event in work.batch.events:
            state = work.batch.states[event.session]
            if event.revision == state.revision and event.fact.type != "CommandRefused":
                audience[event.session] = state.participants
        for name, device in work.refreshed:
            audience[name] = {**dict.fromkeys(audience.get(name, ())), device: None}
        return audience

    def _send_views(self, session: Session, devices: Collection[str]) -> None:
        world, name = self._world, session.state.session
        for device, shown in written_views(
            session, devices, epoch=world.epoch, code=self._code(session)
        ):
            self._send(_state_topic(name, device, world.settings.site), shown, retain=True)

    def _code(self, session: Session) -> str | None:
        code = session.state.code
        if code is None:
            return None
        return show_code(self._world.codes.code_of(session.state.session, code.serial))

    # --- everything again ------------------------------------------------------------------

    def say_all(self, work: Work) -> None:
        """Say all that is retained: status, flows, assignments, and every live session's views."""
        self.send(ControllerStatusTopic(), self.status(online=True))
        wanted = set(self._world.current.values())
        wanted |= {session.state.flow_ref for session in self._world.sessions.values()}
        for flow_ref in sorted(wanted):
            work.say(FlowTopic(flow_ref), self._world.flows[flow_ref].canonical)
        guests = [self._world.devices[device] for device in self._world.assigned]
        for patient in {d.device: d for d in (*self._world.kiosks(), *guests)}.values():
            say_assignment(work, patient)
        for name, session in {**self._world.sessions, **work.sessions}.items():
            for device in session.state.participants:
                work.refresh(name, device)
        self._lobby_soon()

    def status(self, *, online: bool) -> bytes:
        """Write the controller's status."""
        status = ControllerStatus(
            online=online,
            epoch=self._world.epoch,
            version=self._version,
            started_at=self._world.started_at,
        )
        return status.to_json()

    # --- lobby -----------------------------------------------------------------------------

    def _lobby_soon(self) -> None:
        """Publish the lobby now, or once the pause since the last one is over."""
        if self._lobby_timer is not None:
            self._lobby_again = True
            return
        self._pause_lobby(self._send_lobby())

    def _pause_lobby(self, sent_bytes: int) -> None:
        settings = self._world.settings
        pause_s = max(
            settings.lobby_pause.total_seconds(), sent_bytes / settings.lobby_bytes_per_second
        )
        self._lobby_timer = asyncio.get_running_loop().call_later(pause_s, self._lobby_turn)

    def _lobby_turn(self) -> None:
        self._lobby_timer = None
        if self._lobby_again:
            self._lobby_again = False
            self._pause_lobby(self._send_lobby())

    def _send_lobby(self) -> int:
        """Send the lobby to the staff's screens that are there; gives its bytes in all."""
        staff = self._world.staff_online()
        if not staff:
            return 0
        lines = [lobby_line(s.state, s.flow) for s in self._world.open_sessions()]
        payload = Lobby(sessions=tuple(lines)).to_json()
        for device in staff:
            self.send(LobbyTopic(device.device), payload)
        return len(payload) * len(staff)

    def cancel(self) -> None:
        """Let go of the timer."""
        if self._lobby_timer is not None:
            self._lobby_timer.cancel()


@lru_cache(8_192)
def _state_topic(session: str, device: str, site: str) -> str:
    return StateTopic(session, device).under(site)


def _bytes(payload: Versioned | bytes | None) -> bytes:
    if payload is None:
        return b""
    return payload if isinstance(payload, bytes) else payload.to_json()
