"""What a client tells its listeners, beside the views and payloads of the wire."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Connectivity:
    """Whether the connection stands."""

    online: bool


@dataclass(frozen=True, slots=True)
class Departed:
    """This device's view of a session was cleared: it is out of it, or the session is deleted."""

    session: str


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """Bytes of a document that this device asked to see."""

    session: str
    upload: str
    offset: int
    data: bytes = field(repr=False)
