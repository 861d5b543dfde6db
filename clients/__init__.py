"""The Python SDK: facility, patient and admin clients over MQTT.

credential = pair("mqtt://box:1883", "WDJB-MJHT", name="Kiosk 2")
with PatientClient("mqtt://box:1883", credential) as patient:
    for view in patient.views(credential.session):
        ...

Each name is imported on first use, to keep start-up short.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clients.sdk.admin import AdminClient
    from clients.sdk.credential import Credential
    from clients.sdk.errors import (
        Closed,
        CodeRefused,
        ConnectFailed,
        ExportBroken,
        HandrailError,
        InvalidInput,
        NotAuthorized,
        Refused,
        RequestRefused,
        TimedOut,
        UploadFailed,
    )
    from clients.sdk.facility import FacilityClient
    from clients.sdk.flow_cache import FlowCache
    from clients.sdk.network.backoff import Backoff
    from clients.sdk.network.loop import NetworkLoop
    from clients.sdk.notifications import Connectivity, Departed
    from clients.sdk.pairing import pair
    from clients.sdk.patient import PatientClient
    from clients.sdk.pending import Pending

__all__ = [
    "AdminClient",
    "Backoff",
    "Closed",
    "CodeRefused",
    "ConnectFailed",
    "Connectivity",
    "Credential",
    "Departed",
    "ExportBroken",
    "FacilityClient",
    "FlowCache",
    "HandrailError",
    "InvalidInput",
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
    "network.backoff": ("Backoff",),
    "credential": ("Credential",),
    "errors": (
        "Closed",
        "CodeRefused",
        "ConnectFailed",
        "ExportBroken",
        "HandrailError",
        "InvalidInput",
        "NotAuthorized",
        "Refused",
        "RequestRefused",
        "TimedOut",
        "UploadFailed",
    ),
    "facility": ("FacilityClient",),
    "network.loop": ("NetworkLoop",),
    "notifications": ("Connectivity", "Departed"),
    "pairing": ("pair",),
    "patient": ("PatientClient",),
    "pending": ("Pending",),
    "flow_cache": ("FlowCache",),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first access (PEP 562)."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f".sdk.{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
