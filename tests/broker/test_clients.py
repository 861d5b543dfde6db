"""Clients that people use: paho, aiomqtt, Mosquitto's and MQTT.js, over TCP, TLS and WebSocket."""

import asyncio
import json
import os
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from broker import Broker, Listener, Tls
from tests.machine import needs
from tests.npm import install

from .certificates import Certificates
from .support import running

WAYS = ("tcp", "tls", "ws", "wss")
DEADLINE = 20.0


@asynccontextmanager
async def on_all_ways(certs: Certificates) -> AsyncIterator[Broker]:
    """Run a broker with every kind of listener."""
    tls = Tls(certs.folder / "server.pem", certs.folder / "server.key")
    async with running(
        tcp=Listener(),
        tls=Listener(tls=tls),
        ws=Listener(kind="http"),
        wss=Listener(kind="http", tls=tls),
    ) as broker:
        yield broker


class Paho:
    """A paho client whose messages can be waited for."""

    def __init__(self, broker: Broker, way: str, certs: Certificates, **options: Any) -> None:
        transport: Literal["websockets", "tcp"] = "websockets" if way[0] == "w" else "tcp"
        self.client = paho.Client(CallbackAPIVersion.VERSION2, transport=transport, **options)
        if way in ("tls", "wss"):
            self.client.tls_set_context(certs.client_context())
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.subscribed = threading.Event()
        self.ready = threading.Event()
        self.flags: Any = None
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_connect = self._on_connect
        self.address = broker.addresses[way]

    def _on_connect(self, _client: object, _data: object, flags: Any, *_: object) -> None:
        self.flags = flags
        self.ready.set()

    def __enter__(self) -> Self:
        self.client.connect(*self.address, keepalive=30)
        self.client.loop_start()
        assert self.ready.wait(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic: str, qos: int) -> None:
        """Subscribe and wait."""
        self.subscribed.clear()
        self.client.subscribe(topic, qos)
        assert self.subscribed.wait(DEADLINE)

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        """Publish and wait for the acknowledgement."""
        self.client.publish(topic, payload, qos, retain).wait_for_publish(DEADLINE)

    def get(self) -> paho.MQTTMessage:
        """Return the next message."""
        return self.messages.get(timeout=DEADLINE)

    def vanish(self) -> None:
        """Cut the connection without DISCONNECT."""
        self.client.loop_stop()
        sock = self.client.socket()
        assert sock is not None
        sock.close()


def _play(broker: Broker, way: str, certs: Certificates) -> None:
    """Go through QoS, retained, will and persistent session."""
    with Paho(broker, way, certs, client_id="reader") as reader:
        reader.subscribe(f"{way}/#", 2)
        with Paho(broker, way, certs, client_id="writer") as writer:
            for qos in range(3):
                writer.publish(f"{way}/q", b"%d" % qos, qos)
            writer.publish(f"{way}/kept", b"kept", 1, retain=True)
        got = [reader.get() for _ in range(4)]
        # paho shows a QoS 2 message at its PUBREL, so the next one may come before it.
        seen = sorted((m.payload, m.qos) for m in got)
        assert seen == [(b"0", 0), (b"1", 1), (b"2", 2), (b"kept", 1)]
        reader.subscribe(f"{way}/kept", 1)
        assert reader.get().retain
        dying = Paho(broker, way, certs, client_id="dying")
        dying.client.will_set(f"{way}/will", b"gone", 1)
        with dying:
            dying.vanish()
        assert reader.get().payload == b"gone"
    for turn in range(2):
        with Paho(broker, way, certs, client_id="kept", clean_session=False) as kept:
            assert kept.flags.session_present is bool(turn)
            if not turn:
                kept.subscribe(f"{way}/away", 1)
            else:
                assert kept.get().payload == b"while away"
        if not turn:
            with Paho(broker, way, certs) as writer:
                writer.publish(f"{way}/away", b"while away", 1)


@pytest.mark.filterwarnings("ignore:unclosed")  # paho leaves cut sockets to the collector
@pytest.mark.parametrize("way", WAYS)
async def test_paho(way: str, certs: Certificates) -> None:
    """Paho works at every QoS, with wills, retained messages and persistent sessions."""
    async with on_all_ways(certs) as broker:
        await asyncio.to_thread(_play, broker, way, certs)
        assert broker.counters["internal_errors"] == 0


