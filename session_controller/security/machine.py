"""The host name of this machine, and its network interfaces with their addresses."""

import ctypes
import os
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from session_controller.security.certificates import Address, Hosts, is_host_name, is_private

LOCAL = Hosts(("localhost",), (IPv4Address("127.0.0.1"), IPv6Address("::1")))
"""What every machine is to itself."""
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40
_WANTED = _UP | _RUNNING | (0x1000 if sys.platform == "linux" else 0x8000)
"""IFF_UP, IFF_RUNNING (there is a carrier) and IFF_MULTICAST of netdevice(7)."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that reaches others by multicast now."""

    name: str
    index: int
    addresses: tuple[Address, ...]


class _Interface(ctypes.Structure):
    """`struct ifaddrs` of getifaddrs(3), up to what is read of it."""


_Interface._fields_ = [
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]


def local_names() -> tuple[str, ...]:
    """Return this machine's name below `.local`, and its host name; empty if it has none."""
    host = socket.gethostname().lower().rstrip(".")
    short = host.partition(".")[0]
    if short in LOCAL.names:
        return ()
    return tuple(dict.fromkeys(name for name in (f"{short}.local", host) if is_host_name(name)))


def this_machine() -> Hosts:
    """Return this machine's names and its private addresses; none that are only its own."""
    addresses = dict.fromkeys(
        address
        for _, _, address in _addresses()
        if is_private(address) and not address.is_loopback and not address.is_link_local
    )
    return Hosts(local_names(), tuple(addresses))


def interfaces() -> list[Interface]:
    """Return the interfaces with which this machine is on a network. Raises `OSError`."""
    found: defaultdict[str, list[Address]] = defaultdict(list)
    for name, flags, address in _addresses():
        if flags & _WANTED == _WANTED and not flags & _LOOPBACK:
            found[name].append(address)
    there = []
    for name, addresses in found.items():
        with suppress(OSError):  # removed meanwhile
            there.append(Interface(name, socket.if_nametoindex(name), tuple(addresses)))
    return there


def _addresses() -> Iterator[tuple[str, int, Address]]:
    """Yield name, flags and an address of all interfaces. Raises `OSError`."""
    library = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Interface)()
    if library.getifaddrs(ctypes.byref(first)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        each = first
        while each:
            found = each.contents
            if found.address:
                for address in _parsed(found.address):
                    yield os.fsdecode(found.name), found.flags, address
            each = found.next
    finally:
        library.freeifaddrs(first)


def _parsed(place: int) -> Iterator[Address]:
    """Yield the address in a `struct sockaddr`, if it is one of IP."""
    # Linux begins with a family of 16 bits, BSD and macOS with a length and a family of 8 bits.
    head = ctypes.string_at(place, 2)
    family = head[1] if sys.platform != "linux" else int.from_bytes(head, sys.byteorder)
    if family == socket.AF_INET:
        yield IPv4Address(ctypes.string_at(place + 4, 4))
    elif family == socket.AF_INET6:
        yield IPv6Address(ctypes.string_at(place + 8, 16))
