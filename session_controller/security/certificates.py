"""The box's own CA and its certificate (RFC 5280): ECDSA with P-256, SHA-256.

The CA signs for the names and addresses of a private network, and for those that it was created
with (RFC 5280, 4.2.1.10): whoever steals its key cannot impersonate a site on the internet.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Address = IPv4Address | IPv6Address

CA_LIFE = timedelta(days=3653)
"""Ten years: replacing a CA means a visit to each screen."""
LEAF_LIFE = timedelta(days=397)
"""The most that Apple and the CA/Browser Forum accept for certificates of servers."""
_CLOCKS_DIFFER = timedelta(days=1)
"""Certificates begin this much earlier: a tablet's clock may be slow."""
_PRIVATE_DOMAINS = ("home.arpa", "internal", "lan", "local", "localhost")
_PRIVATE_NETWORKS = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_COMMON_NAME_LENGTH = 64
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


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names and addresses of a machine."""

    names: tuple[str, ...]
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey


def is_host_name(text: str) -> bool:
    """Return whether a text is a host name in lower case (RFC 1123, 2.1), not an address."""
    last = text.rpartition(".")[2]
    return _NAME.fullmatch(text) is not None and not last.isdigit()


def create_ca(site: str, hosts: Hosts, at: datetime) -> Issued:
    """Return a new CA, which signs certificates of servers and no other CAs."""
    key = generate_private_key(SECP256R1())
    subject = _subject(f"Handrail CA of {site}")
    begin = at - _CLOCKS_DIFFER
    draft = (
        _draft(subject, subject, key.public_key(), begin, begin + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(_constraints(hosts), critical=True)
    )
    return Issued(_signed(draft, key, key.public_key()), key)


def issue(ca: Issued, site: str, hosts: Hosts, at: datetime) -> Issued:
    """Return a new certificate for a server with a new key, signed by a CA."""
    key = generate_private_key(SECP256R1())
    begin = at - _CLOCKS_DIFFER
    end = min(begin + LEAF_LIFE, ca.certificate.not_valid_after_utc)
    subject = _subject(f"Handrail box {site}")
    draft = (
        _draft(subject, ca.certificate.subject, key.public_key(), begin, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [*map(x509.DNSName, hosts.names), *map(x509.IPAddress, hosts.addresses)]
            ),
            critical=False,
        )
    )
    return Issued(_signed(draft, ca.key, ca.key.public_key()), key)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_COMMON_NAME_LENGTH])])


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    key: EllipticCurvePublicKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _signed(
    draft: x509.CertificateBuilder, key: EllipticCurvePrivateKey, issuer: EllipticCurvePublicKey
) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer)
    return draft.add_extension(identifier, critical=False).sign(key, SHA256())


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in allowed for each in _USAGES})


def _constraints(hosts: Hosts) -> x509.NameConstraints:
    domains = [*_PRIVATE_DOMAINS, *(n for n in hosts.names if not _is_within(n, _PRIVATE_DOMAINS))]
    private = [ip_network(each) for each in _PRIVATE_NETWORKS]
    networks = [*private, *(ip_network(a) for a in hosts.addresses if not _is_in(a, private))]
    return x509.NameConstraints(
        permitted_subtrees=[*map(x509.DNSName, domains), *map(x509.IPAddress, networks)],
        excluded_subtrees=None,
    )


def permitted(ca: x509.Certificate, hosts: Hosts) -> Hosts:
    """Return the names and addresses of `hosts` that a CA may sign for."""
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    subtrees = constraints.permitted_subtrees or ()
    domains = [each.value for each in subtrees if isinstance(each, x509.DNSName)]
    values = [each.value for each in subtrees if isinstance(each, x509.IPAddress)]
    networks = [each for each in values if isinstance(each, IPv4Network | IPv6Network)]
    return Hosts(
        tuple(name for name in hosts.names if _is_within(name, domains)),
        tuple(address for address in hosts.addresses if _is_in(address, networks)),
    )


def is_private(address: Address) -> bool:
    """Return whether every CA of a box may sign for an address."""
    return _is_in(address, [ip_network(each) for each in _PRIVATE_NETWORKS])


def _is_within(name: str, domains: list[str] | tuple[str, ...]) -> bool:
    return any(name == each or name.endswith(f".{each}") for each in domains)


def _is_in(address: Address, networks: list[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def hosts_of(certificate: x509.Certificate) -> Hosts:
    """Return the names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Hosts((), ())
    addresses = found.get_values_for_type(x509.IPAddress)
    return Hosts(
        tuple(found.get_values_for_type(x509.DNSName)),
        tuple(each for each in addresses if isinstance(each, Address)),
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint as devices show it: `4F:0A:…`."""
    return certificate.fingerprint(SHA256()).hex(":").upper()
