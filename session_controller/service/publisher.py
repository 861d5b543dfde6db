"""What goes out: views, lobby, status, flows. Called after a commit, and again on each connect."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, partial

from schemas.base import Versioned
from schemas.topics import ControllerStatusTopic, FlowTopic, LobbyTopic, StateTopic, Topic
from schemas.wire.devices import ControllerStatus, Lobby, show_code
from session_controller import failpoints
from session_controller.engine.session import Session
from session_controller.engine.view import written_views
from session_controller.failpoints import Point
from session_controller.service.handlers.presence import say_assignment
from session_controller.service.lobby import lobby_line
from session_controller.service.registry import Registry
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.transport.link import Link


class Publisher:
    """Writes payloads and hands them to the link."""

    def __init__(
        self,
        registry: Registry,
        link: Link,
        version: str,
        screen_key: Callable[[str, str], str | None],
    ) -> None:
        self._registry = registry
        self._screen_key = screen_key
        """From a session and a device to the key of what that screen stores."""
        self._link = link
        self._version = version
        self._lobby_timer: asyncio.TimerHandle | None = None
        self._lobby_again = False

    def send(self, topic: Topic, payload: bytes) -> None:
        """Publish bytes; an empty payload clears a retained topic (MQTT 3.1.1, 3.3.1.3)."""
        self._send(topic.under(self._registry.settings.site), payload, retain=topic.RETAINED)

    def _send(self, topic: str, payload: bytes, *, retain: bool) -> None:
        self._link.publish(topic, payload, retain=retain)
        failpoints.reached(Point.PUBLISHED)

    def publish(self, work: UnitOfWork) -> None:
        """Publish what a batch said, and the newest view of everyone it touched."""
        for topic, payload in work.said:
            self.send(topic, _bytes(payload))
        for name, devices in self._audience(work).items():
            session = work.sessions.get(name) or self._registry.sessions.get(name)
            if session is not None:
                self._send_views(session, devices)
        for name in work.desks_changed:
            self.send(LobbyTopic(name), self._lobby(name))
        written = work.transaction
        of_lobby = written.states or written.devices or written.cleared or written.deliveries
        if of_lobby or work.stuck is not None:
            self._lobby_soon()

    def _audience(self, work: UnitOfWork) -> Mapping[str, Collection[str]]:
        """Return, by session, the devices whose view changed or was asked for."""
        audience: dict[str, Collection[str]] = {}
        for event in work.transaction.events:
            state = work.transaction.states[event.session]
            if event.revision == state.revision and event.fact.type != "CommandRefused":
                audience[event.session] = state.participants
        for name, device in work.refreshed:
            audience[name] = {**dict.fromkeys(audience.get(name, ())), device: None}
        return audience

    def _send_views(self, session: Session, devices: Collection[str]) -> None:
        registry, name = self._registry, session.state.session
        for device, shown in written_views(
            session,
            devices,
            epoch=registry.epoch,
            code=self._code(session),
            screen_key=partial(self._screen_key, name),
            person_at=registry.person_at,
            is_signed_out=registry.is_signed_out,
            offers_copies=registry.offers_copies,
        ):
            self._send(_state_topic(name, device, registry.settings.site), shown, retain=True)

    def _code(self, session: Session) -> str | None:
        code = session.state.code
        if code is None:
            return None
        return show_code(self._registry.codes.code_of(session.state.session, code.serial))

    # --- everything again ------------------------------------------------------------------

    def say_all(self, work: UnitOfWork) -> None:
        """Publish all that is retained: status, flows, assignments, views of every live session."""
        self.say_status(work)
        wanted = set(self._registry.current.values())
        wanted |= {session.state.flow_ref for session in self._registry.sessions.values()}
        for flow_ref in sorted(wanted):
            work.say(FlowTopic(flow_ref), self._registry.flows[flow_ref].canonical)
        guests = [self._registry.devices[device] for device in self._registry.assigned]
        for patient in {d.device: d for d in (*self._registry.kiosks(), *guests)}.values():
            say_assignment(work, patient)
        for name, session in {**self._registry.sessions, **work.sessions}.items():
            for device in session.state.participants:
                work.refresh(name, device)
        for known in self._registry.devices.values():  # a broker may have kept what they showed
            if known.revoked_at is None and self._registry.is_signed_out(known.device):
                work.desks_changed[known.device] = None
        self._lobby_soon()

    def say_status(self, _: UnitOfWork) -> None:
        """Publish the controller's status: that it is online, and since when."""
        self.send(ControllerStatusTopic(), self.status(online=True))

    def status(self, *, online: bool) -> bytes:
        """Write the controller's status."""
        status = ControllerStatus(
            online=online,
            epoch=self._registry.epoch,
            version=self._version,
            started_at=self._registry.started_at,
            screen_lock_s=int(self._registry.settings.screen_lock.total_seconds()),
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
        settings = self._registry.settings
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
        staff = self._registry.staff_online()
        if not staff:
            return 0
        whole, sent = self._whole_lobby(), 0
        same = whole.to_json()
        for device in staff:
            desk = self._registry.desk_state(device.device)
            payload = self._lobby(device.device, whole) if desk else same
            self.send(LobbyTopic(device.device), payload)
            sent += len(payload)
        return sent

    def _whole_lobby(self) -> Lobby:
        lines = [lobby_line(s.state, s.flow, s.steps_on) for s in self._registry.open_sessions()]
        return Lobby(
            sessions=tuple(lines),
            held=self._registry.awaiting_staff.lines,
            stuck=self._registry.stuck,
        )

    def _lobby(self, device: str, whole: Lobby | None = None) -> bytes:
        """Write a front-desk screen's lobby; empty while nobody is signed in there."""
        signed_out = self._registry.is_signed_out(device)
        lobby = Lobby(sessions=()) if signed_out else whole or self._whole_lobby()
        desk = self._registry.desk_state(device)
        return lobby.model_copy(update={"desk": desk}).to_json()

    def cancel(self) -> None:
        """Cancel the timer."""
        if self._lobby_timer is not None:
            self._lobby_timer.cancel()


@lru_cache(8_192)
def _state_topic(session: str, device: str, site: str) -> str:
    return StateTopic(session, device).under(site)


def _bytes(payload: Versioned | bytes | None) -> bytes:
    if payload is None:
        return b""
    return payload if isinstance(payload, bytes) else payload.to_json()
