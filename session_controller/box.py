"""The box: broker, controller and store in one process, started and stopped in order.

The program passes in the embedded broker: the controller does not import it.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit

from schemas.access import Access, access_rules, controller_user
from schemas.wire.parse import build_readers
from session_controller.backup.backups import BackupPlan, Backups
from session_controller.backup.off_box import Copies, CopyPlan
from session_controller.data_folder import BOX_FILE
from session_controller.discovery.announcement import (
    Announcement,
    announced,
    is_loopback,
    name_of,
)
from session_controller.discovery.whereabouts import Whereabouts
from session_controller.errors import CertificateError, KeyringError
from session_controller.openid.settings import OpenId, OpenIdSettings
from session_controller.preflight.start_options import StartOptions
from session_controller.security.files import write_private
from session_controller.security.own_tls import OwnTls
from session_controller.security.tls_files import TlsFiles
from session_controller.service.authentication import role_of
from session_controller.service.handlers.admins import enrol_admins, load_admins
from session_controller.service.handlers.flows import add_examples
from session_controller.service.handlers.presence import Departure
from session_controller.service.jobs.certificate import CertificateJob
from session_controller.service.jobs.status import Level, Surroundings
from session_controller.service.log_line import LogLine
from session_controller.service.monitoring.alert_channels import AlertSettings
from session_controller.service.monitoring.checks import PeriodicChecks
from session_controller.service.monitoring.monitor import BrokerProbe
from session_controller.service.monitoring.watch import unclean_stop
from session_controller.service.service import Service, box_clock
from session_controller.service.unit_of_work import Departed
from session_controller.settings import Settings
from session_controller.storage.ballast import drop_if_full, keep_ballast
from session_controller.storage.site import remember
from session_controller.storage.store import Store
from session_controller.transport.link import Heard, InProcessLink, Link, LocalClient

if TYPE_CHECKING:
    from session_controller.discovery.announcer import Announcer

_log = logging.getLogger(__name__)
_BALLAST_EVERY_S = 600.0


class EmbeddedBroker(Protocol):
    """What the box needs from a broker in its own process."""

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """The addresses of `mqtt`, `http` and, with TLS, `local`."""

    @property
    def levels(self) -> Sequence[Level]:
        """How near it is to its limits."""

    @property
    def counters(self) -> Mapping[str, int]:
        """A snapshot of its counters."""

    def address_of(self, client_id: str) -> str | None:
        """Return the IP address that a client is connected from, or None."""

    async def start(self) -> None:
        """Open the listeners."""

    async def stop(self) -> None:
        """Close the listeners gracefully."""

    def attach(self, client_id: str, user: str) -> LocalClient:
        """Return a client without a socket."""

    def revoke(self, user: str) -> None:
        """Close a user's connections."""

    def reload_certificates(self) -> str | None:
        """Use the certificate files as they are now; return which is unusable and why, or None."""

    def last_heard(self, client_id: str) -> Heard | None:
        """Return from where and when a client was last heard, or None if it is away."""


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """The configuration of the embedded broker: addresses, authentication and access rules."""

    mqtt: tuple[str, int]
    http: tuple[str, int] | None
    tls: TlsFiles | None
    """If set, `mqtt` and `http` use TLS only, and `local` is a third address for local commands."""
    redirect: tuple[str, int] | None
    """Where plain HTTP is referred to `http`."""
    ca: Path | None
    """The certificate of the box's own CA, if it has signed the one in `tls`."""
    trust_page: str | None
    """The address of the page that explains how to trust this CA."""
    role_of: Callable[[str, str | None, bytes | None], str | None]
    """Returns the role for a client id, user name and password, or None to refuse access."""
    access: Mapping[str, Access]
    site: str
    """The site, which web pages need before they can send requests."""
    left: Callable[[str, str, str], None]
    """Called when an accepted connection has ended, before its will: client id, address, reason."""
    failing: Callable[[], Mapping[str, str]]
    """Returns the checks of `/readyz` that fail, by name, each with a sentence."""
    metrics: Callable[[], Awaitable[str]]
    """Returns the metrics in the text format of Prometheus."""
    answers_to: Callable[[str], bool]
    """Returns whether a host name, in lower case, is one of the box (DNS rebinding)."""
    proxies: tuple[str, ...]
    """Addresses and networks of reverse proxies that are trusted."""
    take_copy: Callable[[str], Awaitable[bytes | str | None]]
    """Returns the PDF of a link for a patient by its token; a sentence if it cannot be made; None
    if no link works so."""


