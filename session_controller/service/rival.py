"""Another controller of the same site, such as a copy of the data folder that was restored.

Both use one client id, so each takes the other's connection over (MQTT 3.1.1, 3.1.4-2), and what
the broker delivers goes to one database or the other. One of the two has to stop.
"""

from datetime import datetime

from schemas.wire.devices import ControllerStatus

_TAKEN_OVER = 2
"""Connections in a row on which another status is found, for the controller that is to stop. One
alone is no proof: a broker that crashed restores what it had retained some time before (with
Mosquitto's defaults, up to half an hour), such as the status of an earlier start."""
_AT_LAST = 4
"""The same for the controller that is to stay: it is taken over three times until the other one
has stopped, and finds its status each time."""
_LONGEST_S = 60
"""How long a connection lasts at most that a running rival takes over, in seconds: it reconnects
within 30 s, and at its first attempt within one."""


class RivalWatch:
    """What the retained status at the broker tells of others; for a broker that is not embedded."""

    def __init__(self, epoch: int, started_at: datetime) -> None:
        self._epoch = epoch
        self._started_at = started_at
        self._connections = 0
        self._connected_at = 0.0
        self._taken_over: list[int] = []
        """The connections on which another status was found, one after the other."""

    def connected(self, now: float) -> None:
        """Record a new connection to the broker at `now`, a steady time in seconds."""
        if now - self._connected_at > _LONGEST_S:
            self._taken_over = []
        self._connected_at = now
        self._connections += 1

    def must_stop(self, status: ControllerStatus, *, retained: bool) -> bool:
        """Return whether this controller has to stop because of a status that it received.

        What the first connection finds is of the controller that ran before, or its will. Of two
        that run, the one whose database was restored later stays, then the one that has run for
        longer; one whose connection is taken over again and again stops in any case.
        """
        if self._connections <= 1 and (retained or not status.online):
            return False
        if (status.epoch, status.started_at) == (self._epoch, self._started_at):
            if retained:
                self._taken_over = []
            return False
        if self._connections not in self._taken_over:  # the broker may have queued several
            self._taken_over.append(self._connections)
        newer = status.epoch > self._epoch
        older = status.epoch == self._epoch and status.started_at < self._started_at
        return len(self._taken_over) >= (_TAKEN_OVER if newer or older else _AT_LAST)
