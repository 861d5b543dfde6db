"""Checks of where a box listens, and of the broker that it uses instead of its own."""

import errno
import socket
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from itertools import combinations
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from session_controller.preflight.finding import Finding, critical, ok, warning
from session_controller.preflight.start_options import Address
from session_controller.security.own_tls import OwnTls

if TYPE_CHECKING:
    from session_controller.preflight.subject import Subject

_WITHIN_S = 3.0
_ALL = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound
_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}


def shared_port(listen: Mapping[str, Address]) -> tuple[str, str] | None:
    """Return which options name the same port and what to do, or None if none do."""
    for (one, (host, port)), (other, (there, again)) in combinations(listen.items(), 2):
        if port and port == again and _overlap(host, there):
            text = f"{one} and {other} both listen on port {port}"
            key = other.removeprefix("--").replace("-", "_")
            return text, f"choose another port with {other} (`{key}` in [listen])"
    return None


def _overlap(one: str, other: str) -> bool:
    """Return whether two hosts to listen on can be the same address."""
    if one == other or not {one, other}.isdisjoint(_ALL):
        return True
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:  # a name, which may be any address
        return is_loopback(one) == is_loopback(other)


def network_findings(subject: "Subject") -> Iterator[Finding]:
    """Yield what keeps screens from connecting."""
    if subject.start.broker is not None:
        yield from _broker(subject.start.broker)
    elif (shared := shared_port(subject.start.listen)) is not None:
        yield critical("ports", *shared)
    elif not subject.running:
        taken = [found for each in subject.start.listen.items() for found in _taken(*each)]
        yield from taken or [ok("ports", "all addresses are free")]


def clear_text_findings(subject: "Subject") -> Iterator[Finding]:
    """Yield what others could read on the network."""
    start = subject.start
    tls = start.certificate is not None or (not start.tls_off and OwnTls(subject.data).exists)
    if start.broker is not None:
        found = urlsplit(start.broker)
        if found.scheme in ("mqtt", "ws") and not is_loopback(found.hostname or ""):
            text = f"answers pass to the broker {found.hostname} without TLS"
            yield warning("clear-text", text, "use an address that begins with mqtts://")
    elif not tls and (open_to_all := beyond_this_machine(start.listen)):
        text = f"others on the network can read answers: no TLS at {', '.join(open_to_all)}"
        yield warning("clear-text", text, "handrail tls create, then start the box again")


def beyond_this_machine(listen: Mapping[str, Address]) -> list[str]:
    """Return the options with which others on the network reach the box, and their addresses."""
    return [
        f"{name} {host}:{port}" for name, (host, port) in listen.items() if not is_loopback(host)
    ]


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _taken(option: str, address: Address) -> Iterator[Finding]:
    """Try to listen as the box will; a socket that is bound and closed leaves nothing behind."""
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.create_server(found[0][4][:2], family=found[0][0]):
            return
    except socket.gaierror:
        problem = f"{host} is neither an address nor a name of this machine"
        mend = f"name an address of this machine with {option}; `ip address` lists them"
    except OSError as error:
        problem, mend = _why(error, option, host, port)
    yield critical("ports", problem, mend)


def _why(error: OSError, option: str, host: str, port: int) -> tuple[str, str]:
    if error.errno == errno.EADDRINUSE:
        mend = f"stop it (`sudo ss -ltnp 'sport = {port}'` names it), or choose another port"
        return f"another program listens on {host}, port {port}", f"{mend} with {option}"
    if error.errno == errno.EADDRNOTAVAIL:
        mend = f"name an address of this machine with {option}; `ip address` lists them"
        return f"{host} is not an address of this machine", mend
    if error.errno in (errno.EACCES, errno.EPERM):
        mend = f"choose a port above 1023 with {option}, or give the service CAP_NET_BIND_SERVICE"
        return f"this user may not listen on port {port}", mend
    return f"cannot listen on {host}, port {port}: {error.strerror}", f"choose another {option}"


def _broker(url: str) -> Iterator[Finding]:
    found = urlsplit(url)
    host, port = found.hostname or "", found.port or _PORTS.get(found.scheme, 1883)
    try:
        socket.create_connection((host, port), timeout=_WITHIN_S).close()
    except OSError as error:
        text = f"the broker at {host}, port {port} cannot be reached: {error.strerror or error}"
        yield critical("broker", text, "start it, or correct --broker")
    else:
        yield ok("broker", f"something listens at {host}, port {port}")