MakeBroker = Callable[[BrokerOrder], EmbeddedBroker]


@dataclass(frozen=True, slots=True)
class BoxSettings:
    """How a box is started; loopback only by default."""

    data: Path
    mqtt: tuple[str, int] = ("127.0.0.1", 1883)
    http: tuple[str, int] | None = ("127.0.0.1", 8080)
    broker_url: str | None = None
    session: Settings = field(default_factory=Settings)
    backups: BackupPlan = field(default_factory=BackupPlan)
    tls: TlsFiles | None = None
    redirect: tuple[str, int] | None = None
    """Where to listen for plain HTTP, to refer it to `http`; only with TLS."""
    host: str | None = None
    """The name or address by which screens reach the box, if it is known."""
    copies: CopyPlan | None = None
    """Where backups are copied to by itself; None: nowhere."""
    alerts: AlertSettings = field(default_factory=AlertSettings)
    """Who is told what is wrong; nobody by default."""
    openid: OpenIdSettings | None = None
    """The OpenID Connect provider with which staff can sign in; None: with a PIN only."""
    deliver: bool = False
    """Whether it serves screens: completed sessions are then delivered automatically, and the box
    checks itself. A temporary box does so only on request.
    """
    examples: Path | None = None
    """A folder of questionnaires to add at the start."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of reverse proxies, whose word of a client is believed."""
    start: StartOptions = field(default_factory=lambda: StartOptions({}))
    """The same as checks know it."""
    mdns: bool = False
    """Whether the box announces itself on the networks on which it listens."""

    @property
    def serves_phones(self) -> bool:
        """Whether it serves pages to a patient's phone, which has no certificate of the clinic."""
        needs_certificate = self.tls is not None and self.tls.client_ca is not None
        return self.http is not None and self.broker_url is None and not needs_certificate