@pytest.mark.parametrize("way", WAYS)
async def test_aiomqtt(way: str, certs: Certificates) -> None:
    """Aiomqtt works at every QoS."""
    async with on_all_ways(certs) as broker:
        host, port = broker.addresses[way]
        options: dict[str, Any] = {"transport": "websockets" if way[0] == "w" else "tcp"}
        if way in ("tls", "wss"):
            options["tls_context"] = certs.client_context()
        if way[0] == "w":
            options["websocket_path"] = "/mqtt"
        async with asyncio.timeout(DEADLINE), aiomqtt.Client(host, port, **options) as client:
            await client.subscribe("t/#", 2)
            for qos in range(3):
                await client.publish(f"t/{qos}", b"x" * 5_000 * qos, qos)
            got = [await anext(client.messages) for _ in range(3)]
            assert [(m.qos, len(m.payload)) for m in got] == [(0, 0), (1, 5_000), (2, 10_000)]


@needs("mosquitto_pub", "mosquitto_sub")
@pytest.mark.parametrize("way", ["tcp", "tls"])
async def test_mosquittos_clients(way: str, certs: Certificates) -> None:
    """mosquitto_pub and mosquitto_sub work at every QoS, also with a session that waits."""
    async with on_all_ways(certs) as broker:
        host, port = broker.addresses[way]
        where = ["-h", host, "-p", str(port)]
        where += ["--cafile", str(certs.authority)] if way == "tls" else []

        async def run(*command: str) -> str:
            process = await asyncio.create_subprocess_exec(
                command[0], *where, *command[1:],
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            async with asyncio.timeout(DEADLINE):
                out, error = await process.communicate()
            assert process.returncode == 0, error
            return out.decode()

        session = ("-i", "sub", "-c", "-q", "2", "-t", "t/#", "-V", "mqttv311")
        await run("mosquitto_sub", *session, "-E")
        for qos in range(3):
            await run("mosquitto_pub", "-t", f"t/{qos}", "-m", f"qos {qos}", "-q", str(qos))
        out = await run("mosquitto_sub", *session, "-C", "2", "-F", "%t %q %p")
        assert out.split("\n") == ["t/1 1 qos 1", "t/2 2 qos 2", ""]
        await run("mosquitto_pub", "-t", "r", "-m", "kept", "-r")
        out = await run("mosquitto_sub", "-t", "r", "-C", "1", "-F", "%r %p")
        assert out == "1 kept\n"


SCRIPT = r"""
const mqtt = require('mqtt')
const fs = require('fs')
const options = { protocolVersion: 4, ca: [fs.readFileSync(process.argv[3])], reconnectPeriod: 0 }
const connect = (more) => mqtt.connect(process.argv[2], { ...options, ...more })
const got = []
const reader = connect({ clientId: 'reader' })
reader.on('error', (error) => { console.error(error); process.exit(1) })
reader.on('message', (topic, payload, packet) => {
  got.push([topic, payload.length, packet.qos, packet.retain])
  if (got.length === 4) {
    console.log(JSON.stringify(got))
    reader.end(false, () => process.exit(0))
  }
})
reader.on('connect', () => reader.subscribe({ 't/#': { qos: 2 }, will: { qos: 1 } }, () => {
  const writer = connect({ clientId: 'writer', will: { topic: 'will', payload: 'gone', qos: 1 } })
  writer.on('connect', async () => {
    await writer.publishAsync('t/0', 'x')
    await writer.publishAsync('t/1', Buffer.alloc(100000), { qos: 1, retain: true })
    await writer.publishAsync('t/2', 'xx', { qos: 2 })
    writer.stream.destroy()
  })
}))
"""


@pytest.fixture(scope="session")
def mqtt_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that contains MQTT.js, or skip."""
    folder = install(tmp_path_factory.mktemp("mqtt-js"), "mqtt@5")
    (folder / "play.js").write_text(SCRIPT)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_mqtt_js(way: str, certs: Certificates, mqtt_js: Path) -> None:
    """MQTT.js works at every QoS, with retained messages and wills."""
    async with on_all_ways(certs) as broker:
        host, port = broker.addresses[way]
        scheme = {"tcp": "mqtt", "tls": "mqtts"}.get(way, way)
        process = await asyncio.create_subprocess_exec(
            "node", "play.js", f"{scheme}://{host}:{port}/mqtt", str(certs.authority),
            cwd=mqtt_js, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=dict(os.environ),
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        # MQTT.js shows a QoS 2 message at its PUBREL, so the will may come before it.
        assert sorted(json.loads(out)) == [
            ["t/0", 1, 0, False],
            ["t/1", 100_000, 1, False],
            ["t/2", 2, 2, False],
            ["will", 4, 1, False],
        ]
