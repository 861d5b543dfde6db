"""Announces a box on its network for as long as it runs, also when its addresses change."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum, auto

from session_controller.discovery.announcement import Announcement
from session_controller.discovery.responder import Responder
from session_controller.errors import CertificateError, type_and_place
from session_controller.security.certificates import Address
from session_controller.security.machine import Interface, interfaces

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
_PROBES = 3
_PROBE_EVERY_S = 0.25
"""RFC 6762, 8.1: who has a name answers one of three probes, each within 250 ms."""


class _Name(Enum):
    """To whom the name belongs, as far as the network says."""

    UNKNOWN = auto()
    OURS = auto()
    THIS_MACHINES = auto()
    """Another program of this machine answers to it, such as Avahi: only services are announced."""
    ANOTHERS = auto()
    """Another machine answered first: nothing is announced."""


class Announcer:
    """Announces what `describe` returns; `changed` is called when `name` or `problem` changes."""

    def __init__(
        self,
        describe: Callable[[], Announcement | None],
        changed: Callable[[], None],
        find: Callable[[], list[Interface]] = interfaces,
        make: Callable[[Interface], Responder] = Responder,
    ) -> None:
        self._describe, self._changed = describe, changed
        self._find, self._make = find, make
        self._wanted: Announcement | None = None
        self._belongs = _Name.UNKNOWN
        self._responders: dict[str, Responder] = {}
        self._told: set[str] = set()
        """The interfaces on which it is announced."""
        self._own: set[Address] = set()
        """This machine's addresses, also earlier ones: access points may repeat what was said."""
        self._failures: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self.name: str | None = None
        """The name that leads to this box, as far as is known."""
        self.problem: str | None = None
        """What keeps screens from finding it by its name, as a sentence without a full stop."""

    def start(self) -> None:
        """Announce in the background until `stop`."""
        with suppress(CertificateError, OSError):  # said by the first look
            if (wanted := self._describe()) is not None:
                self.name = wanted.name
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Withdraw what was announced; idempotent."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._withdraw(list(self._responders))

    async def _keep(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a box serves without being announced
                self._report(None, f"cannot be announced: {type_and_place(error)}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Follow the machine's addresses and the certificate's name, and look for conflicts."""
        try:
            wanted, there = self._describe(), self._find()
        except (CertificateError, OSError) as error:
            self._report(self.name, f"cannot be announced: {error}")
            return
        self._own.update(address for each in there for address in each.addresses)
        if wanted != self._wanted:
            await self._withdraw(list(self._responders))
            self._wanted, self._belongs = wanted, _Name.UNKNOWN
        if wanted is None:
            self._report(None, "this machine has no name of its own to announce")
            return
        added = await self._follow(wanted, there)
        if added or self._belongs is not _Name.OURS or self._rivals():
            await self._probe(wanted)
        await self._settle(wanted, there)

    async def _follow(self, wanted: Announcement, there: list[Interface]) -> bool:
        """Keep a responder on each interface where a service is reached; return if any is new."""
        current = {each.name: each for each in there if wanted.services_on(each)}
        changed = [n for n, r in self._responders.items() if current.get(n) != r.interface]
        await self._withdraw(changed)
        new = [name for name in current if name not in self._responders]
        self._failures = {}
        for name in new:
            self._responders[name] = responder = self._make(current[name])
            try:
                await responder.start(wanted.name)
            except OSError as error:
                self._failures[name] = error.strerror or str(error)
                await self._withdraw([name])
        return any(name in self._responders for name in new)

    async def _probe(self, wanted: Announcement) -> None:
        """Learn who answers to the name: `heard` of each responder."""
        asked = self._responders.values()
        for responder in asked:
            responder.heard.clear()
        for _ in range(_PROBES if asked else 0):
            for responder in asked:
                responder.probe(wanted.name, wanted.addresses_on(responder.interface))
            await asyncio.sleep(_PROBE_EVERY_S)

    def _heard(self) -> set[Address]:
        return {address for each in self._responders.values() for address in each.heard}

    def _rivals(self) -> set[Address]:
        return self._heard() - self._own

    async def _settle(self, wanted: Announcement, there: list[Interface]) -> None:
        """Announce, unless another machine had the name first; it is never renamed silently."""
        rivals, before = self._rivals(), self._belongs
        if before is not _Name.OURS and self._responders:
            self._belongs = self._found(rivals)
        if before is _Name.THIS_MACHINES and self._belongs is not before:
            await self._withdraw(list(self._responders))  # what was said without addresses
            if self._belongs is _Name.OURS:
                await self._follow(wanted, there)
        if self._belongs in (_Name.OURS, _Name.THIS_MACHINES):
            await self._announce(wanted)
        self._conclude(wanted.name, rivals)

    def _found(self, rivals: set[Address]) -> _Name:
        if rivals:
            return _Name.ANOTHERS
        return _Name.THIS_MACHINES if self._heard() else _Name.OURS

    async def _announce(self, wanted: Announcement) -> None:
        for name, responder in self._responders.items():
            if name in self._told:
                continue
            self._told.add(name)
            ours = self._belongs is _Name.OURS
            told = wanted.addresses_on(responder.interface) if ours else ()
            await responder.announce(wanted, told)
            what = _listed(told) or "services only, this machine answers for the name"
            _log.info("announced as %s on %s: %s", wanted.name, name, what)

    def _conclude(self, name: str, rivals: set[Address]) -> None:
        if rivals and self._belongs is _Name.ANOTHERS:
            who = f"{_listed(rivals)} on the network has this name already"
            self._report(None, f"{name} is not announced: {who}")
        elif rivals:
            who = f"{_listed(rivals)} on the network has this name too"
            self._report(name, f"{name} may lead to another machine: {who}")
        elif self._failures:
            why = "; ".join(f"{each}: {text}" for each, text in sorted(self._failures.items()))
            found = name if self._responders else None
            self._report(found, f"{name} is not announced on each interface: {why}")
        else:
            self._report(name, None)

    def _report(self, name: str | None, problem: str | None) -> None:
        if (name, problem) == (self.name, self.problem):
            return
        before, self.name, self.problem = self.problem, name, problem
        self._changed()
        if problem and problem != before:
            _log.error("%s", problem)
        elif before and name:
            _log.info("screens find this box as %s now", name)

    async def _withdraw(self, names: list[str]) -> None:
        for name in names:
            self._told.discard(name)
            await self._responders.pop(name).stop()


def _listed(addresses: Iterable[Address]) -> str:
    return ", ".join(sorted(map(str, addresses)))
