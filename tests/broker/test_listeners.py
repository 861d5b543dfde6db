"""Row 18 and the listeners: WebSocket, TLS, web pages on the same port, IPv6."""

import asyncio
import socket
import ssl
import struct
import warnings
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from broker import (
    Broker,
    BrokerSettings,
    Credentials,
    Identity,
    Limits,
    Listener,
    Reason,
    Rules,
    Tls,
)
from tests.machine import needs_ipv6

from .certificates import Certificates
from .support import (
    DEADLINE,
    Peer,
    Watch,
    anyone,
    connect_packet,
    publish_packet,
    running,
    subscribe_packet,
)
from .websockets import WebSocketPeer

WEB = Listener(kind="http")


def _masked(payload: bytes, *, announce: int | None = None) -> bytes:
    """Build a binary frame; `announce` lies about its length (RFC 6455, 5.2)."""
    head = b"\x82\xfe" + struct.pack("!H", announce or len(payload))
    return head + bytes(4) + payload


_UPGRADE = (
    b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
)


async def _raw_websocket(broker: Broker) -> Peer:
    peer = await Peer.open(broker, "web")
    peer.send(_UPGRADE)
    async with asyncio.timeout(DEADLINE):
        answer = await peer.reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in answer
    assert b"Sec-WebSocket-Protocol: mqtt" in answer
    return peer


@pytest.mark.parametrize("cut_frame", [True, False])
async def test_row_18_a_message_cut_short_by_a_lost_connection_is_not_published(
    cut_frame: bool,
) -> None:
    """A PUBLISH whose connection was lost inside a frame, or between two, reaches nobody."""
    watch = Watch()
    async with running(mqtt=Listener(), web=WEB, observer=watch) as broker:
        reader = await Peer.connect(broker, "reader")
        await reader.subscribe(("#", 0))
        cut = await _raw_websocket(broker)
        cut.send(_masked(connect_packet("cut")))
        await watch.until("connected", "cut")
        whole = publish_packet("t", b"x" * 500)
        cut.send(_masked(whole[:300], announce=len(whole) if cut_frame else None))
        await watch.until("connected", "cut")
        await cut.drop()
        await watch.until("disconnected", "cut", Reason.CONNECTION_LOST)
        await reader.nothing_more()


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (("same-origin",), None, True),
        (("same-origin",), "http://{host}", True),
        (("same-origin",), "https://{host}", False),
        (("same-origin",), "http://evil.example", False),
        (("same-origin",), "null", False),
        (("https://clinic.example",), "https://clinic.example", True),
        (("https://clinic.example",), "http://{host}", False),
        (("*",), "http://evil.example", True),
        ((), "http://{host}", False),
    ],
)
async def test_row_18_the_origin_is_checked(
    origins: tuple[str, ...], origin: str | None, allowed: bool
) -> None:
    """A page opens the WebSocket only if its origin is in the list; a program without one may."""
    async with running(web=Listener(kind="http", origins=origins)) as broker:
        host, port = broker.addresses["web"]
        headers = {"Origin": origin.format(host=f"{host}:{port}")} if origin else {}
        if allowed:
            await (await WebSocketPeer.open(broker, headers=headers)).close()
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await WebSocketPeer.open(broker, headers=headers)


async def test_row_18_the_frame_limit_is_the_packet_limit() -> None:
    """What fits the packet limit passes over a WebSocket too, and what is larger closes it."""
    limits = Limits(packet_bytes=3 << 20, output_bytes=8 << 20)
    async with running(web=WEB, limits=limits) as broker:
        peer = await WebSocketPeer.open(broker)
        await peer.send(connect_packet("web") + subscribe_packet(("t", 1)))
        await peer.receive()
        large = publish_packet("t", bytes(range(256)) * 11_000, qos=1)
        await peer.send(large)
        got = b""
        while len(got) < len(large) + 5:
            message = await peer.receive()
            assert message.type is WSMsgType.BINARY
            got += message.data
        assert bytes(range(256)) * 11_000 in got
        await peer.send(bytes(4 << 20))
        while (await peer.receive()).type is WSMsgType.BINARY:
            pass
        await peer.close()


async def test_row_18_a_text_frame_closes() -> None:
    """MQTT comes in binary frames: a text frame closes the connection (6.0.0-1)."""
    watch = Watch()
    async with running(web=WEB, observer=watch) as broker:
        peer = await WebSocketPeer.open(broker)
        await peer.send(connect_packet("web"))
        assert (await peer.receive()).data == b"\x20\2\0\0"
        await peer.socket.send_str("hello")
        assert (await peer.receive()).type is WSMsgType.CLOSE
        await watch.until("disconnected", "web", Reason.PROTOCOL_ERROR)
        await peer.close()


def _unmasked(payload: bytes) -> bytes:
    return b"\x82" + bytes([len(payload)]) + payload


