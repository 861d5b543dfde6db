"""Whether a box is ready: one check for each thing that check-ins need."""

from collections.abc import Mapping
from dataclasses import dataclass

from session_controller.preflight.folder import low_space
from session_controller.storage.store import Store

CHECKS = ("store", "broker", "database", "disk")
"""The names of the checks."""
MAX_BEHIND_S = 30.0
"""Seconds without a completed batch after which a box is not ready: there is one each second."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What only the service knows of itself."""

    disk_error: str | None
    """Why the database does not store anything now, or None."""
    behind_s: float
    """Seconds since the last batch was completed."""
    connected: bool
    """Whether the controller is connected to its broker."""
    waiting: int
    """Messages that wait to be handled."""


def checks(state: ServiceState, store: Store, free: int) -> Mapping[str, str | None]:
    """Return for each check a sentence on what is wrong, or None if it passes.

    Anyone may read it: it names nobody and nothing of the data folder.
    """
    disk = low_space(free)
    return {
        "store": store_problem(state),
        "broker": None if state.connected else "The controller is not connected to its broker.",
        "database": "The database is damaged; restore a backup." if store.is_damaged else None,
        "disk": f"{disk[0].upper()}{disk[1:]}." if disk else None,
    }


def store_problem(state: ServiceState) -> str | None:
    """Return why the store does not commit, or None if it does as far as is known."""
    if state.disk_error is not None:
        return f"The database refuses to store: {state.disk_error}."
    if state.behind_s > MAX_BEHIND_S:
        return f"Nothing has been stored for {state.behind_s:.0f} seconds."
    return None
