"""A network of its own for a box: packets that are really lost, and a line that is narrow.

The box runs in a network namespace, the screens outside; between them is a pair of virtual
interfaces. The kernel drops, queues and retransmits, as between a tablet and an access point.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.machine import environment, why_missing

from .mounts import run

_TOOLS = ("ip", "iptables", "tc")
_BURST_BYTES = 8_192
_LATENCY = "400ms"

_MISSING = "network namespaces need root" if os.geteuid() else why_missing(*_TOOLS)
needs_namespaces = pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")


class Network:
    """A namespace, reached at `inside`; `wrap` is what a command is run with to be in it."""

    def __init__(self) -> None:
        number = os.getpid()
        self._name = f"handrail-{number}"
        self._near, self._far = f"hr{number}a", f"hr{number}b"
        block = number % 250
        # RFC 2544, C.2.2: addresses for tests between two networks, which nobody routes.
        self._outside, self.inside = (f"198.18.{block}.{host}" for host in (1, 2))
        self.wrap = ("ip", "netns", "exec", self._name)

    def lay(self) -> None:
        """Make it. Raises `CalledProcessError` where the kernel has no namespaces for us."""
        run("ip", "netns", "add", self._name)
        run("ip", "link", "add", self._near, "type", "veth", "peer", "name", self._far)
        run("ip", "link", "set", self._far, "netns", self._name)
        run("ip", "addr", "add", f"{self._outside}/30", "dev", self._near)
        run("ip", "link", "set", self._near, "up")
        self._within("ip", "addr", "add", f"{self.inside}/30", "dev", self._far)
        for device in (self._far, "lo"):
            self._within("ip", "link", "set", device, "up")

    def remove(self) -> None:
        """Delete the namespace with its settings and both interfaces."""
        for order in (["link", "del", self._near], ["netns", "del", self._name]):
            subprocess.run(["ip", *order], check=False, capture_output=True, env=environment())

    def _within(self, *order: str) -> None:
        run(*self.wrap, *order)

    def lose(self, share: float) -> None:
        """Drop this share of the packets, in both directions: 1 is a wall."""
        for chain, side in (("INPUT", "-i"), ("OUTPUT", "-o")):
            self._within("iptables", "-F", chain)
            if share:
                which = ("-m", "statistic", "--mode", "random", "--probability", f"{share}")
                rule = (chain, side, self._far, *which, "-j", "DROP")
                self._within("iptables", "-A", *rule)

    def lost(self) -> int:
        """Count the packets dropped since `lose`, both ways."""
        listed = run(*self.wrap, "iptables", "-nvxL").splitlines()
        return sum(int(line.split()[0]) for line in listed if " DROP " in line)

    def limit(self, bytes_per_s: int | None) -> None:
        """Limit the rate each way (a token bucket), or lift the limit."""
        within = (("tc", self._near), (*self.wrap, "tc", self._far))
        for *tool, device in within:
            words = (*tool, "qdisc", "replace", "dev", device, "root")
            if bytes_per_s is None:
                run(*words, "pfifo_fast")
                continue
            rate = f"{bytes_per_s * 8}bit"
            run(*words, "tbf", "rate", rate, "burst", f"{_BURST_BYTES}", "latency", _LATENCY)


@contextmanager
def network() -> Iterator[Network]:
    """Yield a namespace, and delete it; skip where the kernel refuses, with the reason."""
    made = Network()
    try:
        made.lay()
    except subprocess.CalledProcessError as error:
        made.remove()
        pytest.skip(f"no network namespace here: {error.stderr.strip()}")
    try:
        yield made
    finally:
        made.remove()
