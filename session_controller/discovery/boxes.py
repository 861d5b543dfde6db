"""The boxes that announce themselves on this machine's networks."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_address

from zeroconf import IPVersion, ServiceInfo, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from session_controller.discovery.announcement import APP, PAGES
from session_controller.discovery.responder import sockets_of
from session_controller.security.machine import Interface, interfaces

_SHOWN = 120
"""Characters of a fact that are used: anybody on the network can announce anything."""
_USUAL = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class FoundBox:
    """What a box says of itself; nothing of it is verified."""

    name: str
    pages: str
    """The address of its pages."""
    site: str
    version: str
    addresses: tuple[str, ...]
    ca: str | None
    """The fingerprint of its own CA."""


async def find_boxes(
    within_s: float, there: Callable[[], list[Interface]] = interfaces
) -> list[FoundBox]:
    """Return the boxes that answer in time, by name. Raises `OSError`."""
    asked = [each for each in there() if each.addresses]
    async with AsyncExitStack() as stack:
        heard = [await stack.enter_async_context(AsyncZeroconf(sockets_of(one))) for one in asked]
        found = await asyncio.gather(*(_browse(each.zeroconf, within_s) for each in heard))
    boxes = {box.pages: box for several in found for box in several}
    return sorted(boxes.values(), key=lambda box: (box.name, box.pages))


async def _browse(zeroconf: Zeroconf, within_s: float) -> list[FoundBox]:
    names: set[tuple[str, str]] = set()

    def note(service_type: str, name: str, **_: object) -> None:
        names.add((service_type, name))

    browser = AsyncServiceBrowser(zeroconf, list(PAGES.values()), handlers=[note])
    await asyncio.sleep(within_s)
    await browser.async_cancel()
    infos = [AsyncServiceInfo(kind, name) for kind, name in names]
    await asyncio.gather(*(one.async_request(zeroconf, within_s * 1000) for one in infos))
    return [box for one in infos if (box := _read(one)) is not None]


def _read(info: ServiceInfo) -> FoundBox | None:
    """Return what a service says, if it is a box's."""
    facts = {key: _printable(value) for key, value in _facts(info).items()}
    if facts.get("app") != APP or info.port is None or info.server is None:
        return None
    scheme = "https" if info.type == PAGES[True] else "http"
    name = _printable(info.server.removesuffix("."))
    host = facts.get("host") or name
    pages = f"{scheme}://{host}" + (f":{info.port}" if info.port != _USUAL[scheme] else "")
    addresses = sorted(map(ip_address, info.parsed_addresses(IPVersion.All)), key=_ipv4_first)
    told = tuple(str(each) for each in addresses)
    return FoundBox(
        name, pages, facts.get("site", ""), facts.get("version", ""), told, facts.get("ca")
    )


def _ipv4_first(address: object) -> tuple[int, str]:
    return len(str(address).split(":")), str(address)


def _facts(info: ServiceInfo) -> Mapping[str, str]:
    return {
        key.decode("ascii", "replace"): (value or b"").decode("utf-8", "replace")
        for key, value in info.properties.items()
    }


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:_SHOWN])
