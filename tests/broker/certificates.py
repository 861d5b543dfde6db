"""Certificates for tests: an authority, a server's and a client's (RFC 5280)."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Certificates:
    """Where the files are."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def client_context(self, *, with_certificate: bool = False) -> ssl.SSLContext:
        """Return a TLS context for a client, with a client certificate if asked for."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if with_certificate:
            context.load_cert_chain(self.folder / "client.pem", self.folder / "client.key")
        return context


@dataclass(frozen=True)
class _Issuer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    def issue(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        """Return a certificate for two days; usage and constraints are critical."""
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        for extension in extensions:
            critical = not isinstance(extension, x509.SubjectAlternativeName)
            made = made.add_extension(extension, critical=critical)
        return made.sign(self.key, SHA256())


def make(folder: Path) -> Certificates:
    """Make all files in a folder; `locked.key` is the server's key with a password."""
    name, key = _name("authority"), _key()
    authority = _Issuer(name, key)
    usage = x509.KeyUsage(**{each: each in ("key_cert_sign", "crl_sign") for each in _USAGES})
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    _save(folder, "ca", key, authority.issue(name, key.public_key(), constraints, usage))
    addresses = x509.SubjectAlternativeName(
        [x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")]
    )
    leaf = x509.BasicConstraints(ca=False, path_length=None)
    for each, extensions in (("server", (leaf, addresses)), ("client", (leaf,))):
        key = _key()
        _save(folder, each, key, authority.issue(_name(f"{each}-1"), key.public_key(), *extensions))
        if each == "server":
            (folder / "locked.key").write_bytes(_pem(key, BestAvailableEncryption(b"x")))
    return Certificates(folder)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _save(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    (folder / f"{name}.key").write_bytes(_pem(key, NoEncryption()))
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def _pem(key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
