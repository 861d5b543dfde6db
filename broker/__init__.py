"""A trustworthy MQTT 3.1.1 broker on amqtt; knows nothing of sessions.

What is named here is loaded when it is first used: commands that need no broker need not wait.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_PLACES = {
    "broker": ("Broker",),
    "errors": ("Reason",),
    "identity": ("Authenticate", "Credentials", "Identity"),
    "listeners": ("tls_problem",),
    "local": ("LocalClient", "LocalMessage"),
    "observer": ("Client", "Observer"),
    "rules": ("Rules",),
    "settings": ("BrokerSettings", "Limits", "Listener", "Tls"),
}


def __getattr__(name: str) -> Any:
    """Load what is asked for (PEP 562)."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
