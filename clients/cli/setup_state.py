"""What `handrail setup` finds: the configuration, the data folder and the machine."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.cli.configured import configured

if TYPE_CHECKING:
    from session_controller.configuration.reading import Configured
    from session_controller.security.certificates import Hosts


@dataclass(frozen=True, slots=True)
class There:
    """What there is before anything is done."""

    data: Path
    file: Path
    """Where the configuration is or will be."""
    current: "Configured"
    site: str | None
    """The site of the data folder; None if it was not in use yet."""
    seen: Collection[str]
    """The roles of which a screen has connected, or has its credential."""
    waiting: Mapping[str, str]
    """By role, the name of a screen that was enrolled by a code which was not used yet."""
    has_ca: bool
    has_recovery_key: bool
    machine: "Hosts"

    @property
    def makes_certificate(self) -> bool:
        """Whether the box uses a certificate of its own: none is given, and TLS is not off."""
        found = self.current.sections
        return not (found.tls.certificate or found.tls.off or found.broker.url)

    def value(self, key: str) -> Any:
        """Return the present value of a dotted key."""
        section, _, name = key.partition(".")
        return getattr(getattr(self.current.sections, section), name)

    def is_default(self, key: str) -> bool:
        """Return whether nobody has chosen a key's value."""
        return key not in self.current.sources

    def machine_host(self) -> str:
        """Return how screens reach this machine: by the name that it announces, or an address."""
        by_ipv4 = [str(one) for one in self.machine.addresses if one.version == 4]  # noqa: PLR2004
        names = [name for name in self.machine.names if name.endswith(".local")]
        best = by_ipv4 if self.current.sections.mdns.off else [*names, *by_ipv4]
        return next(iter((*best, *self.machine.names)), "localhost")


def look(data: Path, named: Path | None) -> There:
    """Look at what there is; changes nothing. Raises `Failure`, `StoreError`, `OSError`."""
    from session_controller.data_folder import CONFIGURATION_FILE
    from session_controller.security.machine import this_machine
    from session_controller.security.own_tls import OwnTls
    from session_controller.security.recovery import RECOVERY_FILE

    file = named or data / CONFIGURATION_FILE
    current = configured(data, file if file.exists() else None)
    site, seen, waiting = _stored(data)
    has_ca, recovery = OwnTls(data).exists, (data / RECOVERY_FILE).exists()
    return There(data, file, current, site, seen, waiting, has_ca, recovery, this_machine())


def _stored(data: Path) -> tuple[str | None, set[str], dict[str, str]]:
    """Return the site and the screens that a data folder knows; none if it was not in use.

    Opened by root, files beside the database are made for its owner: SQLite sees to that.
    """
    from session_controller.data_folder import DATABASE_FILE
    from session_controller.storage.reader import Reader

    if not (data / DATABASE_FILE).exists():
        return None, set(), {}
    with Reader.without_keys(data / DATABASE_FILE) as reader:
        there = [one for one in reader.devices() if not one.revoked_at and not one.guest_of]
        usable = [one for one in there if one.seen_at or one.secret_sha256]
        seen = {one.role.value for one in usable}
        waiting = {one.role.value: one.name for one in there if one not in usable}
        return reader.meta("site"), seen, waiting
