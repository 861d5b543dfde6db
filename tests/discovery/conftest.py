"""Two machines on one network: network namespaces with a cable between them."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults.mounts import run
from tests.machine import environment, why_missing

_MISSING = "network namespaces need root" if os.geteuid() else why_missing("ip")


@dataclass(frozen=True)
class Machine:
    """A namespace with one interface; `wrap` is what a command is run with to be in it."""

    name: str
    device: str
    address: str

    @property
    def wrap(self) -> tuple[str, ...]:
        """Begin a command that is to run there."""
        return ("ip", "netns", "exec", self.name)

    def add(self, address: str) -> None:
        """Add an address."""
        more = ("nodad",) if ":" in address else ()
        run("ip", "-n", self.name, "addr", "add", address, "dev", self.device, *more)

    def remove(self, address: str) -> None:
        """Remove an address."""
        run("ip", "-n", self.name, "addr", "del", address, "dev", self.device)

    def up(self, device: str) -> None:
        """Switch an interface on."""
        run("ip", "-n", self.name, "link", "set", device, "up")


def _lay(here: Machine, there: Machine) -> None:
    for each in (here, there):
        run("ip", "netns", "add", each.name)
    ends = ("netns", here.name, "type", "veth", "peer", "name", there.device, "netns", there.name)
    run("ip", "link", "add", here.device, *ends)
    for each in (here, there):
        each.add(f"{each.address}/24")
        each.up("lo")
        each.up(each.device)


@pytest.fixture
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Make both, and delete them; skip where the kernel refuses, with the reason."""
    if _MISSING is not None:
        pytest.skip(_MISSING)
    number = os.getpid()
    block = number % 250
    # RFC 2544, C.2.2: addresses for tests between two networks, which nobody routes.
    here, there = (
        Machine(f"handrail-{number}{side}", f"hr{number}{side}", f"198.18.{block}.{host}")
        for side, host in (("a", 1), ("b", 2))
    )
    try:
        _lay(here, there)
        yield here, there
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace here: {error.stderr.strip()}")
    finally:
        for each in (here, there):
            order = ["ip", "netns", "del", each.name]
            subprocess.run(order, check=False, capture_output=True, env=environment())
