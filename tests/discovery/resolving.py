"""Asks a network by mDNS for the addresses of a name, as a device without a cache does.

Run within a machine's namespace: `resolving NAME A|AAAA OWN-ADDRESS`; prints them as JSON. It asks
from a port of its own (RFC 6762, 6.7), so whoever has the name answers it directly.
"""

import json
import socket
import struct
import sys
from contextlib import suppress

from zeroconf import DNSAddress, DNSIncoming, DNSRecord

KINDS = {"A": 1, "AAAA": 28}
GROUP = ("224.0.0.251", 5353)
WITHIN_S = 1.0
TRIES = 3
"""A question that was just asked may be ignored (RFC 6762, 7.3), and packets get lost."""


def query(name: str, kind: str, number: int) -> bytes:
    """Return a question."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return (
        struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + struct.pack("!B2H", 0, KINDS[kind], 1)
    )


def answers(name: str, kind: str, own: str) -> list[str]:
    """Return the addresses in the first answer; none if nobody answers in time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(WITHIN_S)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        found = _first(asking, name, kind)
    told = [one for one in found if isinstance(one, DNSAddress) and one.type == KINDS[kind]]
    family = socket.AF_INET if kind == "A" else socket.AF_INET6
    return sorted(socket.inet_ntop(family, one.address) for one in told)


def _first(asking: socket.socket, name: str, kind: str) -> list[DNSRecord]:
    for number in range(1, TRIES + 1):
        asking.sendto(query(name, kind, number), GROUP)
        with suppress(TimeoutError):
            return DNSIncoming(asking.recv(9000)).answers()
    return []


if __name__ == "__main__":
    print(json.dumps(answers(*sys.argv[1:])))  # noqa: T201
