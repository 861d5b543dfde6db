"""The box's own CA and certificate in the data folder, in `tls/`.

`ca.pem` and `box.pem` are certificates, `box.key` is the key of the latter. `ca.key` is the CA's
key, wrapped by the box key: a copy of the folder without the box key cannot sign anything.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from session_controller.errors import CertificateError
from session_controller.security.certificates import (
    Address,
    Hosts,
    Issued,
    create_ca,
    fingerprint,
    hosts_of,
    is_host_name,
    issue,
    permitted,
)
from session_controller.security.encryption import BoxKeyError, BoxKeys, DecryptionError
from session_controller.security.files import write_private
from session_controller.security.machine import LOCAL, this_machine

FOLDER = "tls"
_CA, _CA_KEY, _BOX, _BOX_KEY, _HOSTS = "ca.pem", "ca.key", "box.pem", "box.key", "hosts.json"
TLS_FILES = tuple(f"{FOLDER}/{name}" for name in (_CA, _CA_KEY, _BOX, _BOX_KEY, _HOSTS))
"""What a backup holds of them."""
_WRAPPED_AS = "tls-ca"
_RENEWED_AT = 3
"""A certificate is renewed when a third of its life is left: four months to notice a failure."""


@dataclass(frozen=True, slots=True)
class WantedHosts:
    """For which names and addresses the certificate is; None: those of the machine at the time."""

    names: tuple[str, ...] | None = None
    addresses: tuple[Address, ...] | None = None


class OwnTls:
    """The CA and the certificate of one data folder."""

    def __init__(self, data: Path, machine: Callable[[], Hosts] = this_machine) -> None:
        self._data = data
        self._folder = data / FOLDER
        self._machine = machine
        self.ca_file = self._folder / _CA
        self.certificate_file = self._folder / _BOX
        self.key_file = self._folder / _BOX_KEY

    @property
    def exists(self) -> bool:
        """Whether a CA was created."""
        return self.ca_file.exists()

    @property
    def lacks_ca(self) -> bool:
        """Whether the CA's certificate is gone, and others of the files are there."""
        others = (self.certificate_file, self.key_file, self._folder / _CA_KEY)
        return not self.exists and any(path.exists() for path in others)

    def create(self, site: str, wanted: WantedHosts, keys: BoxKeys, at: datetime) -> None:
        """Create a CA, in place of the one that there is, and a certificate.

        Raises `CertificateError`, `OSError`.
        """
        hosts = self._hosts(wanted)
        ca = create_ca(site, hosts, at)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._write_ca_key(keys, _der(ca.key))
        write_private(self.ca_file, ca.certificate.public_bytes(Encoding.PEM))
        self._write(issue(ca, site, hosts, at), wanted)

    def renew(self, site: str, wanted: WantedHosts | None, keys: BoxKeys, at: datetime) -> None:
        """Create a certificate with a new key; what `wanted` does not name is as before.

        Raises `CertificateError`, `OSError`.
        """
        ca = self.open_ca(keys)
        if ca.certificate.not_valid_after_utc <= at:
            raise CertificateError(f"the CA has expired; {_AGAIN}")
        kept = _merged(wanted or WantedHosts(), self._wanted())
        hosts = self._hosts(kept)
        allowed = permitted(ca.certificate, hosts)
        _refuse(set(kept.names or ()) - set(allowed.names))
        _refuse(set(kept.addresses or ()) - set(allowed.addresses))
        self._write(issue(ca, site, allowed, at), kept)

    def due(self, at: datetime) -> str | None:
        """Return why the certificate must be renewed, or None. Raises `CertificateError`."""
        if not self.fits():
            return "it does not fit its key or its CA"
        certificate = self.certificate()
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not begin <= at < end - (end - begin) / _RENEWED_AT:
            return "it is about to expire" if begin <= at else "it is not valid yet"
        if self.missing():
            return "the names or addresses of this machine changed"
        return None

    def fits(self) -> bool:
        """Return whether the certificate, its key and the CA are there and fit."""
        try:
            certificate, ca = self.certificate(), self.ca()
            fits = key_fits(certificate, self.key_file.read_bytes())
        except (CertificateError, OSError):
            return False
        return fits and _signed_by(certificate, ca)

    def missing(self) -> list[str]:
        """Return what this machine is called and the certificate lacks; raises as `ca`."""
        wanted, there = permitted(self.ca(), self._hosts(self._wanted())), self.hosts()
        names = [name for name in wanted.names if name not in there.names]
        return names + [str(each) for each in wanted.addresses if each not in there.addresses]

    def ca(self) -> x509.Certificate:
        """Return the CA's certificate. Raises `CertificateError`."""
        return read_certificates(self.ca_file)[0]

    def certificate(self) -> x509.Certificate:
        """Return the certificate of the box. Raises `CertificateError`."""
        return read_certificates(self.certificate_file)[0]

    def hosts(self) -> Hosts:
        """Return for what the certificate is. Raises `CertificateError`."""
        return hosts_of(self.certificate())

    def host(self, announced: str | None = None) -> str:
        """Return the name or address to reach the box at: announced, chosen, or without DNS."""
        hosts, wanted = self.hosts(), self._wanted()
        if announced is not None and announced in hosts.names:
            return announced
        addresses = [str(a) for a in hosts.addresses if a.version == 4 and not a.is_loopback]  # noqa: PLR2004
        names = [name for name in hosts.names if name not in LOCAL.names]
        best = [*names, *addresses] if wanted.names else [*addresses, *names]
        return next(iter(best), LOCAL.names[0])

    def facts(self) -> dict[str, Any]:
        """Return names, dates and fingerprints, as JSON. Raises `CertificateError`."""
        ca, certificate, hosts = self.ca(), self.certificate(), self.hosts()
        name = ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return {
            "names": list(hosts.names),
            "addresses": [str(each) for each in hosts.addresses],
            **_validity(certificate),
            "ca": {"name": name, **_validity(ca), "file": str(self.ca_file)},
        }

    def rewrap(self, keys: BoxKeys) -> None:
        """Wrap the CA's key with the first of the box keys. Raises `OSError`."""
        with suppress(CertificateError):  # absent, or of no use before either
            self._write_ca_key(keys, self._ca_key(keys))

    def _write_ca_key(self, keys: BoxKeys, key: bytes) -> None:
        write_private(self._folder / _CA_KEY, keys.wrap(key, _WRAPPED_AS))

    def _ca_key(self, keys: BoxKeys) -> bytes:
        path = self._folder / _CA_KEY
        try:
            return keys.unwrap(path.read_bytes(), _WRAPPED_AS)
        except (BoxKeyError, DecryptionError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CertificateError(f"{path} cannot be used: {why}; {_AGAIN}") from None

    def open_ca(self, keys: BoxKeys) -> Issued:
        """Return the CA with its key. Raises `CertificateError`."""
        key = load_der_private_key(self._ca_key(keys), None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise CertificateError(f"{self._folder / _CA_KEY} is not the key of a CA; {_AGAIN}")
        if key.public_key() != self.ca().public_key():
            problem = f"{self._folder / _CA_KEY} is not the key of {self.ca_file}"
            raise CertificateError(f"{problem}; {_AGAIN}")
        return Issued(self.ca(), key)

    def _wanted(self) -> WantedHosts:
        try:
            return parse_wanted(**json.loads((self._folder / _HOSTS).read_bytes()))
        except (OSError, ValueError, TypeError, CertificateError):
            return WantedHosts()

    def _hosts(self, wanted: WantedHosts) -> Hosts:
        machine = self._machine()
        names = machine.names if wanted.names is None else wanted.names
        addresses = machine.addresses if wanted.addresses is None else wanted.addresses
        return Hosts(
            tuple(dict.fromkeys([*names, *LOCAL.names])),
            tuple(dict.fromkeys([*addresses, *LOCAL.addresses])),
        )

    def _write(self, issued: Issued, wanted: WantedHosts) -> None:
        key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        hosts = {
            "names": wanted.names,
            "addresses": wanted.addresses and [str(each) for each in wanted.addresses],
        }
        write_private(self._folder / _HOSTS, json.dumps(hosts).encode())
        # If interrupted in between, they do not fit, and a box makes both again.
        write_private(self.key_file, key)
        write_private(self.certificate_file, issued.certificate.public_bytes(Encoding.PEM))


_AGAIN = (
    "make a new CA with `handrail tls create --force`, and trust it on each screen, or restore "
    "a backup"
)


def parse_wanted(names: Iterable[str] | None, addresses: Iterable[str] | None) -> WantedHosts:
    """Return the names and addresses that a person wrote. Raises `CertificateError`."""
    found = None if not names else tuple(name.lower().rstrip(".") for name in names)
    for name in found or ():
        if not is_host_name(name):
            raise CertificateError(f"{name!r} is not a host name, such as clinic.local")
    try:
        return WantedHosts(found, None if not addresses else tuple(map(ip_address, addresses)))
    except ValueError as error:
        raise CertificateError(f"{error}, such as 192.168.1.5") from None


def _merged(wanted: WantedHosts, kept: WantedHosts) -> WantedHosts:
    return WantedHosts(
        kept.names if wanted.names is None else wanted.names,
        kept.addresses if wanted.addresses is None else wanted.addresses,
    )


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, at least one. Raises `CertificateError`."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise CertificateError(f"{path} does not contain certificates (PEM)") from None


def key_fits(certificate: x509.Certificate, key: bytes) -> bool:
    """Return whether a key in PEM without a password is the one of a certificate."""
    try:
        public = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    shape = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(*shape) == certificate.public_key().public_bytes(*shape)


def _der(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _validity(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "valid_from": f"{certificate.not_valid_before_utc:%Y-%m-%d}",
        "valid_until": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        "fingerprint": fingerprint(certificate),
    }


def _signed_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _refuse(hosts: Iterable[object]) -> None:
    """Raise `CertificateError` if there are any."""
    if refused := ", ".join(sorted(map(str, hosts))):
        raise CertificateError(
            f"the CA of this box may not sign for {refused}; make a new one with "
            "`handrail tls create --force`, and trust it on each screen"
        )
