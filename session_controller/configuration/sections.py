"""The sections of the configuration: each key with its type, default, option and reason.

They are the only source of the options of `handrail serve`, of the commented file that `handrail
config create` writes, and of the table in docs/reference/configuration.md.

To add a key, add a field to its section. To add a section, write a dataclass here and a field for
it in `Sections`. Then run `python -m session_controller.configuration.page
docs/reference/configuration.md`. The file, the environment (`HANDRAIL_SECTION_KEY`), `config show`
and `config check` follow by themselves. A key that has an option needs a parameter of `serve` in
`cli.py` too; one that can change while a box runs is applied in `Box.apply`.

Nothing heavy is imported here: the help of the command line reads this module.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from session_controller.configuration.values import (
    Counts,
    HostPort,
    LogFormat,
    LogLevel,
    MailSecurity,
    button,
    claim_name,
    counts,
    host_port,
    issuer_address,
    mail_server,
    mqtt_address,
    networks,
    page_address,
    span,
    web_address,
    without_password,
    words,
)
from session_controller.settings import Settings

STRICT: dict[str, Any] = {"extra": "forbid"}
_HOST_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_HOST_LABEL}(\.{_HOST_LABEL})*")
_MAX_HOST = 253


@dataclass(frozen=True, slots=True)
class Parsed:
    """Makes pydantic read a value from a text with one of our parsers."""

    parse: Callable[[str], object]

    def __get_pydantic_core_schema__(self, _: Any, __: Any) -> Any:
        """Return a schema that accepts text, and what was parsed before."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only where a configuration is read

        return core_schema.no_info_plain_validator_function(self._read)

    def _read(self, value: object) -> object:
        if isinstance(value, str):
            return self.parse(value)
        if isinstance(value, HostPort | Counts | timedelta):
            return value
        raise ValueError("must be text in quotes")


@dataclass(frozen=True, slots=True)
class Key:
    """What is said of a key, besides its type and its default."""

    about: str
    """What it sets: the option's help, and the comment in the file."""
    why: str
    """Why the default is what it is."""
    option: str | None
    """The option of `serve` that sets it for one run."""
    unset: str | None
    """What holds without a value, if the default is none."""
    example: str | None
    """A value for the comment in the file, if the default is none."""
    live: bool
    """Whether a running box applies a change, at `systemctl reload` or SIGHUP."""
    hide: Callable[[str], str] | None
    """Returns what of a value may be shown; another text than the value, if it has a secret."""


def setting(
    default: Any,
    about: str,
    *,
    why: str = "",
    option: str | None = None,
    unset: str | None = None,
    example: str | None = None,
    live: bool = False,
    hide: Callable[[str], str] | None = None,
) -> Any:
    """Return a field of a section."""
    said = Key(about, why, option, unset, example, live, hide)
    return field(default=default, metadata={"said": said})


def host_name(text: str) -> str:
    """Parse a host name or an IP address. Raises `ValueError`."""
    from ipaddress import ip_address  # noqa: PLC0415 - seldom

    if len(text) <= _MAX_HOST and _HOST.fullmatch(text) and not text.replace(".", "").isdigit():
        return text.lower()
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a host name or an address, such as clinic.local or 192.168.1.5"
        ) from None


def site_name(text: str) -> str:
    """Parse a site's name. Raises `ValueError`."""
    from schemas.base import ID_LIMIT, is_identifier  # noqa: PLC0415 - they load pydantic

    if not is_identifier(text):
        raise ValueError(f"{text!r}: a site's name {ID_LIMIT}")
    return text


def broker_url(text: str) -> str:
    """Parse the URL of a broker. Raises `ValueError`, which does not repeat a password."""
    from session_controller.transport.mqtt import BrokerUrl  # noqa: PLC0415 - it loads paho

    BrokerUrl.parse(text)
    return text


