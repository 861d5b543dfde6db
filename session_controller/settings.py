"""Settings that a clinic may change."""

from dataclasses import dataclass
from datetime import timedelta

CHOSEN = "configuration"
"""The property of a box that contains its configuration, where it is not the default, as JSON."""

FONTS = "fonts"
"""The property of a box that contains the folder in `HANDRAIL_FONTS` at its last start."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that a clinic may change."""

    site: str = "main"
    code_lifetime: timedelta = timedelta(minutes=10)
    idle_limit: timedelta = timedelta(hours=4)
    """A session without any activity for this long expires."""
    screen_lock: timedelta = timedelta(minutes=10)
    """How long nobody may answer at a patient screen before it is locked."""
    staff_log_off: timedelta = timedelta(minutes=10)
    """How long after the last act a person is signed out at a front-desk screen. Zero: never."""
    retention_of_topics: timedelta = timedelta(hours=1)
    """How long the last view of an ended session stays retained at the broker."""
    patient_copies: bool = True
    """Whether patients can take a copy of their record along."""
    purge_completed: timedelta = timedelta(days=1)
    """How long after its delivery a completed session is purged, and an expired one after its end.
    Zero: never by itself.
    """
    purge_cancelled: timedelta = timedelta(hours=1)
    """How long after its end a cancelled session is purged. Zero: never by itself."""
    commit_patience: timedelta = timedelta(seconds=30)
    """How long storing a message is retried before it is refused."""
    guest_grace: timedelta = timedelta(seconds=10)
    """How long a guest's connection outlives its session, so that its screen can show the end."""
    lobby_pause: timedelta = timedelta(milliseconds=300)
    """The shortest time between two publications of the lobby."""
    lobby_bytes_per_second: int = 2_000_000
    """Limit on publishing all lobbies, to spare a small box's network and CPU; they are published
    less often if hundreds of front-desk screens watch hundreds of sessions.
    """
    max_open_sessions: int = 2_000
    """A large clinic has some dozens; each costs memory, and time when the box starts."""
    max_devices: int = 5_000
    """Screens and guests that may connect; half of the connections that the broker accepts."""
