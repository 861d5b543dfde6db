"""The Python SDK: a facility's, a patient's and an admin's client over MQTT.

credential = pair("mqtt://box:1883", "WDJB-MJHT", name="Kiosk 2")
with PatientClient("mqtt://box:1883", credential) as patient:
    for view in patient.views(credential.session):
        ...
"""

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