@dataclass(frozen=True, slots=True)
class Site:
    """The clinic."""

    __pydantic_config__: ClassVar = STRICT

    name: Annotated[str | None, Parsed(site_name)] = setting(
        None,
        "The site's name in all topics and certificates; fixed at the first start.",
        option="--site",
        unset="main",
        example="main",
        why="one site needs no name",
    )
    host: Annotated[str | None, Parsed(host_name)] = setting(
        None,
        "The name or address by which screens reach the box, for links and QR codes.",
        option="--host",
        unset="from the certificate, or the address in `listen.http`",
        example="clinic.local",
        why="pages stay at a name when the address changes",
    )


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the box listens. Port 0 means any free port."""

    __pydantic_config__: ClassVar = STRICT

    mqtt: Annotated[HostPort, Parsed(host_port)] = setting(
        HostPort("127.0.0.1", 1883),
        "Listen here for MQTT.",
        option="--mqtt",
        why="nothing on the network can reach it before it has a certificate",
    )
    http: Annotated[HostPort, Parsed(host_port)] = setting(
        HostPort("127.0.0.1", 8080),
        "Listen here for HTTP: the web pages, and MQTT over WebSocket at /mqtt.",
        option="--http",
        why="as above",
    )
    http_redirect: Annotated[HostPort | None, Parsed(host_port)] = setting(
        None,
        "Listen here for plain HTTP and redirect it to HTTPS; serve /trust and the CA.",
        option="--http-redirect",
        unset="none",
        example="0.0.0.0:80",
        why="ports below 1024 need a permission",
    )
    proxies: Annotated[str | None, Parsed(networks)] = setting(
        None,
        "Believe what these reverse proxies say in X-Forwarded-For and X-Forwarded-Proto.",
        unset="none",
        example="127.0.0.1",
        why="anybody else could claim another address, or that nobody reads what passes",
    )


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS. Without a certificate here, the one that `handrail tls create` made is used."""

    __pydantic_config__: ClassVar = STRICT

    certificate: Path | None = setting(
        None,
        "Accept TLS only, with this certificate and chain (PEM); requires the key.",
        option="--tls-cert",
        unset="that of `handrail tls create`, or else no TLS",
        example="/etc/handrail/box.pem",
        why="the box renews its own by itself",
    )
    key: Path | None = setting(
        None,
        "The certificate's key (PEM, no password).",
        option="--tls-key",
        unset="none",
        example="/etc/handrail/box.key",
    )
    client_ca: Path | None = setting(
        None,
        "Accept only clients with a certificate signed by one of these CAs.",
        option="--tls-client-ca",
        unset="none",
        example="/etc/handrail/clients.pem",
        why="most tablets have no certificate",
    )
    off: bool = setting(
        False,
        "Listen without TLS, even where others on the network could read what passes.",
        option="--no-tls",
        why="true behind a proxy that ends TLS",
    )


