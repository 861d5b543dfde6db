"""The steps of `handrail setup`: each can be repeated, and makes nothing again that is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clients.cli.configuration_file import write_configuration
from clients.cli.configured import configured, settings_of
from clients.cli.context import Failure, program
from clients.cli.explaining import explaining
from clients.cli.output import say

if TYPE_CHECKING:
    from clients.cli.setup_questions import Wanted
    from clients.cli.setup_state import There
    from clients.sdk.admin import AdminClient
    from schemas.wire.requests import EnrolledDevice, NewDevice
    from session_controller.security.own_tls import OwnTls, WantedHosts


def changes(there: "There", wanted: "Wanted") -> dict[str, object]:
    """Return what has to be written into the configuration, by dotted key."""
    found = wanted.configuration()
    if wanted.host == there.machine_host() and there.is_default("site.host"):
        del found["site.host"]  # the box knows it, also after it changed
    return {key: value for key, value in found.items() if value != there.value(key)}


def make_folder(data: Path) -> None:
    """Create the data folder for its owner only. Raises `Failure`."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot create {data}: {error.strerror}") from None


def write_changes(there: "There", changed: Mapping[str, object]) -> None:
    """Create the configuration, or change only these keys in it. Raises `Failure`."""
    from session_controller.configuration.toml_text import commented, read_text, with_values
    from session_controller.errors import ConfigurationError

    if not there.file.exists():
        write_configuration(there.file, there.data, commented(changed))
    elif changed:
        try:
            text = with_values(read_text(there.file), changed)
        except ConfigurationError as error:
            raise Failure(f"{there.file} cannot be changed here: {error}") from None
        write_configuration(there.file, there.data, text)


def make_keys(data: Path, file: Path, site: str) -> None:
    """Create the box's key and its database, with the site's name. Raises `Failure`."""
    from session_controller.storage.site import settle

    found = configured(data, file)
    with explaining(data):
        settle(data, site, settings_of(found.sections), found.chosen())


def make_certificate(data: Path, site: str, host: str) -> None:
    """Create a CA and a certificate for `host`, or add `host` to the certificate that there is.

    Raises `Failure`.
    """
    from session_controller.errors import CertificateError
    from session_controller.security.encryption import BoxKeyError, required_box_keys
    from session_controller.security.own_tls import OwnTls

    own, at = OwnTls(data), datetime.now(UTC)
    try:
        keys = required_box_keys(data)
        if not own.exists:
            own.create(site, _hosts(host), keys, at)
        elif not own.fits():
            own.renew(site, _hosts(host), keys, at)
        elif not _is_for(own, host):
            own.renew(site, _with(own, host), keys, at)
    except (CertificateError, BoxKeyError) as error:
        raise Failure(str(error)) from None


def _is_for(own: "OwnTls", host: str) -> bool:
    hosts = own.hosts()
    return host in (*hosts.names, *map(str, hosts.addresses))


def _hosts(host: str) -> "WantedHosts":
    """Return the machine's names and addresses, and `host` if it is another one.

    As long as none is named, the box renews its certificate when those of the machine change.
    """
    from session_controller.security.machine import this_machine
    from session_controller.security.own_tls import WantedHosts

    machine = this_machine()
    if host in (*machine.names, *map(str, machine.addresses)):
        return WantedHosts()
    try:
        return WantedHosts(None, (ip_address(host), *machine.addresses))
    except ValueError:
        return WantedHosts((host, *machine.names), None)


def _with(own: "OwnTls", host: str) -> "WantedHosts":
    """Return the hosts of a certificate and one more."""
    from session_controller.security.own_tls import WantedHosts

    hosts = own.hosts()
    try:
        return WantedHosts(hosts.names, (ip_address(host), *hosts.addresses))
    except ValueError:
        return WantedHosts((host, *hosts.names), None)


def make_recovery_key(
    context: typer.Context, data: Path, sheet: Path | None, *, interactive: bool
) -> None:
    """Create a recovery key and show it, once. A person says when it is written down."""
    from clients.cli import recovery
    from session_controller.security.recovery import RecoveryKey

    def show(key: RecoveryKey) -> None:
        say("This is the recovery key, which opens backups when the box is gone. It is shown once:")
        say("write it down, and keep it off the box.\n")
        say("\n".join(f"    {line}" for line in key.lines) + "\n")
        say(f"With it, write down the fingerprint of this box: {recovery.fingerprint_of(data)}\n")
        if interactive:
            typer.prompt("Press Enter once it is written down", "", show_default=False, err=True)

    recovery.make_recovery_key(context, data, sheet, show)


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen that has a code now."""

    new: "NewDevice"
    enrolled: "EnrolledDevice"


def enrol_screens(context: typer.Context, there: "There", wanted: "Wanted") -> list[Screen]:
    """Enroll the screens that are wanted; return them with their codes.

    One that is enrolled by a code that was not used yet gets a new one; another is left alone.
    """
    from schemas.base import Role
    from schemas.wire.requests import NewDevice

    roles = ((wanted.desk, Role.FACILITY), (wanted.tablet, Role.PATIENT))
    named = [NewDevice(name=name, role=role) for name, role in roles if name is not None]
    if not named:
        return []
    waiting = there.waiting.values()
    with program(context).reach(there.data) as admin:
        found = ((new, _enrolled(admin, new, waits=new.name in waiting)) for new in named)
        return [Screen(new, enrolled) for new, enrolled in found if enrolled is not None]


def _enrolled(admin: "AdminClient", new: "NewDevice", *, waits: bool) -> "EnrolledDevice | None":
    known = {one.name: one for one in admin.list_devices().devices if not one.revoked}
    if (there := known.get(new.name)) is None:
        return admin.enrol_device(new.name, new.role, "code")
    if there.last_seen or there.role != new.role or not waits:
        say(f"{new.name!r} is enrolled already: `handrail device code` gives it another code")
        return None
    return admin.new_device_code(there.device)


def addresses(there: "There", wanted: "Wanted") -> dict[str, str]:
    """Return the addresses of the pages and of the page to trust them, as far as there are any."""
    from session_controller.discovery.whereabouts import Whereabouts
    from session_controller.security.own_tls import OwnTls

    found = there.current.sections
    if found.broker.url:  # another broker serves no pages
        return {}
    own = OwnTls(there.data) if there.makes_certificate else None
    certificate = own.certificate_file if own else found.tls.certificate
    listen = {key.rpartition(".")[2]: (one.host, one.port) for key, one in wanted.listen.items()}
    listen["redirect"] = listen.pop("http_redirect", listen["http"])
    where = Whereabouts(wanted.site, certificate, own, wanted.host)
    urls = where.of({**listen, "local": listen["mqtt"]}, wanted.host)
    return {name: urls[name] for name in ("pages", "trust") if name in urls}


def to_json(screens: list[Screen], address: str | None) -> list[dict[str, Any]]:
    """Return the screens with their codes and links; without links if there are no pages."""
    from clients.cli.output import plain
    from clients.cli.pairing_page import link_of

    return [
        {
            "name": one.new.name,
            **plain(one.enrolled),
            "link": address and link_of(address, one.enrolled),
        }
        for one in screens
    ]
