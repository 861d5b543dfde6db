"""Try at a running broker what it must refuse: what `doctor` finds out about its access rules.

Nothing that is tried here changes anything, also where a broker lets it in: no message is retained,
and all go to the inbox of the command that tries.
"""

import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from clients.sdk.address import Address
from clients.sdk.credential import Credential
from schemas.access import PAIRING_PREFIX, PAIRING_USER, controller_user
from schemas.topics import ClaimTopic, GrantTopic, InboxTopic
from session_controller.preflight.finding import Finding, critical, ok

_WITHIN_S = 5.0
_ARRIVES_WITHIN_S = 1.0
"""How long a message may take to another client; one that is refused never comes."""
_TOO_LARGE = bytes(2 << 20)
"""Twice the largest packet that a box accepts."""
_PROBE = b"probe"
_FAILURE = 0x80


@dataclass(frozen=True, slots=True)
class Way:
    """A way in that was tried."""

    name: str
    refused: bool
    meaning: str
    """What somebody could do, if it was not refused."""


@dataclass(slots=True)
class _Peer:
    """A client that speaks MQTT directly, in the calling thread."""

    address: Address
    client_id: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    will: str | None = None
    tls: ssl.SSLContext | None = None
    messages: list[bytes] = field(default_factory=list)
    _code: int | None = None
    _acknowledged: dict[int, int] = field(default_factory=dict)
    _client: Any = None

    def connect(self) -> bool:
        """Return whether the broker accepts the connection. Raises `OSError` if it is not there."""
        client = self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self.client_id,
            transport=self.address.transport,
            reconnect_on_failure=False,
        )
        if self.user is not None:
            client.username_pw_set(self.user, self.password)
        if self.will is not None:
            client.will_set(self.will, _PROBE, qos=1)
        if self.address.tls:
            client.tls_set_context(self.tls or ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = lambda _c, _u, mid, *_: self._acknowledged.update({mid: 0})
        client.on_message = lambda _c, _u, found: self.messages.append(bytes(found.payload))
        client.connect(self.address.host, self.address.port)
        self._until(lambda: self._code is not None)
        return self._code == 0

    def _on_connect(self, _c: Any, _u: Any, _f: Any, code: Any, _p: Any) -> None:
        self._code = code.value

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, codes: list[Any], _p: Any) -> None:
        self._acknowledged[mid] = codes[0].value

    def subscribe(self, topic: str) -> bool:
        """Return whether the broker grants a subscription."""
        _, mid = self._client.subscribe(topic, qos=1)
        self._until(lambda: mid in self._acknowledged)
        return self._acknowledged.get(mid, _FAILURE) < _FAILURE

    def publish(self, topic: str, payload: bytes) -> bool:
        """Return whether the broker acknowledges a message."""
        mid = self._client.publish(topic, payload, qos=1).mid
        self._until(lambda: mid in self._acknowledged)
        return mid in self._acknowledged

    def receives(self, payload: bytes, within_s: float = 0.0) -> bool:
        """Return whether a message has arrived, or arrives in time."""
        self._until(lambda: payload in self.messages, within_s)
        return payload in self.messages

    def _until(self, done: Callable[[], bool], within_s: float = _WITHIN_S) -> None:
        deadline = time.monotonic() + within_s
        while not done() and time.monotonic() <= deadline:
            if self._client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # the broker closed the connection

    def vanish(self) -> None:
        """Close the socket without DISCONNECT, so that the broker sends the will."""
        if (found := self._client.socket()) is not None:
            found.close()

    def close(self) -> None:
        """Disconnect."""
        with suppress(OSError, ValueError):
            self._client.disconnect()
            self._client.loop(0.05)


@contextmanager
def _ending(peer: _Peer) -> Iterator[_Peer]:
    """Disconnect in the end."""
    try:
        yield peer
    finally:
        peer.close()


