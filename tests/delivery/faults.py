"""Servers that have one fault each, over real sockets."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """A CA that signs certificates with any dates and names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.file = folder / "authority.pem"
        made = self._made(self._name, self._key.public_key(), (-9 * DAY, 99 * DAY))
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        signed = made.add_extension(constraints, critical=True).sign(self._key, SHA256())
        self.file.write_bytes(signed.public_bytes(Encoding.PEM))

    def _made(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, span: tuple[timedelta, timedelta]
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + span[0])
            .not_valid_after(now + span[1])
        )

    def context(
        self,
        span: tuple[timedelta, timedelta] = (-DAY, 90 * DAY),
        address: str = "127.0.0.1",
    ) -> ssl.SSLContext:
        """Return the TLS context of a server whose certificate is for these days and address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
        made = self._made(name, key.public_key(), span).add_extension(names, critical=False)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self.folder / "server.pem"
        certificate = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
        file.write_bytes(private + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def old_tls(context: ssl.SSLContext) -> ssl.SSLContext:
    """Allow versions of TLS only that nobody uses any more."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@contextmanager
def refusing(context: ssl.SSLContext) -> Iterator[int]:
    """Refuse handshakes with the alert that OpenSSL sends; gives the port.

    In a thread: asyncio closes the socket before the alert is sent.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listener.accept()
                with accepted, suppress(OSError):
                    accepted.settimeout(5)
                    context.wrap_socket(accepted, server_side=True).close()

    thread = threading.Thread(target=serve, name="old-server")
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@asynccontextmanager
async def silent(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Accept connections, and never say anything; gives the port."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


@asynccontextmanager
async def swallowing_broker() -> AsyncIterator[int]:
    """Accept MQTT connections, answer pings, and acknowledge no message; gives the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while kind := await reader.read(4096):
            if kind[0] >> 4 == 1:
                writer.write(bytes([0x20, 2, 0, 0]))  # CONNACK (MQTT 3.1.1, 3.2)
            elif kind[0] >> 4 == 12:
                writer.write(bytes([0xD0, 0]))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
