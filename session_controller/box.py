"""The box: broker, controller and store in one process, put together and taken apart in order.

The embedded broker is handed in by who starts the program: the controller does not know it.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, Self

from schemas.access import Access, access_rules, controller_user
from session_controller.admin import add_examples
from session_controller.admins import enrol_admins, load_admins
from session_controller.backups import BackupPlan, Backups
from session_controller.errors import KeyringError
from session_controller.files import write_private
from session_controller.gate import role_of
from session_controller.link import InProcessLink, Link, LocalClient
from session_controller.presence import Departure
from session_controller.reaching import BOX_FILE
from session_controller.service import Service
from session_controller.store import Store
from session_controller.world import Settings

_log = logging.getLogger(__name__)


class EmbeddedBroker(Protocol):
    """What the box needs of a broker in its own process."""

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Where `mqtt`, `http` and, beside TLS, `local` are bound."""

    async def start(self) -> None:
        """Open the listeners."""

    async def stop(self) -> None:
        """Close them, gracefully."""

    def attach(self, client_id: str, user: str) -> LocalClient:
        """Give a client without a socket."""

    def revoke(self, user: str) -> None:
        """Close a user's connections."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the embedded broker shows of itself, in PEM, and whose screens alone may connect."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """What the embedded broker has to be: where it listens, who may connect, and do what."""

    mqtt: tuple[str, int]
    http: tuple[str, int] | None
    tls: TlsFiles | None
    """With it, both speak TLS alone, and `local` is a third address for the box's own commands."""
    role_of: Callable[[str, str | None, bytes | None], str | None]
    """From client id, user name and password to the role; None refuses."""
    access: Mapping[str, Access]
    site: str
    """What the web pages have to know before they can ask."""
    left: Callable[[str], None]
    """Hears the client id of each accepted connection that has ended, before its will."""


MakeBroker = Callable[[BrokerOrder], EmbeddedBroker]


@dataclass(frozen=True, slots=True)
class BoxSettings:
    """How a box is started. Loopback only, unless asked otherwise."""

    data: Path
    mqtt: tuple[str, int] = ("127.0.0.1", 1883)
    http: tuple[str, int] | None = ("127.0.0.1", 8080)
    broker_url: str | None = None
    session: Settings = field(default_factory=Settings)
    backups: BackupPlan = field(default_factory=BackupPlan)
    tls: TlsFiles | None = None
    deliver: bool = False
    """Whether completed sessions are delivered by themselves, or only when asked."""
    examples: Path | None = None
    """A folder of questionnaires that are added at the start."""


class Box:
    """`async with Box(settings, make_broker) as box:` serves until the block ends."""

    def __init__(self, settings: BoxSettings, make_broker: MakeBroker) -> None:
        self.settings = settings
        self._make_broker = make_broker
        self._store: Store | None = None
        self._broker: EmbeddedBroker | None = None
        self._service: Service | None = None
        self._backups: Backups | None = None
        self._backing_up: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start. Raises `StoreError` or `OSError`, each with a message for a person."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, in the order in which nothing is lost."""
        await self.stop()

    async def _start(self) -> None:
        data = self.settings.data
        self._store = Store(data)
        self._store.sweep()
        self._backups = Backups(self._store, data, self.settings.backups)
        self._tidy(self._backups)
        link = self._link()
        self._service = Service(
            self._store,
            link,
            settings=self.settings.session,
            version=version("handrail"),
            backups=self._backups,
            data=data,
            deliver=self.settings.deliver,
        )
        admins = load_admins(data)
        self._service.submit(lambda work: enrol_admins(work, admins))
        if (folder := self.settings.examples) is not None:
            self._service.submit(lambda work: add_examples(work, folder))
        await self._service.start()
        if self._broker is not None:
            await self._broker.start()
        write_private(data / BOX_FILE, json.dumps(self.where()).encode())
        self._backing_up = asyncio.create_task(self._backups.keep_taking())

    def _tidy(self, backups: Backups) -> None:
        """Complete what a kill cut short; a box serves too where that fails, and says so."""
        try:
            backups.tidy()
        except (OSError, sqlite3.Error, KeyringError) as error:
            _log.error("a purge may not have reached the backups: %s", error)

    def _link(self) -> Link:
        site = self.settings.session.site
        if self.settings.broker_url is not None:
            # Loaded here, with paho: most boxes have a broker of their own.
            from session_controller.mqtt_link import BrokerUrl, MqttLink  # noqa: PLC0415

            return MqttLink(BrokerUrl.parse(self.settings.broker_url), controller_user(site))
        self._broker = broker = self._make_broker(
            BrokerOrder(
                self.settings.mqtt,
                self.settings.http,
                self.settings.tls,
                self._role_of,
                access_rules(site),
                site,
                self._left,
            )
        )
        user = controller_user(site)
        return InProcessLink(broker.attach(user, user), broker.revoke)

    def _role_of(self, client_id: str, username: str | None, password: bytes | None) -> str | None:
        if self._service is None:
            return None
        return role_of(self._service.world, client_id, username, password)

    def _left(self, client_id: str) -> None:
        """Have it noted who is gone: not every client says so, nor has a will."""
        if self._service is not None:
            self._service.submit(Departure(client_id))

    async def stop(self) -> None:
        """Stop what was started; a second call does nothing."""
        service, broker, store = self._service, self._broker, self._store
        self._service = self._broker = self._store = None
        if self._backing_up is not None:
            self._backing_up.cancel()
        if service is not None:
            await service.stop()
        if self._backups is not None:
            await self._backups.stop()
        if broker is not None:
            await broker.stop()
        if store is not None:
            (self.settings.data / BOX_FILE).unlink(missing_ok=True)
            store.close()

    def where(self) -> dict[str, Any]:
        """Tell where this box is reached: `mqtt` from this machine, `mqtts` from all over TLS."""
        site = self.settings.session.site
        if self._broker is None:
            return {"site": site, "mqtt": self.settings.broker_url, "http": None}
        found, tls = self._broker.addresses, self.settings.tls is not None
        where = {
            "site": site,
            "mqtt": _url("mqtt", found["local" if tls else "mqtt"]),
            "http": _url("https" if tls else "http", found["http"]) if "http" in found else None,
        }
        return {**where, "mqtts": _url("mqtts", found["mqtt"])} if tls else where

    @property
    def counters(self) -> dict[str, int]:
        """Give what was counted since the start."""
        return dict(self._service.counters) if self._service else {}


def _url(scheme: str, address: tuple[str, int]) -> str:
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
