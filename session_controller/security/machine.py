"""The host name of this machine and the addresses of its network interfaces."""

import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from session_controller.security.certificates import Address, Hosts, is_host_name, is_private

LOCAL = Hosts(("localhost",), (IPv4Address("127.0.0.1"), IPv6Address("::1")))
"""What every machine is to itself."""


class _Interface(ctypes.Structure):
    """`struct ifaddrs` of getifaddrs(3), up to what is read of it."""


_Interface._fields_ = [
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]


def this_machine() -> Hosts:
    """Return this machine's names and its private addresses; none that are only its own."""
    host = socket.gethostname().lower().rstrip(".")
    short = host.partition(".")[0]
    names = dict.fromkeys(name for name in (f"{short}.local", host) if is_host_name(name))
    addresses = dict.fromkeys(
        address
        for address in _addresses()
        if is_private(address) and not address.is_loopback and not address.is_link_local
    )
    return Hosts(tuple(name for name in names if name not in LOCAL.names), tuple(addresses))


def _addresses() -> Iterator[Address]:
    """Yield the addresses of all interfaces. Raises `OSError`."""
    library = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Interface)()
    if library.getifaddrs(ctypes.byref(first)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        each = first
        while each:
            if each.contents.address:
                yield from _parsed(each.contents.address)
            each = each.contents.next
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