@dataclass(frozen=True, slots=True)
class _Trial:
    """A running broker, and an enrolled device that reads its own inbox."""

    address: Address
    site: str
    admin: Credential
    tls: ssl.SSLContext | None

    def _stranger(self, client_id: str, user: str | None, will: str | None = None) -> _Peer:
        """Return a client with a wrong password, or none where none is needed."""
        password = None if user in {None, PAIRING_USER} else secrets.token_hex(16)
        return _Peer(self.address, client_id, user, password, will, self.tls)

    def _newcomer(self, will: str | None = None) -> _Peer:
        """Return a device that is not enrolled yet: anybody may connect as one."""
        return self._stranger(f"{PAIRING_PREFIX}{secrets.token_hex(16)}", PAIRING_USER, will)

    @property
    def _inbox(self) -> str:
        return InboxTopic(self.admin.device).under(self.site)

    @contextmanager
    def witness(self) -> Iterator[_Peer]:
        """Connect the enrolled device. Raises `PermissionError` if it is refused."""
        admin = self.admin
        with _ending(
            _Peer(self.address, admin.device, admin.device, admin.secret, tls=self.tls)
        ) as witness:
            if not witness.connect():
                raise PermissionError(f"the broker refuses {admin.device}")
            witness.subscribe(self._inbox)
            yield witness

    def connects(self, client_id: str, user: str | None) -> bool:
        """Return whether a client is accepted with no password, or a wrong one."""
        with _ending(self._stranger(client_id, user)) as stranger:
            return stranger.connect()

    def reads(self, topic: str) -> bool:
        """Return whether a newcomer receives what is retained on others' topics."""
        with _ending(self._newcomer()) as stranger:
            if not stranger.connect() or not stranger.subscribe(topic):
                return False
            stranger.subscribe(GrantTopic(stranger.client_id).under(self.site))  # answered later
            return bool(stranger.messages)

    def writes(self) -> bool:
        """Return whether a newcomer reaches the inbox of another device."""
        with self.witness() as witness, _ending(self._newcomer()) as stranger:
            stranger.connect()
            stranger.publish(self._inbox, _PROBE)
            return witness.receives(_PROBE, _ARRIVES_WITHIN_S)

    def bequeaths(self) -> bool:
        """Return whether a newcomer's will reaches the inbox of another device."""
        with self.witness() as witness, _ending(self._newcomer(self._inbox)) as stranger:
            if not stranger.connect():
                return False
            stranger.vanish()
            return witness.receives(_PROBE, _ARRIVES_WITHIN_S)

    def displaces(self) -> bool:
        """Return whether a newcomer ends the connection of a device whose client id it uses."""
        with self.witness() as witness:
            with _ending(self._stranger(self.admin.device, PAIRING_USER)) as stranger:
                stranger.connect()
            return not witness.subscribe(self._inbox)

    def floods(self) -> bool:
        """Return whether a newcomer may send a packet that is larger than any that is needed."""
        with _ending(self._newcomer()) as stranger:
            stranger.connect()
            return stranger.publish(ClaimTopic(stranger.client_id).under(self.site), _TOO_LARGE)


def ways_in(
    address: Address, site: str, admin: Credential, tls: ssl.SSLContext | None = None
) -> Iterator[Way]:
    """Try each way into a running broker, and yield what came of it.

    `admin`: an enrolled device that is not connected. Raises `OSError` if the broker cannot be
    reached, and `PermissionError` if it refuses `admin`.
    """
    trial = _Trial(address, site, admin, tls)
    controller = controller_user(site)
    tried: tuple[tuple[str, str, Callable[[], bool]], ...] = (
        (
            "a connection without a user name",
            "anybody may connect",
            lambda: trial.connects(f"probe-{secrets.token_hex(4)}", None),
        ),
        (
            "a wrong password",
            "anybody may act as any screen, or as IT",
            lambda: trial.connects(admin.device, admin.device),
        ),
        (
            "the controller's name without its password",
            "anybody may show any screen anything",
            lambda: trial.connects(controller, controller),
        ),
        (
            "a subscription to all topics",
            "anybody may read all sessions",
            lambda: trial.reads("#"),
        ),
        (
            "a subscription to all topics of the site",
            "anybody may read all sessions",
            lambda: trial.reads(f"handrail/v1/{site}/#"),
        ),
        (
            "a message to another device",
            "anybody may answer in place of the controller",
            trial.writes,
        ),
        ("a will for another device", "anybody may write on its topics", trial.bequeaths),
        (
            "another device's client id",
            "anybody may disconnect any screen",
            trial.displaces,
        ),
        ("a packet of 2 MiB", "anybody may fill the broker's memory", trial.floods),
    )
    for name, meaning, succeeds in tried:
        yield Way(name, refused=not succeeds(), meaning=meaning)


def broker_findings(url: str, admin: Credential) -> Iterator[Finding]:
    """Yield what `doctor` says of the access rules of a running broker."""
    try:
        open_ways = [
            way for way in ways_in(Address.parse(url), admin.site, admin) if not way.refused
        ]
    except OSError as error:
        text = f"the broker cannot be tried: {error}"
        yield critical("broker-access", text, "systemctl restart handrail")
        return
    for way in open_ways:
        text = f"the broker accepts {way.name}: {way.meaning}"
        yield critical("broker-access", text, "give it the rules that `handrail acl` prints")
    if not open_ways:
        yield ok("broker-access", "the broker refuses all that it must")
