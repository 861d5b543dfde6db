"""The box's own CA and certificate: what they are for, how long, and who can sign with them."""

import json
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from session_controller.errors import CertificateError
from session_controller.security.certificates import Hosts, hosts_of, is_host_name, issue
from session_controller.security.encryption import BoxKeys, new_key
from session_controller.security.machine import this_machine
from session_controller.security.own_tls import TLS_FILES, OwnTls, WantedHosts, parse_wanted

NOW = datetime.now(UTC).replace(microsecond=0)
"""The real time: `ssl` verifies with the clock of this machine."""
MACHINE = Hosts(("box.local", "box"), (ip_address("192.168.1.5"),))
FIRST = new_key()
KEYS = BoxKeys([FIRST])


class Machine:
    """A machine whose names and addresses a test changes."""

    def __init__(self) -> None:
        self.hosts = MACHINE

    def __call__(self) -> Hosts:
        """Return its names and addresses."""
        return self.hosts


@pytest.fixture
def machine() -> Machine:
    """Return a machine."""
    return Machine()


@pytest.fixture
def own(tmp_path: Path, machine: Machine) -> OwnTls:
    """Return a CA and a certificate for a machine."""
    made = OwnTls(tmp_path, machine)
    made.create("clinic", WantedHosts(), KEYS, NOW)
    return made


def _verify(own: OwnTls, host: x509.DNSName | x509.IPAddress, at: datetime = NOW) -> None:
    """Verify as a browser does. Raises VerificationError."""
    policy = PolicyBuilder().store(Store([own.ca()])).time(at)
    policy.build_server_verifier(host).verify(own.certificate(), [])


