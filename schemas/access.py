"""The protocol's static access rules, as data for any broker.

`%u` stands for the user name, `%c` for the MQTT client id. A will is a publication.
"""

from dataclasses import dataclass

from schemas.base import Role
from schemas.topics import (
    AssignmentTopic,
    ClaimTopic,
    CommandTopic,
    ControllerStatusTopic,
    DocumentTopic,
    FlowTopic,
    GrantTopic,
    InboxTopic,
    LobbyTopic,
    PresenceTopic,
    RejectionTopic,
    RequestTopic,
    StateTopic,
    UploadTopic,
)

PAIRING_USER = "pairing"
"""User name of every device that is not enrolled yet."""
PAIRING_PREFIX = "pairing-"
"""Prefix of its client id, followed by 32 random hex digits."""


@dataclass(frozen=True, slots=True)
class Access:
    """The topics that a role may publish to, and the filters it may subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def controller_user(site: str) -> str:
    """Return the user name of a site's controller."""
    return f"controller-{site}"


def access_rules(site: str) -> dict[str, Access]:
    """Return the rules of each role: patient, facility, admin, and the unenrolled `pairing`."""
    device = _device_access(site)
    pairing = Access(
        publish=(ClaimTopic.rule(site, client_id="%c"),),
        subscribe=(GrantTopic.rule(site, client_id="%c"),),
    )
    return {**{role.value: device for role in Role}, PAIRING_USER: pairing}


def _device_access(site: str) -> Access:
    # Below `uploads/{me}` and `documents/{me}` the contract allows every level (`#`).
    uploads = UploadTopic.rule(site, device="%u").removesuffix("/+/+") + "/#"
    documents = DocumentTopic.rule(site, device="%u").removesuffix("/+/+") + "/#"
    return Access(
        publish=(
            PresenceTopic.rule(site, device="%u"),
            RequestTopic.rule(site, device="%u"),
            CommandTopic.rule(site, device="%u"),
            uploads,
        ),
        subscribe=(
            ControllerStatusTopic.rule(site),
            FlowTopic.rule(site),
            InboxTopic.rule(site, device="%u"),
            AssignmentTopic.rule(site, device="%u"),
            LobbyTopic.rule(site, device="%u"),
            StateTopic.rule(site, device="%u"),
            RejectionTopic.rule(site, device="%u"),
            documents,
        ),
    )


def controller_access(site: str) -> Access:
    """Return the rules of the controller's user, for an external broker."""
    written = (
        ControllerStatusTopic,
        FlowTopic,
        GrantTopic,
        InboxTopic,
        AssignmentTopic,
        LobbyTopic,
        StateTopic,
        RejectionTopic,
        DocumentTopic,
    )
    read = (ClaimTopic, PresenceTopic, RequestTopic, CommandTopic, UploadTopic)
    # The controller also clears the presence of a revoked device, and looks whether the status is
    # that of another controller.
    return Access(
        publish=tuple(topic.rule(site) for topic in (*written, PresenceTopic)),
        subscribe=tuple(topic.rule(site) for topic in (*read, ControllerStatusTopic)),
    )
