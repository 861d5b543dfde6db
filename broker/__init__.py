"""An embeddable MQTT 3.1.1 broker, independent of the rest of Handrail.

Its public names are loaded on first use, so that commands without a broker start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access.identity import Authenticate, Credentials, Identity
    from .access.rules import Rules
    from .broker import Broker
    from .local import LocalClient, LocalMessage
    from .monitoring.counters import Level
    from .monitoring.observer import Client, Heard, Observer
    from .network.tls import tls_problem
    from .packets.errors import Reason
    from .settings import BrokerSettings, Limits, Listener, Tls

__all__ = [
    "Authenticate",
    "Broker",
    "BrokerSettings",
    "Client",
    "Credentials",
    "Heard",
    "Identity",
    "Level",
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

_EXPORTS = {
    "broker": ("Broker",),
    "packets.errors": ("Reason",),
    "access.identity": ("Authenticate", "Credentials", "Identity"),
    "network.tls": ("tls_problem",),
    "local": ("LocalClient", "LocalMessage"),
    "monitoring.counters": ("Level",),
    "monitoring.observer": ("Client", "Heard", "Observer"),
    "access.rules": ("Rules",),
    "settings": ("BrokerSettings", "Limits", "Listener", "Tls"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    for module, names in _EXPORTS.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
