"""Answers mDNS queries on one network interface, and hears who else answers to a name.

Each interface has a responder of its own, which tells the addresses of that interface only:
a tablet cannot reach those of another.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Iterable
from ipaddress import ip_address

from zeroconf import (
    DNSAddress,
    DNSOutgoing,
    DNSQuestion,
    Error,
    RecordUpdate,
    RecordUpdateListener,
    ServiceInfo,
    Zeroconf,
)
from zeroconf.asyncio import AsyncZeroconf

from session_controller.discovery.announcement import Announcement
from session_controller.security.certificates import Address
from session_controller.security.machine import Interface

_QUERY, _IN, _LIFE_S = 0, 1, 120
_IPV4, _IPV6 = 4, 6
_KINDS = {_IPV4: 1, _IPV6: 28}
"""A and AAAA, by the version of IP."""
_MULTICAST_ALL = ((socket.IPPROTO_IP, 49), (socket.IPPROTO_IPV6, 29))
"""IP_MULTICAST_ALL and IPV6_MULTICAST_ALL of Linux."""


class Responder:
    """The responder of one interface; `heard` are the addresses that anybody told for a name."""

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        self.heard: set[Address] = set()
        self._zeroconf: AsyncZeroconf | None = None

    async def start(self, name: str) -> None:
        """Begin to hear. Raises `OSError`."""
        try:
            self._zeroconf = started = AsyncZeroconf(sockets_of(self.interface))
            await started.zeroconf.async_wait_for_start()
        except Error as error:
            raise OSError(f"{type(error).__name__} of mDNS") from None
        if not started.zeroconf.engine.senders:
            raise OSError("it does not take part in multicast")
        _hear_only_this_interface(started.zeroconf)
        started.zeroconf.async_add_listener(_Ear(name, self.heard), None)

    def probe(self, name: str, addresses: Iterable[Address]) -> None:
        """Ask who answers to a name that is to lead to these addresses (RFC 6762, 8.1)."""
        if self._zeroconf is None:
            return
        query = DNSOutgoing(_QUERY)
        for kind in _KINDS.values():
            query.add_question(DNSQuestion(f"{name}.", kind, _IN))
        for each in addresses:
            kind = _KINDS[each.version]
            record = DNSAddress(f"{name}.", kind, _IN, _LIFE_S, each.packed)
            query.authorities.append(record)  # type: ignore[arg-type]  # writes any record
        self._zeroconf.zeroconf.async_send(query)

    async def announce(self, wanted: Announcement, addresses: Iterable[Address]) -> None:
        """Announce the services, and the addresses of the name; none if others answer to it."""
        zeroconf = self._zeroconf
        if zeroconf is None:
            return
        told = [str(each) for each in addresses]
        # Unique by the name: a probe would find this machine's own on its other interfaces.
        sent = [
            await zeroconf.async_register_service(info, cooperating_responders=True)
            for info in _infos(wanted, self.interface, told)
        ]
        await asyncio.gather(*sent)

    async def stop(self) -> None:
        """Withdraw what was announced, and close the sockets."""
        if self._zeroconf is not None:
            closing, self._zeroconf = self._zeroconf, None
            await closing.async_close()


def _infos(wanted: Announcement, interface: Interface, told: list[str]) -> list[ServiceInfo]:
    return [
        ServiceInfo(
            service.type,
            f"{wanted.instance}.{service.type}",
            port=service.port,
            properties=dict(wanted.facts),
            server=f"{wanted.name}.",
            parsed_addresses=told,
        )
        for service in wanted.services_on(interface)
    ]


def sockets_of(interface: Interface) -> list[str | int]:
    """Return how zeroconf names an interface: by its addresses of IPv4, its number for IPv6."""
    ipv4 = [str(each) for each in interface.addresses if each.version == _IPV4]
    has_ipv6 = any(each.version == _IPV6 for each in interface.addresses)
    return [*ipv4, *([interface.index] if has_ipv6 else [])]


def _hear_only_this_interface(zeroconf: Zeroconf) -> None:
    """Ignore multicast that another program of this machine joined on other interfaces."""
    if sys.platform != "linux":
        return
    for reader in zeroconf.engine.readers:
        with socket.socket(fileno=os.dup(reader.fileno)) as same:
            for level, option in _MULTICAST_ALL:
                if level == socket.IPPROTO_IP or same.family == socket.AF_INET6:
                    same.setsockopt(level, option, 0)


class _Ear(RecordUpdateListener):
    """Notes the addresses that are told for a name."""

    def __init__(self, name: str, heard: set[Address]) -> None:
        self._key, self._heard = f"{name}.", heard

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Note what is told, not what expires."""
        del zc
        for record in (update.new for update in records):
            if record.key != self._key or record.is_expired(now):
                continue
            if isinstance(record, DNSAddress):
                self._heard.add(ip_address(record.address))
