"""Who is there. A late will of an old connection does not hide a device that is back."""

from dataclasses import replace
from datetime import datetime, timedelta

from schemas.topics import AssignmentTopic, PresenceTopic
from schemas.wire.devices import Assignment, Presence
from schemas.wire.parse import Unreadable
from session_controller.engine.events import PresenceChanged
from session_controller.service.unit_of_work import Departed, UnitOfWork
from session_controller.storage.entities import Device


def handle_presence(
    work: UnitOfWork, topic: PresenceTopic, presence: Presence | Unreadable | None
) -> bool:
    """Record a presence; return whether it was readable.

    Who comes online is told its state again, whether or not it was known to be away.
    """
    if presence is None:
        return True  # a presence that was cleared, by us
    device = work.device(topic.device)
    if isinstance(presence, Unreadable):
        return False
    if device is None or device.revoked_at is not None:
        return True
    if not presence.online and presence.connection < device.connection:
        return True  # the will of a connection that another has followed
    note_presence(
        work,
        _introduced(device, presence),
        online=presence.online,
        connection=presence.connection,
    )
    if presence.online:
        greet(work, device)
    return True


def _introduced(device: Device, presence: Presence) -> Device:
    """Return a device with what its program calls itself; a guest's phone stays unknown."""
    if not presence.online or device.guest_of is not None:
        return device
    return replace(device, software=presence.software)


class Departure:
    """A job: a connection has ended, as the embedded broker saw, however it did.

    Before its will, where it has one, which then changes nothing. It may be handled again after a
    failing disk: a connection that has followed meanwhile is left alone.
    """

    def __init__(self, client_id: str, departed: Departed) -> None:
        self._client_id = client_id
        self._departed = departed
        self._connection: int | None = None

    def __call__(self, work: UnitOfWork) -> None:
        """Note it."""
        device = work.device(self._client_id)
        if device is None or not device.online:
            return
        if self._connection is None:
            self._connection = device.connection
        if device.connection == self._connection:
            work.departed[self._client_id] = self._departed
            note_presence(work, device, online=False, connection=device.connection)


def note_presence(
    work: UnitOfWork, device: Device, *, online: bool, connection: int, seen: bool = True
) -> None:
    """Keep a device's presence, and make it known in its sessions where it changed.

    When and from where it was seen is written with a change only: a message costs no write.
    """
    if (device.online, device.connection) != (online, connection):
        at = work.at if seen else device.seen_at
        changed = replace(device, online=online, connection=connection, seen_at=at)
        work.put_device(_located(work, changed))
    for session in work.sessions_of(device.device):
        participant = session.state.participants[device.device]
        if participant.online != online and not session.state.status.ended:
            work.record(session, PresenceChanged(device=device.device, online=online))


def _located(work: UnitOfWork, device: Device) -> Device:
    """Return a device with the address of its connection, which is not kept of a guest."""
    heard = work.last_heard(device.device) if device.guest_of is None else None
    return replace(device, address=heard.address) if heard else device


def seen_at(work: UnitOfWork, device: Device) -> datetime | None:
    """Return when a device was last seen: of a connected one, the broker knows the moment."""
    heard = work.last_heard(device.device)
    return work.at - timedelta(seconds=heard.seconds_ago) if heard else device.seen_at


def note_seen(work: UnitOfWork) -> None:
    """Keep when the connected devices were last seen: the box is about to stop."""
    for device in work.registry.devices.values():
        if device.online and work.last_heard(device.device):
            work.put_device(replace(device, seen_at=seen_at(work, device)))


def greet(work: UnitOfWork, device: Device) -> None:
    """Publish all that is retained for a device again."""
    for session in work.sessions_of(device.device):
        work.refresh(session.state.session, device.device)
    if not device.role.leads:
        say_assignment(work, device)


def say_assignment(work: UnitOfWork, device: Device) -> None:
    """Publish which session a patient's device is in, or that it is in none."""
    name = work.assigned_to(device.device)
    session = work.session(name) if name else None
    if session is None:
        work.say(AssignmentTopic(device.device), Assignment(session=None))
        return
    joined = session.state.participants[device.device].joined_at
    assignment = Assignment(session=name, flow_ref=session.state.flow_ref, joined_at=joined)
    work.say(AssignmentTopic(device.device), assignment)