def _long(payload: bytes) -> bytes:
    """Build a masked binary frame with a length of eight bytes."""
    return b"\x82\xff" + struct.pack("!Q", len(payload)) + bytes(4) + payload


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
async def test_a_frame_that_is_not_masked_closes(step: int) -> None:
    """However the stream is cut, the masked frames are read; the other closes it with 1002."""
    ping = b"\x89\x80" + bytes(4)
    good = _masked(connect_packet("web")) + ping + _long(publish_packet("t", bytes(300)))
    async with running(web=WEB) as broker:
        peer = await _raw_websocket(broker)
        for at in range(0, len(good), step):
            peer.send(good[at : at + step])
            await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE):
            assert await peer.reader.readexactly(6) == b"\x82\x04\x20\x02\0\0"
            assert await peer.reader.readexactly(2) == b"\x8a\x00"
            peer.send(_unmasked(subscribe_packet(("t", 0))))
            assert (await peer.reader.readexactly(4))[2:] == struct.pack("!H", 1002)
        await peer.closed()


async def test_a_frame_before_the_answer_must_be_masked_too() -> None:
    """Whoever does not wait for the 101 gets past the check no more than others."""
    async with running(web=WEB) as broker:
        peer = await Peer.open(broker, "web")
        peer.send(_UPGRADE + _unmasked(connect_packet("web")))
        async with asyncio.timeout(DEADLINE):
            await peer.reader.readuntil(b"\r\n\r\n")
            assert (await peer.reader.readexactly(4))[2:] == struct.pack("!H", 1002)
        await peer.closed()


async def test_a_refusal_over_websocket_is_told() -> None:
    """A refused CONNECT over a WebSocket gets its CONNACK before the close."""

    async def nobody(credentials: Credentials) -> Identity | None:
        del credentials
        return None

    async with running(web=WEB, authenticate=nobody) as broker:
        peer = await WebSocketPeer.open(broker)
        await peer.send(connect_packet("web"))
        assert (await peer.receive()).data == b"\x20\2\0\5"
        assert (await peer.receive()).type is WSMsgType.CLOSE
        await peer.close()


async def test_packets_may_be_cut_and_joined_by_frames() -> None:
    """MQTT packets need not fit WebSocket frames (6.0.0-2)."""
    async with running(web=WEB) as broker:
        peer = await WebSocketPeer.open(broker)
        stream = connect_packet("web") + subscribe_packet(("t", 0)) + publish_packet("t", b"hello")
        for i in range(len(stream)):
            await peer.send(stream[i : i + 1])
        got = b""
        while b"hello" not in got:
            got += (await peer.receive()).data
        await peer.close()


async def test_without_the_subprotocol_it_is_refused() -> None:
    """A WebSocket that does not offer `mqtt` is refused (6.0.0-3)."""
    async with running(web=WEB) as broker:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
            await WebSocketPeer.open(broker, protocols=())


async def test_web_pages_are_served_beside_mqtt() -> None:
    """The host program's pages and `/mqtt` share a port, also where a route catches all."""
    app = web.Application()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"page {request.path}")

    app.router.add_get("/{rest:.*}", page)
    broker = Broker(
        BrokerSettings(listeners={"web": WEB}, sys_seconds=0),
        authenticate=anyone,
        rules={"all": Rules(("#",), ("#",))},
        web_app=app,
    )
    await broker.start()
    host, port = broker.addresses["web"]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{host}:{port}/patient") as answer,
    ):
        assert await answer.text() == "page /patient"
    peer = await WebSocketPeer.open(broker)
    await peer.send(connect_packet("web"))
    assert (await peer.receive()).data == b"\x20\2\0\0"
    await peer.close()
    await broker.stop()


