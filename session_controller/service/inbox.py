"""Messages from the broker: each is parsed once, here, into a typed value.

**What a PUBACK means** (MQTT 3.1.1, 4.3.2): the message is on disk, or it was refused for good and
that is on disk. `done` lets the PUBACK go. What could not be stored within
`Settings.commit_patience` is refused as `unavailable` and `give_back` is called instead: the PUBACK
is withheld and the connection ended, so that MQTT delivers the message again on the next one
(4.4.0-1). The rule is the same for the embedded broker and for any other.
"""

from dataclasses import dataclass

from schemas.topics import (
    ClaimTopic,
    CommandTopic,
    GrantTopic,
    InboxTopic,
    PresenceTopic,
    RejectionTopic,
    RequestTopic,
    Topic,
    UploadTopic,
    parse,
)
from schemas.wire.commands import Command
from schemas.wire.devices import PairingClaim, Presence
from schemas.wire.parse import Unreadable, read_claim, read_command, read_presence, read_request
from schemas.wire.rejections import Rejection, RejectionCode
from schemas.wire.requests import Request
from schemas.wire.staff import SignOut
from session_controller.transport.link import Message

_UNAVAILABLE = "This box cannot store anything just now. Nothing is lost: send it again later."


@dataclass(slots=True, eq=False)
class ReceivedCommand:
    """A command, or what was sent in its place."""

    topic: CommandTopic
    body: Command | Unreadable
    message: Message
    failing_since_s: float | None = None
    """When it first could not be stored, by the clock that does not jump; or None."""

    @property
    def sender(self) -> str:
        """The device that sent it."""
        return self.topic.device

    def rejection(self, message: str = _UNAVAILABLE) -> tuple[Topic, Rejection]:
        """Return where its sender hears that it is `unavailable`, and in which words."""
        rejection = Rejection(
            command_id=self.body.command_id,
            seq=self.body.seq,
            code=RejectionCode.UNAVAILABLE,
            message=message,
        )
        return RejectionTopic(self.topic.session, self.topic.device), rejection


@dataclass(slots=True, eq=False)
class ReceivedRequest:
    """A request, or what was sent in its place."""

    topic: RequestTopic
    body: Request | Unreadable
    message: Message
    failing_since_s: float | None = None
    in_turn: bool = False
    """Whether it has waited for its turn to try a code out."""

    @property
    def sender(self) -> str:
        """The device that sent it."""
        return self.topic.device

    def rejection(self, message: str = _UNAVAILABLE) -> tuple[Topic, Rejection]:
        """Return where its sender hears that it is `unavailable`, and in which words."""
        code, request_id = RejectionCode.UNAVAILABLE, self.body.request_id
        return (
            InboxTopic(self.topic.device),
            Rejection(request_id=request_id, code=code, message=message),
        )


@dataclass(slots=True, eq=False)
class ReceivedClaim:
    """A pairing claim, or what was sent in its place."""

    topic: ClaimTopic
    body: PairingClaim | Unreadable
    message: Message
    failing_since_s: float | None = None
    in_turn: bool = False
    """Whether it has waited for its turn to try a code out."""

    @property
    def sender(self) -> str:
        """The client id of the connection that sent it."""
        return self.topic.client_id

    def rejection(self, message: str = _UNAVAILABLE) -> tuple[Topic, Rejection]:
        """Return where its sender hears that it is `unavailable`, and in which words."""
        code = RejectionCode.UNAVAILABLE
        return GrantTopic(self.topic.client_id), Rejection(code=code, message=message)


@dataclass(slots=True, eq=False)
class ReceivedChunk:
    """Bytes of a document."""

    topic: UploadTopic
    body: bytes
    message: Message
    failing_since_s: float | None = None
    early_since_s: float | None = None
    """When it first came before the bytes that it continues, by the same clock; or None."""

    @property
    def sender(self) -> str:
        """The device that sent it."""
        return self.topic.device

    def rejection(self, message: str = _UNAVAILABLE) -> tuple[Topic, Rejection]:
        """Return where its sender hears that it is `unavailable`, and in which words."""
        code = RejectionCode.UNAVAILABLE
        topic = RejectionTopic(self.topic.session, self.topic.device)
        return topic, Rejection(code=code, message=message)


@dataclass(slots=True, eq=False)
class ReceivedPresence:
    """A device's presence; None where it was cleared."""

    topic: PresenceTopic
    body: Presence | Unreadable | None
    message: Message
    failing_since_s: float | None = None

    @property
    def sender(self) -> str:
        """The device that sent it, or whose will it is."""
        return self.topic.device

    def rejection(self, _: str = "") -> None:
        """Return None: a presence is answered by nothing."""


Received = ReceivedCommand | ReceivedRequest | ReceivedClaim | ReceivedChunk | ReceivedPresence


def receive(site: str, message: Message) -> Received | None:
    """Parse a message; None if it is not of the contract, or was retained and is not a presence.

    Only presence is retained by the contract; anything else that was would be done again at each
    start.
    """
    topic, payload = parse(site, message.topic), message.payload
    if message.retained and not isinstance(topic, PresenceTopic):
        return None
    received: Received | None = None
    match topic:
        case CommandTopic():
            received = ReceivedCommand(topic, read_command(payload), message)
        case RequestTopic():
            received = ReceivedRequest(topic, read_request(payload), message)
        case UploadTopic():
            received = ReceivedChunk(topic, payload, message)
        case PresenceTopic():
            body = read_presence(payload) if payload else None
            received = ReceivedPresence(topic, body, message)
        case ClaimTopic():
            received = ReceivedClaim(topic, read_claim(payload), message)
    return received


def sign_out_of(received: object) -> tuple[ReceivedRequest, SignOut] | None:
    """Return a request to sign out, which must not wait for the disk; None for all else."""
    if isinstance(received, ReceivedRequest) and isinstance(received.body, SignOut):
        return received, received.body
    return None
