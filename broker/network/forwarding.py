"""Requests that a reverse proxy passes on: from whom they are, and whether they were encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from broker.settings import Network

from .stream import peer_address

_SCHEMES = frozenset({"http", "https"})


def as_sent(request: web.Request, proxies: Iterable[Network]) -> web.Request:
    """Return a request with the scheme and the address that a trusted proxy says it had.

    What any other peer says of that is ignored.
    """
    peer = address_of(peer_address(request.transport)) if request.transport else None
    networks = tuple(proxies)
    if peer is None or not _is_in(peer, networks):
        return request
    said = _listed(request, "X-Forwarded-Proto")
    scheme = said[-1].lower() if said else request.scheme
    client = _client(_listed(request, "X-Forwarded-For"), networks) or peer
    return request.clone(
        scheme=scheme if scheme in _SCHEMES else request.scheme, remote=str(client)
    )


def _client(chain: list[str], networks: tuple[Network, ...]) -> IPv4Address | IPv6Address | None:
    """Return the last address that is no trusted proxy: those before it, the client can write."""
    found = None
    for said in reversed(chain):
        if (address := address_of(said)) is None:
            break
        found = address
        if not _is_in(address, networks):
            break
    return found


def _listed(request: web.Request, name: str) -> list[str]:
    joined = ",".join(request.headers.getall(name, []))
    return [part.strip() for part in joined.split(",") if part.strip()]


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address without its zone; an IPv4 address mapped to IPv6 is itself."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