def _handshake(own: OwnTls, name: str) -> None:
    """Shake hands in memory with a client that trusts the CA only. Raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own.certificate_file, own.key_file)
    client = ssl.create_default_context(cafile=str(own.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(back, there, server_hostname=name),
        server.wrap_bio(there, back, server_side=True),
    ]
    while sides:
        try:
            sides[0].do_handshake()
            sides.pop(0)
        except ssl.SSLWantReadError:
            sides.reverse()


@pytest.mark.parametrize("host", ["box.local", "box", "localhost"])
def test_a_device_that_trusts_the_ca_trusts_the_box(own: OwnTls, host: str) -> None:
    """By each of its names and addresses, for cryptography and for OpenSSL in strict mode."""
    _verify(own, x509.DNSName(host))
    _handshake(own, host)
    for address in ("192.168.1.5", "127.0.0.1", "::1"):
        _verify(own, x509.IPAddress(ip_address(address)))
        _handshake(own, address)
    with pytest.raises(VerificationError):
        _verify(own, x509.DNSName("other.local"))
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(own, "192.168.1.6")


def test_the_certificates_are_what_devices_accept(own: OwnTls) -> None:
    """P-256; ten years and at most 397 days; a CA for servers alone, without CAs below it."""
    ca, leaf = own.ca(), own.certificate()
    assert ca.subject.rfc4514_string() == "CN=Handrail CA of clinic"
    assert ca.not_valid_after_utc - ca.not_valid_before_utc == timedelta(days=3653)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=397)
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [*extended] == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert ca.signature_hash_algorithm is not None
    assert ca.signature_hash_algorithm.name == "sha256"
    assert ca.public_key().key_size == leaf.public_key().key_size == 256  # type: ignore[union-attr]


@pytest.mark.parametrize("host", ["example.org", "box.local.example.org", "8.8.8.8"])
def test_a_stolen_ca_cannot_sign_for_the_internet(own: OwnTls, host: str) -> None:
    """Its name constraints are critical, and verifiers keep them."""
    ca = own.open_ca(KEYS)
    name = is_host_name(host)
    hosts = Hosts((host,), ()) if name else Hosts((), (ip_address(host),))
    forged = issue(ca, "clinic", hosts, NOW)
    own.certificate_file.write_bytes(forged.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(VerificationError):
        _verify(own, x509.DNSName(host) if name else x509.IPAddress(ip_address(host)))
    constraints = own.ca().extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical


def test_the_key_of_the_ca_is_worthless_without_the_box_key(own: OwnTls, tmp_path: Path) -> None:
    """Nothing in the folder is the key itself; another box key does not open it."""
    stored = (tmp_path / "tls" / "ca.key").read_bytes()
    key = own.open_ca(KEYS).key.private_numbers().private_value.to_bytes(32, "big")
    assert key not in b"".join((tmp_path / name).read_bytes() for name in TLS_FILES)
    with pytest.raises(CertificateError, match="another box key"):
        own.open_ca(BoxKeys([new_key()]))
    second = new_key()
    both = BoxKeys([second, FIRST])
    own.rewrap(both)
    assert (tmp_path / "tls" / "ca.key").read_bytes() != stored
    assert own.open_ca(BoxKeys([second])).certificate == own.ca()


def test_only_the_owner_reads_the_files(own: OwnTls, tmp_path: Path) -> None:
    """Mode 0600, in a folder of mode 0700; all of them are in `TLS_FILES`."""
    folder = tmp_path / "tls"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert {f"tls/{path.name}" for path in folder.iterdir()} == {*TLS_FILES}
    assert own.exists


def test_renewal_keeps_the_ca_and_the_hosts(own: OwnTls, machine: Machine) -> None:
    """What is not named is as before: chosen names are kept, addresses follow the machine."""
    ca, before = own.ca(), own.certificate()
    own.renew("clinic", parse_wanted(["Clinic.local."], None), KEYS, NOW)
    assert own.hosts().names == ("clinic.local", "localhost")
    machine.hosts = Hosts(("new.local",), (ip_address("192.168.1.9"),))
    own.renew("clinic", None, KEYS, NOW)
    assert own.hosts().names == ("clinic.local", "localhost")
    assert ip_address("192.168.1.9") in own.hosts().addresses
    assert ip_address("192.168.1.5") not in own.hosts().addresses
    own.renew("clinic", parse_wanted(None, ["10.0.0.1"]), KEYS, NOW)
    assert own.hosts().names == ("clinic.local", "localhost")
    assert [*map(str, own.hosts().addresses)] == ["10.0.0.1", "127.0.0.1", "::1"]
    assert own.ca() == ca
    assert own.certificate().public_key() != before.public_key()
    _verify(own, x509.DNSName("clinic.local"))


def test_a_ca_signs_for_public_hosts_that_it_was_created_with(
    tmp_path: Path, machine: Machine
) -> None:
    """And refuses others, by name, without a change."""
    own = OwnTls(tmp_path, machine)
    wanted = parse_wanted(["checkin.example.org"], ["203.0.113.7"])
    own.create("clinic", wanted, KEYS, NOW)
    _verify(own, x509.DNSName("checkin.example.org"))
    _verify(own, x509.IPAddress(ip_address("203.0.113.7")))
    before = own.certificate()
    for refused in (parse_wanted(["example.org"], None), parse_wanted(None, ["203.0.113.8"])):
        with pytest.raises(CertificateError, match="may not sign for"):
            own.renew("clinic", refused, KEYS, NOW)
    assert own.certificate() == before


@pytest.mark.parametrize(
    ("names", "addresses"),
    [(["a b"], None), ([""], None), (["192.168.1.5"], None), (["-a.local"], None), (None, ["box"])],
)
def test_what_is_no_host_is_refused(names: list[str] | None, addresses: list[str] | None) -> None:
    """With a sentence that names it."""
    with pytest.raises(CertificateError, match="such as"):
        parse_wanted(names, addresses)


def test_it_is_due_when_a_third_of_its_life_is_left(own: OwnTls) -> None:
    """And while it is not valid yet, because the clock was wrong when it was made."""
    begin = own.certificate().not_valid_before_utc
    two_thirds = begin + timedelta(days=397) * 2 / 3
    assert own.due(NOW) is None
    assert own.due(two_thirds - timedelta(minutes=1)) is None
    assert own.due(two_thirds + timedelta(minutes=1)) == "it is about to expire"
    assert own.due(begin - timedelta(days=1)) == "it is not valid yet"


def test_it_is_due_when_the_machine_has_another_address_or_name(
    own: OwnTls, machine: Machine
) -> None:
    """One more counts, one less does not, and none that the CA may not sign for."""
    changed = "the names or addresses of this machine changed"
    machine.hosts = Hosts(("box.local",), ())
    assert own.due(NOW) is None
    machine.hosts = Hosts(("public.example.org",), (ip_address("8.8.8.8"),))
    assert own.due(NOW) is None
    machine.hosts = Hosts(("box.local",), (ip_address("192.168.1.6"),))
    assert own.due(NOW) == changed
    machine.hosts = Hosts(("other.local",), ())
    assert own.due(NOW) == changed
    own.renew("clinic", None, KEYS, NOW)
    assert own.due(NOW) is None
    own.renew("clinic", parse_wanted(["a.local"], ["10.0.0.1"]), KEYS, NOW)
    machine.hosts = Hosts(("b.local",), (ip_address("10.0.0.2"),))
    assert own.due(NOW) is None


@pytest.mark.parametrize("name", ["box.pem", "box.key", "ca.pem"])
def test_what_an_interruption_left_is_made_again(own: OwnTls, tmp_path: Path, name: str) -> None:
    """A certificate, a key or a CA that does not fit the others, or is absent, is due."""
    folder = tmp_path / "tls"
    other = OwnTls(tmp_path / "other", lambda: MACHINE)
    (tmp_path / "other").mkdir()
    other.create("clinic", WantedHosts(), KEYS, NOW)
    shutil.copy(tmp_path / "other" / "tls" / name, folder / name)
    assert own.due(NOW) == "it does not fit its key or its CA"
    (folder / name).write_text("damaged")
    assert own.due(NOW) == "it does not fit its key or its CA"
    if name != "ca.pem":
        (folder / name).unlink()
        own.renew("clinic", None, KEYS, NOW)
        assert own.due(NOW) is None


def test_no_certificate_outlives_its_ca(own: OwnTls) -> None:
    """In the last year of the CA it is shorter; an expired CA signs nothing."""
    end = own.ca().not_valid_after_utc
    own.renew("clinic", None, KEYS, end - timedelta(days=100))
    assert own.certificate().not_valid_after_utc == end
    with pytest.raises(CertificateError, match="the CA has expired"):
        own.renew("clinic", None, KEYS, end)


def test_the_page_to_trust_is_at_the_chosen_name_or_an_address(
    own: OwnTls, machine: Machine
) -> None:
    """An address works without DNS; a name that was chosen is meant to be used."""
    assert own.host() == "192.168.1.5"
    own.renew("clinic", parse_wanted(["clinic.local"], None), KEYS, NOW)
    assert own.host() == "clinic.local"
    machine.hosts = Hosts(("box.local",), ())
    own.create("clinic", WantedHosts(), KEYS, NOW)
    assert own.host() == "box.local"


def test_damaged_choices_are_those_of_the_machine(own: OwnTls, tmp_path: Path) -> None:
    """A file that was changed by hand does not keep a box from renewing."""
    for content in ("{", json.dumps({"names": ["a b"], "addresses": None}), "[]"):
        (tmp_path / "tls" / "hosts.json").write_text(content)
        own.renew("clinic", None, KEYS, NOW)
        assert hosts_of(own.certificate()).names == ("box.local", "box", "localhost")


def test_this_machine_has_private_addresses_only() -> None:
    """No loopback, no public one, and names that a certificate can have."""
    found = this_machine()
    assert all(is_host_name(name) for name in found.names)
    assert not [one for one in found.addresses if one.is_loopback or one.is_global]
