"""The Python SDK: a facility's, a patient's and an admin's client over MQTT.

credential = pair("mqtt://box:1883", "WDJB-MJHT", name="Kiosk 2")
with PatientClient("mqtt://box:1883", credential) as patient:
    for view in patient.views(credential.session):
        ...

What is named here is loaded when it is first used: who needs little of it need not wait.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clients.admin import AdminClient
    from clients.backoff import Backoff
    from clients.credential import Credential
    from clients.errors import (
        Closed,
        CodeRefused,
        ConnectFailed,
        HandrailError,
        NotAuthorized,
        Refused,
        RequestRefused,
        TimedOut,
        UploadFailed,
    )
    from clients.facility import FacilityClient
    from clients.loop import NetworkLoop
    from clients.news import Connectivity, Departed
    from clients.pairing import pair
    from clients.patient import PatientClient
    from clients.pending import Pending
    from clients.shelf import FlowShelf

__all__ = [
    "AdminClient",
    "Backoff",
    "Closed",
    "CodeRefused",
    "ConnectFailed",
    "Connectivity",
    "Credential",
    "Departed",
    "FacilityClient",
    "FlowShelf",
    "HandrailError",
    "NetworkLoop",
    "NotAuthorized",
    "PatientClient",
    "Pending",
    "Refused",
    "RequestRefused",
    "TimedOut",
    "UploadFailed",
    "pair",
]

_PLACES = {
    "admin": ("AdminClient",),
    "backoff": ("Backoff",),
    "credential": ("Credential",),
    "errors": (
        "Closed",
        "CodeRefused",
        "ConnectFailed",
        "HandrailError",
        "NotAuthorized",
        "Refused",
        "RequestRefused",
        "TimedOut",
        "UploadFailed",
    ),
    "facility": ("FacilityClient",),
    "loop": ("NetworkLoop",),
    "news": ("Connectivity", "Departed"),
    "pairing": ("pair",),
    "patient": ("PatientClient",),
    "pending": ("Pending",),
    "shelf": ("FlowShelf",),
}


def __getattr__(name: str) -> Any:
    """Load what is asked for (PEP 562)."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
