"""A trustworthy MQTT 3.1.1 broker on amqtt; knows nothing of sessions."""

from .broker import Broker
from .errors import Reason
from .identity import Authenticate, Credentials, Identity
from .listeners import tls_problem
from .local import LocalClient, LocalMessage
from .observer import Client, Observer
from .rules import Rules
from .settings import BrokerSettings, Limits, Listener, Tls

__all__ = [
    "Authenticate",
    "Broker",
    "BrokerSettings",
    "Client",
    "Credentials",
    "Identity",
    "Limits",
    "Listener",
    "LocalClient",
    "LocalMessage",
    "Observer",
    "Reason",
    "Rules",
    "Tls",
    "tls_problem",
]