async def test_row_14_a_silent_http_connection_is_closed_too() -> None:
    """A socket to the HTTP port that sends no request is closed at the limit for a CONNECT."""
    async with running(web=WEB, limits=Limits(connect_seconds=0.2)) as broker:
        peer = await Peer.open(broker, "web")
        peer.send(b"GET /")
        await peer.closed()
        open_ = await WebSocketPeer.open(broker)
        assert (await open_.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        await open_.close()


@needs_ipv6
async def test_ipv6() -> None:
    """A listener may be IPv6, and the peer's address is told without its port."""
    seen: list[str] = []

    async def note(credentials: Credentials) -> Identity | None:
        seen.append(credentials.address)
        return await anyone(credentials)

    async with running(mqtt=Listener(host="::1"), authenticate=note) as broker:
        await Peer.connect(broker)
        assert seen == ["::1"]


def _tls(certs: Certificates, **options: str) -> Tls:
    ca = certs.authority if options else None
    return Tls(certs.folder / "server.pem", certs.folder / "server.key", ca, **options)  # type: ignore[arg-type]


async def _read_one(broker: Broker, certs: Certificates) -> None:
    without = await Peer.open(broker, "it", ssl=certs.client_context())
    await without.reader.readexactly(1)


@pytest.mark.parametrize("kind", ["mqtt", "http"])
async def test_client_certificates(certs: Certificates, kind: str) -> None:
    """Where client certificates are required nobody connects without one, and the host sees it."""
    shown: list[object] = []

    async def note(credentials: Credentials) -> Identity | None:
        shown.append((credentials.certificate or {}).get("subject"))
        return await anyone(credentials)

    tls = _tls(certs, client_certificate="required")
    listener = Listener(kind=kind, tls=tls)  # type: ignore[arg-type]
    async with running(it=listener, authenticate=note) as broker:
        with_one = certs.client_context(with_certificate=True)
        if kind == "mqtt":
            peer = await Peer.open(broker, "it", ssl=with_one)
            peer.send(connect_packet())
            assert (await peer.expect(2)).body == b"\0\0"
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await _read_one(broker, certs)
        else:
            web_peer = await WebSocketPeer.open(broker, "it", ssl=with_one)
            await web_peer.send(connect_packet())
            assert (await web_peer.receive()).data == b"\x20\2\0\0"
            await web_peer.close()
            with pytest.raises(aiohttp.ClientError):
                await WebSocketPeer.open(broker, "it", ssl=certs.client_context())
        assert shown == [((("commonName", "client-1"),),)]


async def test_an_optional_client_certificate_may_be_missing(certs: Certificates) -> None:
    """Where client certificates are optional, the host sees None for a client without one."""
    tls = _tls(certs, client_certificate="optional")
    async with running(mqtt=Listener(tls=tls)) as broker:
        peer = await Peer.open(broker, ssl=certs.client_context())
        peer.send(connect_packet())
        assert (await peer.expect(2)).body == b"\0\0"


async def test_tls_1_1_is_not_spoken(certs: Certificates) -> None:
    """A client that knows TLS 1.1 at most is not let in."""
    context = certs.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with running(mqtt=Listener(tls=_tls(certs))) as broker:
        with pytest.raises(OSError):  # noqa: PT011 - the alert's wording is OpenSSL's
            await Peer.open(broker, ssl=context)


async def test_one_listener_that_cannot_be_bound_leaves_none_open() -> None:
    """When an address is taken, start raises OSError and nothing stays open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with running(free=Listener(), web=WEB, taken=Listener(port=port)):
                pass


_TLS = {"X-Forwarded-Proto": "https"}


def _hosts(name: str) -> bool:
    return name == "box.local"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((name, 404) for name in ("box.local", "BOX.local.:80", "127.0.0.1:9", "[::1]:9")),
        *(
            (name, 421)
            for name in ("evil.example", "box.local.evil.example:80", "a b", "box.local:x")
        ),
    ],
)
async def test_the_host_is_checked(host: str, status: int) -> None:
    """A name of another server, which was made to resolve to this one, is not answered."""
    web_ = Listener(kind="http", hosts=_hosts)
    plain = Listener(kind="redirect", hosts=_hosts, served=frozenset({"/"}))
    async with running(web=web_, plain=plain) as broker:
        for name in ("web", "plain"):
            peer = await Peer.open(broker, name)
            peer.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\r\n".encode())
            async with asyncio.timeout(DEADLINE):
                head = await peer.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status)
        headers = {"Host": host, "Origin": f"http://{host}"}
        if status == 421 and " " not in host:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="421"):
                await WebSocketPeer.open(broker, headers=headers)


@pytest.mark.parametrize(
    ("said", "address", "allowed"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.9"}, "10.0.0.9", True),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": "9.9.9.9, 10.0.0.9"}, "10.0.0.9", True),
        (
            {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.9, 127.0.0.2"},
            "10.0.0.9",
            True,
        ),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": "unknown"}, "127.0.0.1", True),
        ({"X-Forwarded-Proto": "https"}, "127.0.0.1", True),
        ({"X-Forwarded-For": "10.0.0.9"}, "10.0.0.9", False),
        ({}, "127.0.0.1", False),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_trusted_proxy_is_believed(
    said: dict[str, str], address: str, allowed: bool, trusted: bool
) -> None:
    """It ends TLS, so the Origin is https, and the address is the client's; others may say much."""
    seen: list[str] = []

    async def authenticate(shown: Credentials) -> Identity | None:
        seen.append(shown.address)
        return await anyone(shown)

    proxies = (ip_network("127.0.0.0/8"),) if trusted else (ip_network("10.0.0.0/8"),)
    listener = Listener(kind="http", proxies=proxies)
    headers = {"Host": "box.example", "Origin": "https://box.example", **said}
    async with running(web=listener, authenticate=authenticate) as broker:
        if not (allowed and trusted):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await WebSocketPeer.open(broker, headers=headers)
            return
        peer = await WebSocketPeer.open(broker, headers=headers)
        await peer.send(connect_packet("web"))
        assert (await peer.receive()).data == b"\x20\2\0\0"
        assert seen == [address]
        await peer.close()


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\r\n\r\n", _UPGRADE]
)
async def test_no_header_names_a_version(request_: bytes) -> None:
    """Neither of a page, an error of the protocol, nor a WebSocket."""
    async with running(web=WEB) as broker:
        peer = await Peer.open(broker, "web")
        peer.send(request_)
        async with asyncio.timeout(DEADLINE):
            head = (await peer.reader.readuntil(b"\r\n\r\n")).lower()
        assert b"aiohttp" not in head
        assert b"python" not in head
        assert b"server: handrail\r\n" in head
