"""The `handrail` program: what it can do, and the only place that wires the rest together."""

from broker import Broker, BrokerSettings, Credentials, Identity, Limits, Listener, Rules
from clients.pages import pages
from schemas.access import PAIRING_USER
from session_controller.box import BrokerOrder, EmbeddedBroker

_LIMITS = Limits(connections_per_address=4_000)
"""Behind a clinic's proxy, or in a load test, all screens come from one address."""


def embedded_broker(order: BrokerOrder) -> EmbeddedBroker:
    """Make the box's own broker: who may connect and do what is the controller's to say."""

    async def authenticate(shown: Credentials) -> Identity | None:
        role = order.role_of(shown.client_id, shown.username, shown.password)
        if role is None:
            return None
        # Everyone who pairs shares a user name; to the broker each connection is its own user.
        user = shown.client_id if role == PAIRING_USER else shown.username or ""
        return Identity(user=user, role=role, client_id=shown.client_id)

    listeners = {"mqtt": Listener(*order.mqtt)}
    if order.http is not None:
        listeners["http"] = Listener(*order.http, kind="http")
    return Broker(
        BrokerSettings(listeners=listeners, limits=_LIMITS),
        authenticate=authenticate,
        rules={role: Rules(a.publish, a.subscribe) for role, a in order.access.items()},
        web_app=pages(order.site),
    )


def main() -> None:
    """Run the program."""
