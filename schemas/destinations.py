"""Where completed sessions are delivered to, as it is configured: a FHIR server, a folder, a topic.

No secret stands here: a destination names the files that hold its keys, tokens and passwords.
"""

from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from schemas.base import Identifier, Versioned, Wire, absent

FileName = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]+$")]
"""A path on the box; a relative one starts at the data folder."""
OptionalFile = Annotated[FileName | None, Field(exclude_if=absent)]
OptionalText = Annotated[str | None, Field(max_length=1024, exclude_if=absent)]
FileFormat = Literal["fhir", "json", "csv", "pdf"]


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: what is said to it crosses no network."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address reads https://host/path")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an address holds no password, no query and no fragment")
    return url.rstrip("/")


WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]


def _bare_topic(topic: str) -> str:
    if any(sign in topic for sign in "+#\x00") or topic.startswith("$"):
        raise ValueError("a topic to publish on has no wildcard (MQTT 3.1.1, 4.7.1)")
    if set(_placeholders(topic)) - {"site", "session"}:
        raise ValueError("a topic may hold {site} and {session}, and no other braces")
    return topic


def _placeholders(topic: str) -> list[str]:
    return [part.partition("}")[0] for part in topic.split("{")[1:]]


Topic = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_bare_topic)]


class StaticToken(Wire, extra="forbid"):
    """A bearer token that somebody else keeps valid (RFC 6750)."""

    by: Literal["token"] = "token"
    token_file: FileName


class ClientCredentials(Wire, extra="forbid"):
    """OAuth 2 client credentials with a signed assertion (SMART Backend Services; RFC 7523)."""

    by: Literal["client-credentials"] = "client-credentials"
    client_id: Annotated[str, Field(min_length=1, max_length=1024)]
    key_file: FileName
    """The private key, as PEM or as a JWK."""
    key_id: OptionalText = None
    """The `kid` under which the server knows the public key; a JWK may name it itself."""
    algorithm: Literal["ES384", "RS384"] = "ES384"
    token_url: Annotated[WebAddress | None, Field(exclude_if=absent)] = None
    """None: as `.well-known/smart-configuration` of the server says."""
    scope: Annotated[str, Field(max_length=2048)] = "system/*.cruds"


Auth = Annotated[StaticToken | ClientCredentials, Field(discriminator="by")]


class _Named(Wire, extra="forbid"):
    name: Identifier


class FhirDestination(_Named):
    """A FHIR R4 server."""

    kind: Literal["fhir"] = "fhir"
    url: WebAddress
    """Its base address: `[base]` (FHIR R4, 3.1.0.1.2)."""
    auth: Annotated[Auth | None, Field(exclude_if=absent)] = None
    ca_file: OptionalFile = None
    """Who signs its certificate, where that is nobody whom this machine trusts."""
    transactions: Literal["auto", "always", "never"] = "auto"
    """Whether a session goes as one transaction, or its resources one by one."""
    allow_plain_http: bool = False
    """Patient data crosses the network readable: for a network that is trusted whole."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        token_url = self.auth.token_url if isinstance(self.auth, ClientCredentials) else None
        for url in filter(None, (self.url, token_url)):
            parts = urlsplit(url)
            if parts.scheme == "https" or is_loopback(parts.hostname or ""):
                continue
            if not self.allow_plain_http:
                raise ValueError(f"{url} is not encrypted; use https, or allow plain http")
        return self


class FolderDestination(_Named):
    """A folder on this machine, or one that is mounted from another."""

    kind: Literal["folder"] = "folder"
    folder: FileName
    """It has to be there: where a mount is missing, nothing is written beside it."""
    format: FileFormat = "fhir"


class MqttDestination(_Named):
    """A topic of a central broker; QoS 1."""

    kind: Literal["mqtt"] = "mqtt"
    url: Annotated[str, Field(max_length=2048, pattern=r"^mqtts?://[^/?#@\s]+$")]
    """`mqtts://host:8883`, or `mqtt://` for a broker that is reached unencrypted."""
    topic: Topic
    """May hold `{site}` and `{session}`."""
    username: OptionalText = None
    password_file: OptionalFile = None
    ca_file: OptionalFile = None
    format: FileFormat = "fhir"
    allow_plain_mqtt: bool = False
    """Patient data crosses the network readable: for a network that is trusted whole."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        parts = urlsplit(self.url)
        plain = parts.scheme == "mqtt" and not is_loopback(parts.hostname or "")
        if plain and not self.allow_plain_mqtt:
            raise ValueError(f"{self.url} is not encrypted; use mqtts, or allow plain mqtt")
        return self


Destination = Annotated[
    FhirDestination | FolderDestination | MqttDestination, Field(discriminator="kind")
]


class Destinations(Versioned, extra="forbid"):
    """All of them: the content of `delivery.json`."""

    destinations: tuple[Destination, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [each.name for each in self.destinations]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two destinations are called {twice[0]!r}")
        return self

    def named(self, name: str) -> Destination | None:
        """Find one."""
        return next((each for each in self.destinations if each.name == name), None)


DESTINATION: TypeAdapter[Destination] = TypeAdapter(Destination)
"""Reads any destination."""