class Box:
    """A box that serves within `async with Box(settings, make_broker) as box:`."""

    def __init__(self, settings: BoxSettings, make_broker: MakeBroker) -> None:
        self.settings = settings
        self._make_broker = make_broker
        self._store: Store | None = None
        self._broker: EmbeddedBroker | None = None
        self._service: Service | None = None
        self._backups: Backups | None = None
        self._copies = Copies(settings.data, settings.copies)
        self._certificate: CertificateJob | None = None
        self._announcer: Announcer | None = None
        self._own = OwnTls(settings.data)
        self._checks = PeriodicChecks(settings.data, settings.start, box_clock)
        self._whereabouts = self._addresses(settings.tls)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start. Raises `StoreError` or `OSError`, each with a message for a person."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, in an order that loses nothing."""
        await self.stop()

    async def _start(self) -> None:
        data = self.settings.data
        if drop_if_full(data):
            _log.error("the disk is full; the space that was kept for this is used: make room")
        self._store = Store(data)
        self._store.sweep()
        self._backups = Backups(self._store, data, self.settings.backups)
        self._tidy(self._backups)
        if (tls := self.settings.tls) is not None:
            self._certificate = self._certificate_job(tls)
            self._certificate.prepare()
        link, openid = self._link(), self.settings.openid
        self._service = Service(
            self._store,
            link,
            settings=self.settings.session,
            version=version("handrail"),
            backups=self._backups,
            data=data,
            deliver=self.settings.deliver,
            surroundings=self._surroundings,
            findings=lambda: self._checks.findings,
            alerts=self.settings.alerts,
            openid=None if openid is None else OpenId(openid, self._pages),
            broker=self._probe(),
            serves_phones=self.settings.serves_phones,
        )
        admins = load_admins(data)
        self._service.submit(lambda work: enrol_admins(work, admins))
        if (folder := self.settings.examples) is not None:
            self._service.submit(lambda work: add_examples(work, folder))
        if self.settings.deliver and (data / BOX_FILE).exists():
            self._service.watch.note(unclean_stop())
        await self._service.start()
        if self._broker is not None:
            await self._broker.start()
            self._announce(self._broker)
        self._write_where()
        self._tasks.append(asyncio.create_task(self._backups.keep_taking()))
        self._tasks.append(asyncio.create_task(self._copies.keep_copying()))
        if self.settings.deliver:  # not of a box that one command starts for itself
            self._tasks.append(asyncio.create_task(self._checks.keep()))
            self._tasks.append(asyncio.create_task(self._keep_ballast()))
            self._tasks.append(asyncio.create_task(asyncio.to_thread(build_readers)))
        if self._certificate is not None and self._broker is not None:
            reload = self._broker.reload_certificates
            self._tasks.append(asyncio.create_task(self._certificate.keep(reload)))
        self._log_start(self._service.registry.epoch)

    async def _keep_ballast(self) -> None:
        """Keep space for when the disk is full; once there is room again, again."""
        while True:
            with suppress(OSError):  # the checks say what is wrong with the disk
                await asyncio.to_thread(keep_ballast, self.settings.data)
            await asyncio.sleep(_BALLAST_EVERY_S)

    def _addresses(self, tls: TlsFiles | None) -> Whereabouts:
        own = self._own if tls is not None and tls.own else None
        certificate = tls.certificate if tls is not None else None
        return Whereabouts(self.settings.session.site, certificate, own, self.settings.host)

    def _write_where(self) -> None:
        write_private(self.settings.data / BOX_FILE, json.dumps(self.where()).encode())

    def _refresh_where(self) -> None:
        with suppress(OSError):  # a full disk: commands use what is known there
            self._write_where()

    def _announce(self, broker: EmbeddedBroker) -> None:
        """Announce the box, if it is asked to, and listens on a network."""
        found = [broker.addresses[name] for name in ("mqtt", "http") if name in broker.addresses]
        if not self.settings.mdns or all(is_loopback(host) for host, _ in found):
            return
        # Imported here, with zeroconf: a box on loopback only has nothing to announce.
        from session_controller.discovery.announcer import Announcer  # noqa: PLC0415

        self._announcer = Announcer(lambda: self._announcement(broker), self._refresh_where)
        self._announcer.start()

    def _announcement(self, broker: EmbeddedBroker) -> Announcement | None:
        where = self._whereabouts
        return announced(
            broker.addresses, where.certificate, where.ca, where.site, version("handrail")
        )

    def _log_start(self, epoch: int) -> None:
        """Log that the box serves, and where; the URL of another broker may have a password."""
        where = self.where() if self._broker is not None else {}
        line = LogLine(
            "box started",
            version=version("handrail"),
            site=self.settings.session.site,
            epoch=epoch,
            mqtt=where.get("mqtts") or where.get("mqtt"),
            http=where.get("http"),
        )
        _log.info(line)

    def _certificate_job(self, tls: TlsFiles) -> CertificateJob:
        files = tuple(filter(None, (tls.certificate, tls.key, tls.client_ca)))
        own = self._own if tls.own else None
        return CertificateJob(self.settings.data, self.settings.session.site, files, own)

    def reload(self) -> None:
        """Read the certificates and the destinations again; the log says the result."""
        if self._service is not None:
            self._service.reload()
        if self._certificate is not None and self._broker is not None:
            self._certificate.reload(self._broker.reload_certificates)

    def apply(self, settings: Settings, plan: BackupPlan, chosen: Mapping[str, str]) -> None:
        """Use other settings and another plan of backups from now on; the site stays.

        `chosen` is remembered for whoever restores a backup, as `settle` does.
        """
        if self._service is not None and self._backups is not None:
            settings = replace(settings, site=self.settings.session.site)
            self._backups.plan = plan
            self._checks.start = replace(
                self._checks.start,
                backs_up=bool(plan.every),
                purges=bool(settings.purge_completed),
                idle_limit=settings.idle_limit,
                screen_lock=settings.screen_lock,
            )
            self._service.apply(settings, partial(remember, settings=settings, chosen=chosen))

    def _tidy(self, backups: Backups) -> None:
        """Complete an interrupted cleanup; if that fails, log an error and start anyway."""
        try:
            backups.tidy()
        except (OSError, sqlite3.Error, KeyringError) as error:
            _log.error(
                "cannot clean up the backups, so purged sessions may still be in them: %s", error
            )

    def _link(self) -> Link:
        site = self.settings.session.site
        if self.settings.broker_url is not None:
            # Imported here, with paho: most boxes use the embedded broker.
            from session_controller.transport.mqtt import BrokerUrl, MqttLink  # noqa: PLC0415

            return MqttLink(BrokerUrl.parse(self.settings.broker_url), controller_user(site))
        redirect, http = self.settings.redirect, self.settings.http
        pages = {k: v for k, v in {"redirect": redirect, "http": http}.items() if v is not None}
        self._broker = broker = self._make_broker(
            BrokerOrder(
                self.settings.mqtt,
                self.settings.http,
                self.settings.tls,
                self.settings.redirect,
                self._whereabouts.ca,
                self._whereabouts.trust_page(pages, self._name),
                self._role_of,
                access_rules(site),
                site,
                self._left,
                self.failing,
                self.metrics,
                self.answers_to,
                self.settings.proxies,
                self.take_copy,
            )
        )
        user = controller_user(site)
        return InProcessLink(broker.attach(user, user), broker.revoke, broker.last_heard)

    def _role_of(self, client_id: str, username: str | None, password: bytes | None) -> str | None:
        if self._service is None:
            return None
        return role_of(self._service.registry, client_id, username, password)

    def _surroundings(self) -> Surroundings:
        where = self.where()
        addresses = (where.get("mqtts") or where["mqtt"], where["http"])
        levels = self._broker.levels if self._broker else ()
        return Surroundings(
            [_bare(url) for url in addresses if url],
            [(f"broker.{name}", level, most, refused) for name, level, most, refused in levels],
        )

    def _left(self, client_id: str, address: str, reason: str) -> None:
        """Record a client's departure: not every client announces it or has a will."""
        if self._service is not None:
            self._service.submit(Departure(client_id, Departed(address, reason)))

    def _probe(self) -> BrokerProbe:
        """Return what the embedded broker reports; nothing of another broker."""
        broker, certificate = self._broker, self._certificate
        if broker is None:
            return BrokerProbe()
        return BrokerProbe(
            lambda: broker.counters,
            broker.address_of,
            lambda: certificate.ends if certificate is not None else None,
        )

    @property
    def stores(self) -> bool:
        """Whether it runs and commits, as far as is known."""
        return self._service is not None and self._service.monitor.stores

    def failing(self) -> Mapping[str, str]:
        """Return the checks of `/readyz` that fail, by name, each with a sentence."""
        if self._service is None:
            return {"box": "The box is starting or stopping."}
        return self._service.monitor.failing()

    async def metrics(self) -> str:
        """Return the metrics in the text format of Prometheus; none of a box that stops."""
        return await self._service.monitor.metrics() if self._service is not None else ""

    async def take_copy(self, token: str) -> bytes | str | None:
        """Return the PDF of a link for a patient, as `BrokerOrder` says; None while it stops."""
        return await self._service.take_copy(token) if self._service is not None else None

    def answers_to(self, name: str) -> bool:
        """Return whether a host name, in lower case, is one under which screens open the pages."""
        openid = self.settings.openid
        page = urlsplit(openid.page or "").hostname if openid is not None else None
        return name == page or self._whereabouts.answers_to(name, self._name)

    async def displaced(self) -> None:
        """Wait until another controller serves the site. Raises `SiteTakenError` then."""
        if self._service is not None:
            await self._service.displaced()

    async def stop(self) -> None:
        """Stop what was started; idempotent."""
        service, broker, store = self._service, self._broker, self._store
        self._service = self._broker = self._store = None
        serving = bool(self._tasks)
        if serving:
            _log.info(LogLine("box stopping"))
        while self._tasks:
            self._tasks.pop().cancel()
        if self._announcer is not None:
            await self._announcer.stop()
        self._copies.stop()
        if service is not None:
            await service.stop()
        if self._backups is not None:
            await self._backups.stop()
        if broker is not None:
            await broker.stop()
        if store is not None:
            (self.settings.data / BOX_FILE).unlink(missing_ok=True)
            store.close()
        if serving:
            _log.info(LogLine("box stopped"))

    def where(self) -> dict[str, Any]:
        """Return the box's addresses: `mqtt` for this machine, `mqtts` and `pages` for screens."""
        if self._broker is None:
            url = self.settings.broker_url
            return {"site": self.settings.session.site, "mqtt": url, "http": None}
        where = self._whereabouts.of(self._broker.addresses, self._name)
        if (announcer := self._announcer) is not None:
            where["mdns"] = {"name": announcer.name, "problem": announcer.problem}
        return where

    def _pages(self) -> str | None:
        """Return the address of the pages under the box's own name, or None if there are none."""
        pages: str | None = self.where().get("pages")
        return pages

    @property
    def _name(self) -> str | None:
        """The name under which screens find the box, as far as is known."""
        if self._announcer is not None:
            return self._announcer.name
        listened = self.settings.http or self.settings.mqtt
        if self.settings.mdns and not is_loopback(listened[0]):  # not announced yet
            with suppress(CertificateError, OSError):
                return name_of(self._whereabouts.certificate)
        return None

    @property
    def counters(self) -> dict[str, int]:
        """Return the counters since the start."""
        return dict(self._service.counters) if self._service else {}


def _bare(url: str) -> str:
    """Return a URL without user and password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
