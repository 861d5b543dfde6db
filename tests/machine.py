"""What tests use of the machine: programs, ports, IPv6. Where one is missing they are skipped."""

import os
import random
import shutil
import socket
from contextlib import suppress

import pytest

_PACKAGES = {
    "avahi-daemon": "avahi-daemon",
    "certutil": "libnss3-tools",
    "chromium": "chromium",
    "ip": "iproute2",
    "ss": "iproute2",
    "tc": "iproute2",
    "iptables": "iptables",
    "fish": "fish",
    "jq": "jq",
    "man": "man-db",
    "mkfs.ext4": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "e2fsck": "e2fsprogs",
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_rr": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "mount": "mount",
    "umount": "mount",
    "node": "nodejs",
    "npm": "npm",
    "setpriv": "util-linux",
    "strace": "strace",
    "unshare": "util-linux",
    "zsh": "zsh",
}
"""Debian's packages, by program."""
_BELOW_EPHEMERAL = (10_000, 32_000)


def search_path() -> str:
    """Return PATH with the `sbin` beside each `bin`, which Debian's users lack on theirs."""
    places = os.environ.get("PATH", "").split(os.pathsep)
    beside = [f"{place[:-3]}sbin" for place in places if place.endswith("/bin")]
    return os.pathsep.join(dict.fromkeys([*places, *beside]))


def environment() -> dict[str, str]:
    """Return the environment for programs of the system, with `search_path()`."""
    return {**os.environ, "PATH": search_path()}


def find(program: str) -> str | None:
    """Return where a program is, or None if it is missing."""
    return shutil.which(program, path=search_path())


def why_missing(*programs: str) -> str | None:
    """Return what is not installed and how to install it, or None if all of them are."""
    missing = [program for program in programs if find(program) is None]
    if not missing:
        return None
    packages = dict.fromkeys(_PACKAGES.get(program, program) for program in missing)
    return f"not installed: {', '.join(missing)} (apt-get install {' '.join(packages)})"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test where one of the programs is missing."""
    reason = why_missing(*programs)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


def require(*programs: str) -> list[str]:
    """Return where the programs are; skips the running test where one is missing."""
    reason = why_missing(*programs)
    if reason is not None:
        pytest.skip(reason)
    return [found for found in map(find, programs) if found is not None]


def free_port() -> int:
    """Return a port that nothing listens on, and that no client is given as its own.

    Below Linux's ephemeral ports: a client that tries again and again to reach one of those on
    loopback is in the end connected to itself, and the box cannot bind it any more.
    """
    while True:
        port = random.randint(*_BELOW_EPHEMERAL)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def _has_ipv6() -> bool:
    """Check that the loopback interface has an address, which a container's may not."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 on the loopback interface")