@dataclass(frozen=True, slots=True)
class Mdns:
    """The name of the box on its network, as screens and `handrail find` look for it."""

    __pydantic_config__: ClassVar = STRICT

    off: bool = setting(
        False,
        "Do not announce the box's name and services on the network by mDNS.",
        option="--no-mdns",
        why="true where another server gives the box its name",
    )


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker of your own instead of the built-in one."""

    __pydantic_config__: ClassVar = STRICT

    url: Annotated[str | None, Parsed(broker_url)] = setting(
        None,
        "Use this broker instead of the built-in one: mqtts://user:password@host.",
        option="--broker",
        unset="the built-in broker",
        example="mqtts://broker.example",
        why="nothing to set up",
        hide=without_password,
    )


_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Sessions:
    """How long a session waits for people, and what they get at its end."""

    __pydantic_config__: ClassVar = STRICT

    idle_limit: Annotated[timedelta, Parsed(span)] = setting(
        _DEFAULTS.idle_limit,
        "Expire sessions idle for this long.",
        option="--idle-limit",
        why="longer than a visit, shorter than a day",
        live=True,
    )
    screen_lock: Annotated[timedelta, Parsed(span)] = setting(
        _DEFAULTS.screen_lock,
        "Lock patient screens at which nobody answers for this long.",
        option="--screen-lock",
        why="the next person sees nothing of the last",
        live=True,
    )
    staff_log_off: Annotated[timedelta, Parsed(span)] = setting(
        _DEFAULTS.staff_log_off,
        "Sign a person out at a front-desk screen after no act for this long; 0s: never.",
        option="--staff-log-off",
        why="longer than a patient takes for a step; the next person sees nothing",
        live=True,
    )
    patient_copies: bool = setting(
        _DEFAULTS.patient_copies,
        "Offer patients a copy of their completed record, as PDF on their own phone.",
        why="a patient who signed something is given a copy of it",
        live=True,
    )


@dataclass(frozen=True, slots=True)
class Retention:
    """How long sessions are kept after their end. 0s: for good."""

    __pydantic_config__: ClassVar = STRICT

    completed: Annotated[timedelta, Parsed(span)] = setting(
        _DEFAULTS.purge_completed,
        "Purge completed sessions this long after they were delivered everywhere, and expired "
        "ones this long after their end; 0s: never.",
        option="--purge-completed",
        why="the record that counts is where it was delivered; a day to look again",
        live=True,
    )
    cancelled: Annotated[timedelta, Parsed(span)] = setting(
        _DEFAULTS.purge_cancelled,
        "Purge cancelled sessions this long after their end; 0s: never.",
        option="--purge-cancelled",
        why="nobody needs it; time for a mistake",
        live=True,
    )


@dataclass(frozen=True, slots=True)
class Backup:
    """Backups in the data folder, and copies of them."""

    __pydantic_config__: ClassVar = STRICT

    every: Annotated[timedelta, Parsed(span)] = setting(
        timedelta(hours=6),
        "Back up to the data folder at this interval; 0s: never.",
        option="--backup-every",
        why="at most six hours are lost",
        live=True,
    )
    keep: Annotated[Counts, Parsed(counts)] = setting(
        Counts(4, 7, 4, 12),
        "Keep the last backups, and the newest of so many days, weeks and months.",
        option="--keep-backups",
        why="yesterday for a mistake, last month for one that nobody noticed",
        live=True,
    )
    to: Path | None = setting(
        None,
        "Copy backups to this folder, which `backup --to FOLDER` prepares.",
        option="--backup-to",
        unset="none",
        example="/mnt/backup/handrail",
        why="a box does not know your shares",
    )
    to_every: Annotated[timedelta, Parsed(span)] = setting(
        timedelta(0),
        "Copy to the folder at most this often; 0s: each backup.",
        option="--backup-to-every",
        why="as safe as the backups here",
    )


@dataclass(frozen=True, slots=True)
class Log:
    """The log, on standard error or in the journal."""

    __pydantic_config__: ClassVar = STRICT

    level: LogLevel = setting(
        LogLevel.INFO,
        "Log lines of this level and above, to standard error.",
        option="--log-level",
        why="a line for each session, device and act of IT",
        live=True,
    )
    format: LogFormat = setting(
        LogFormat.TEXT,
        "Write log lines for people, or as JSON objects.",
        option="--log-format",
        live=True,
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """Who may read /metrics."""

    __pydantic_config__: ClassVar = STRICT

    token_file: Path | None = setting(
        None,
        "Show /metrics to clients that send the token in this file, on any machine.",
        option="--metrics-token-file",
        unset="none: this machine only",
        example="/etc/handrail/metrics.token",
        why="nothing about a clinic is open to its network",
    )


@dataclass(frozen=True, slots=True)
class Alerts:
    """Who is told when something is wrong, or no longer is."""

    __pydantic_config__: ClassVar = STRICT

    email_to: str | None = setting(
        None,
        "Send alerts to these addresses, separated by commas; requires a sender and a server.",
        unset="no e-mail",
        example="it@clinic.example",
        why="nobody is told without being named",
    )
    email_from: str | None = setting(
        None, "The sender of the e-mail.", unset="none", example="handrail@clinic.example"
    )
    email_server: Annotated[str | None, Parsed(mail_server)] = setting(
        None,
        "The mail server: a name, with a port if it is not the usual one.",
        unset="none",
        example="mail.clinic.example:587",
    )
    email_security: MailSecurity = setting(
        MailSecurity.STARTTLS,
        "How the connection to the mail server is encrypted: starttls, tls or none.",
        why="what most mail servers offer to programs",
    )
    email_username: str | None = setting(
        None, "The user at the mail server.", unset="no login", example="handrail"
    )
    email_password_file: Path | None = setting(
        None, "A file with the password.", unset="none", example="/etc/handrail/mail.password"
    )
    webhook_url: Annotated[str | None, Parsed(web_address)] = setting(
        None,
        "Post alerts to this address, as JSON.",
        unset="no webhook",
        example="https://monitor.example/hooks/handrail",
        hide=lambda _: "set",
    )
    webhook_token_file: Path | None = setting(
        None,
        "A file with a token that is sent as Authorization: Bearer.",
        unset="none",
        example="/etc/handrail/webhook.token",
    )
    mqtt_url: Annotated[str | None, Parsed(mqtt_address)] = setting(
        None,
        "Publish alerts at this broker.",
        unset="no MQTT",
        example="mqtts://broker.clinic.example",
    )
    mqtt_topic: str = setting(
        "handrail/alerts", "The first levels of the topic; the site and the check follow."
    )
    mqtt_username: str | None = setting(
        None, "The user at this broker.", unset="none", example="handrail"
    )
    mqtt_password_file: Path | None = setting(
        None, "A file with the password.", unset="none", example="/etc/handrail/mqtt.password"
    )
    ca_file: Path | None = setting(
        None,
        "CA certificates for the servers above, if this machine does not trust them.",
        unset="those of this machine",
        example="/etc/handrail/clinic-ca.pem",
    )
    remind_after: Annotated[timedelta, Parsed(span)] = setting(
        timedelta(hours=24), "Tell again what still lasts after this time.", why="once a day"
    )


@dataclass(frozen=True, slots=True)
class Oidc:
    """An OpenID Connect provider with which staff sign in at front-desk screens, beside the PIN."""

    __pydantic_config__: ClassVar = STRICT

    issuer: Annotated[str | None, Parsed(issuer_address)] = setting(
        None,
        "The provider's issuer, to the letter as its discovery document has it.",
        unset="none: staff sign in with a PIN only",
        example="https://login.clinic.example/realms/staff",
        why="a box works without the internet",
    )
    client_id: str | None = setting(
        None,
        "The id of this box as the provider's client.",
        unset="none",
        example="handrail",
    )
    client_secret_file: Path | None = setting(
        None,
        "A file with the client's secret.",
        unset="none: a public client, which PKCE protects",
        example="/etc/handrail/oidc.secret",
    )
    name: Annotated[str, Parsed(button)] = setting(
        "your account", "What the button says after *Sign in with*.", why="short and always true"
    )
    claim: Annotated[str, Parsed(claim_name)] = setting(
        "sub",
        "The claim of the ID token that identifies a person; email counts only if it is verified.",
        why="the only one that every provider keeps with its account",
    )
    scopes: Annotated[str | None, Parsed(words)] = setting(
        None,
        "More scopes to ask for, separated by spaces, if the claim needs them.",
        unset="openid, and email if the claim is email",
        example="profile",
        why="the box needs to know nothing else of a person",
    )
    page: Annotated[str | None, Parsed(page_address)] = setting(
        None,
        "The address of the front-desk page, as registered at the provider: the redirect URI.",
        unset="/facility under the box's own name",
        example="https://clinic.local/facility",
        why="set it behind a proxy, or with a broker of your own",
    )
    ca_file: Path | None = setting(
        None,
        "CA certificates for the provider, if this machine does not trust it.",
        unset="those of this machine",
        example="/etc/handrail/clinic-ca.pem",
    )
    reauthenticate: bool = setting(
        True,
        "Require that the provider asks for the password at each sign-in, and says so.",
        why="with false, the next person at a shared screen is signed in as the last one",
    )


@dataclass(frozen=True, slots=True)
class Sections:
    """The whole configuration, in the order of the file."""

    site: Site = field(default_factory=Site)
    listen: Listen = field(default_factory=Listen)
    tls: Tls = field(default_factory=Tls)
    mdns: Mdns = field(default_factory=Mdns)
    broker: Broker = field(default_factory=Broker)
    sessions: Sessions = field(default_factory=Sessions)
    retention: Retention = field(default_factory=Retention)
    backup: Backup = field(default_factory=Backup)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    alerts: Alerts = field(default_factory=Alerts)
    oidc: Oidc = field(default_factory=Oidc)


@dataclass(frozen=True, slots=True)
class Known:
    """A key that there is, and where."""

    section: str
    name: str
    type: Any
    default: Any
    said: Key

    @property
    def path(self) -> str:
        """The key as a dotted name: `listen.mqtt`."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"HANDRAIL_{self.section}_{self.name}".upper()

    @property
    def parameter(self) -> str:
        """The parameter of `serve` that sets it, or an empty string."""
        return (self.said.option or "").removeprefix("--").replace("-", "_")


def sections() -> Iterator[tuple[str, Any]]:
    """Yield each section's name and type."""
    for one in fields(Sections):
        yield one.name, one.type


def known() -> Iterator[Known]:
    """Yield all keys, in the order of the file."""
    for section, kind in sections():
        for one in fields(kind):
            yield Known(section, one.name, one.type, one.default, one.metadata["said"])


def by_option() -> dict[str, Known]:
    """Return the keys that `serve` has an option for, by the option."""
    return {one.said.option: one for one in known() if one.said.option}
