"""Configuration of the destinations of completed sessions: a FHIR server, a folder, a topic.

It contains no secrets: a destination names the files with its keys, tokens and passwords.
"""

from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import DEFERRED, Identifier, Versioned, Wire, absent

FileName = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]+$")]
"""A path on the box; a relative one is relative to the data folder."""
OptionalFile = Annotated[FileName | None, Field(exclude_if=absent)]
OptionalText = Annotated[str | None, Field(max_length=1024, exclude_if=absent)]
FileFormat = Literal["fhir", "json", "csv", "pdf"]


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, reached without a network."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_safe(url: str, base: str, *, plain: bool = False) -> bool:
    """Return whether a secret may be sent to a URL that the server of `base` names.

    The URL is encrypted, or on this machine if the base is, or `plain` allows it not to be. It has
    no user, and no character that another parser could read differently (RFC 3986, 3.2).
    """
    try:
        parts, own = urlsplit(url), urlsplit(base)
    except ValueError:
        return False
    strange = not url.isascii() or not url.isprintable() or " " in url or "\\" in url
    if strange or not parts.hostname or "@" in parts.netloc:
        return False
    if parts.scheme == "http":
        local = own.scheme == "http" and is_loopback(own.hostname or "")
        return plain or (local and is_loopback(parts.hostname))
    return parts.scheme == "https"


def _port(parts: SplitResult) -> None:
    with suppress(ValueError):
        if parts.port != 0:
            return
    raise ValueError("must have a port from 1 to 65535, or none")


def _broker_address(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("must be an address such as mqtts://host:8883")
    _port(parts)
    return url


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as https://host/path")
    _port(parts)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not contain a password, query or fragment")
    return url.rstrip("/")


WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]


def _bare_topic(topic: str) -> str:
    if any(sign in topic for sign in "+#\x00") or topic.startswith("$"):
        raise ValueError("must not contain wildcards or begin with $ (MQTT 3.1.1, 4.7)")
    if set(_placeholders(topic)) - {"site", "session"}:
        raise ValueError("may contain the placeholders {site} and {session} only")
    return topic


def _placeholders(topic: str) -> list[str]:
    return [part.partition("}")[0] for part in topic.split("{")[1:]]


Topic = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_bare_topic)]


class StaticToken(Wire, extra="forbid"):
    """A bearer token that is renewed elsewhere (RFC 6750)."""

    by: Literal["token"] = "token"
    token_file: FileName


class ClientCredentials(Wire, extra="forbid"):
    """OAuth 2 client credentials with a signed assertion (SMART Backend Services; RFC 7523)."""

    by: Literal["client-credentials"] = "client-credentials"
    client_id: Annotated[str, Field(min_length=1, max_length=1024)]
    key_file: FileName
    """The private key, as PEM or as a JWK."""
    key_id: OptionalText = None
    """The public key's `kid` at the server; a JWK may contain it."""
    algorithm: Literal["ES384", "RS384"] = "ES384"
    token_url: Annotated[WebAddress | None, Field(exclude_if=absent)] = None
    """None: taken from the server's `.well-known/smart-configuration`."""
    scope: Annotated[str, Field(max_length=2048)] = "system/*.cruds"


Auth = Annotated[StaticToken | ClientCredentials, Field(discriminator="by")]


class _Named(Wire, extra="forbid"):
    name: Identifier


NOT_ENCRYPTED = "not_encrypted"
"""The type of the validation error for an unencrypted address."""


def _not_encrypted(url: str, protocol: str) -> PydanticCustomError:
    return PydanticCustomError(
        NOT_ENCRYPTED,
        "{url} is not encrypted; use {protocol}s, or set allow_plain_{protocol}",
        {"url": url, "protocol": protocol},
    )


class FhirDestination(_Named):
    """A FHIR R4 server."""

    kind: Literal["fhir"] = "fhir"
    url: WebAddress
    """The server's base URL: `[base]` (FHIR R4, 3.1.0.1.2)."""
    auth: Annotated[Auth | None, Field(exclude_if=absent)] = None
    ca_file: OptionalFile = None
    """CA certificates for its certificate, if this machine does not trust the CA."""
    transactions: Literal["auto", "always", "never"] = "auto"
    """Whether a session is sent as one transaction or as single resources."""
    allow_plain_http: bool = False
    """Patient data crosses the network unencrypted; for fully trusted networks only."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        token_url = self.auth.token_url if isinstance(self.auth, ClientCredentials) else None
        for url in filter(None, (self.url, token_url)):
            parts = urlsplit(url)
            if parts.scheme == "https" or is_loopback(parts.hostname or ""):
                continue
            if not self.allow_plain_http:
                raise _not_encrypted(url, "http")
        return self


class FolderDestination(_Named):
    """A folder on this machine, or mounted from another."""

    kind: Literal["folder"] = "folder"
    folder: FileName
    """It must exist, so that nothing is written locally if a mount is missing."""
    format: FileFormat = "fhir"


class MqttDestination(_Named):
    """A topic of a central broker; QoS 1."""

    kind: Literal["mqtt"] = "mqtt"
    url: Annotated[
        str,
        Field(max_length=2048, pattern=r"^mqtts?://[^/?#@\s]+$"),
        AfterValidator(_broker_address),
    ]
    """`mqtts://host:8883`, or `mqtt://` for an unencrypted connection."""
    topic: Topic
    """May contain `{site}` and `{session}`."""
    username: OptionalText = None
    password_file: OptionalFile = None
    ca_file: OptionalFile = None
    format: FileFormat = "fhir"
    allow_plain_mqtt: bool = False
    """Patient data crosses the network unencrypted; for fully trusted networks only."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        parts = urlsplit(self.url)
        plain = parts.scheme == "mqtt" and not is_loopback(parts.hostname or "")
        if plain and not self.allow_plain_mqtt:
            raise _not_encrypted(self.url, "mqtt")
        return self


Destination = Annotated[
    FhirDestination | FolderDestination | MqttDestination, Field(discriminator="kind")
]


def files_of(destination: Destination) -> tuple[str, ...]:
    """Return the files that a destination names: keys, tokens, passwords, certificates."""
    holders = (destination, getattr(destination, "auth", None))
    names = (getattr(holder, field, None) for holder in holders for field in FILE_FIELDS)
    return tuple(name for name in names if name is not None)


def format_of(destination: Destination) -> FileFormat:
    """Return the format that a destination gets its sessions in."""
    return "fhir" if isinstance(destination, FhirDestination) else destination.format


FILE_FIELDS = ("key_file", "token_file", "password_file", "ca_file")
"""The fields of a destination, or of its `auth`, that name a file."""


class Destinations(Versioned, extra="forbid"):
    """All destinations: the content of `delivery.json`."""

    destinations: tuple[Destination, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [each.name for each in self.destinations]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two destinations have the name {twice[0]!r}")
        return self

    def named(self, name: str) -> Destination | None:
        """Return a destination by name, or None if absent."""
        return next((each for each in self.destinations if each.name == name), None)


DESTINATION: TypeAdapter[Destination] = TypeAdapter(Destination, config=DEFERRED)
"""Parses any destination."""
