"""Checks of a box's certificate: dates, key, chain, addresses."""

import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from session_controller.errors import CertificateError
from session_controller.preflight.database import can_decrypt
from session_controller.preflight.finding import Finding, Level, critical, note, ok, warning
from session_controller.preflight.subject import Subject
from session_controller.security.certificates import Hosts, hosts_of, permitted
from session_controller.security.encryption import BoxKeyError, required_box_keys
from session_controller.security.machine import LOCAL, this_machine
from session_controller.security.own_tls import OwnTls, key_fits, read_certificates

_CHECK = "certificate"
_WARN_BEFORE = timedelta(days=30)
_NEW_CA_BEFORE = timedelta(days=365)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_RENEW = "handrail tls renew"
_REPLACE = "put a new certificate in its place, then systemctl reload handrail"
_NEW_CA = "handrail tls create --force, then trust the new CA on each screen"


def certificate_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the certificate that a box of this folder uses; never raises."""
    start, own = subject.start, OwnTls(subject.data)
    if start.tls_off or start.broker:
        return
    if start.certificate is not None:
        yield from _checked(subject, *start.certificate, None)
    elif own.lacks_ca:
        yield from ca_findings(subject)
    elif own.exists:
        yield from _checked(subject, own.certificate_file, own.key_file, own)
    else:
        text = "there is none: the box does not use TLS"
        yield note(_CHECK, text, "before screens on the network connect: handrail tls create")


def ca_findings(subject: Subject) -> Iterator[Finding]:
    """Yield that the box's CA is gone: a box would start without TLS, which screens refuse."""
    start, own = subject.start, OwnTls(subject.data)
    if start.tls_off or start.broker or start.certificate is not None or not own.lacks_ca:
        return
    text = f"{own.ca_file} is missing: screens trust it, and the box would serve without TLS"
    yield critical("certificate-ca", text, f"put it back, if there is a copy; or: {_NEW_CA}")


def _checked(
    subject: Subject, certificate: Path, key: Path, own: OwnTls | None
) -> Iterator[Finding]:
    renew = _REPLACE if own is None else _RENEW
    try:
        chain = read_certificates(certificate)
        found = [
            *_dates(chain[0], certificate, subject.at, renew),
            *_key(chain[0], certificate, key, renew),
            *(_signatures(chain, certificate) if own is None else _own(own, subject)),
        ]
        notes = [
            *_hosts(chain[0], renew),
            *_host(chain[0], subject.start.host, own),
            *(_end_of_ca(own, subject.at) if own else ()),
        ]
    except CertificateError as error:
        yield critical(_CHECK, str(error), renew)
        return
    except OSError as error:
        yield critical(_CHECK, f"{error.filename or certificate}: {error.strerror}", renew)
        return
    if not found:
        yield ok(_CHECK, f"valid until {chain[0].not_valid_after_utc:%Y-%m-%d}, and fits its key")
    yield from (*found, *notes)


def _dates(leaf: x509.Certificate, path: Path, at: datetime, renew: str) -> Iterator[Finding]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if at < begin:
        text = f"{path} is not valid before {begin:%Y-%m-%d}"
        yield critical(_CHECK, text, f"check the clock of this machine, or: {renew}")
    elif end <= at:
        text = f"{path} expired on {end:%Y-%m-%d}, so screens cannot connect"
        yield critical(_CHECK, text, renew)
    elif end - at < _WARN_BEFORE:
        yield warning(_CHECK, f"{path} expires on {end:%Y-%m-%d}", renew)


def _key(leaf: x509.Certificate, path: Path, key: Path, renew: str) -> Iterator[Finding]:
    if not key_fits(leaf, key.read_bytes()):
        text = f"{key} is not the key of {path} (PEM, no password)"
        yield critical(_CHECK, text, renew)
    if key.stat().st_mode & _OTHERS:
        text = f"other users can read the key {key}"
        fix = partial(key.chmod, 0o600)
        yield Finding("certificate-key", Level.WARNING, text, f"chmod 600 {key}", fix)


def _signatures(chain: list[x509.Certificate], path: Path) -> Iterator[Finding]:
    """Yield what keeps screens from following the certificates of a file to their CA."""
    for each, issuer in pairwise(chain):
        try:
            each.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            text = f"{path} does not contain the certificate's chain in order"
            mend = "write each certificate, then the one that signed it, into the file"
            yield critical(_CHECK, text, mend)
            return


def _own(own: OwnTls, subject: Subject) -> Iterator[Finding]:
    fits = own.fits()
    if (problem := _ca_problem(own, subject)) is not None:
        make = warning if fits else critical
        yield make("certificate-ca", problem, _NEW_CA)
    elif not fits:
        yield critical(_CHECK, "the box's certificate does not fit its CA", _RENEW)


def _ca_problem(own: OwnTls, subject: Subject) -> str | None:
    """Return why the CA cannot be used, as far as this process can tell, or None."""
    try:
        own.ca()
        if can_decrypt(subject):
            own.open_ca(required_box_keys(subject.data))
    except (BoxKeyError, CertificateError) as error:
        return str(error)
    return None


def _end_of_ca(own: OwnTls, at: datetime) -> Iterator[Finding]:
    """Yield when the box's CA ends, in its last year: each screen must trust another by then."""
    try:
        end = own.ca().not_valid_after_utc
    except CertificateError:  # named already
        return
    if end - at < _NEW_CA_BEFORE:
        yield warning("certificate-ca", f"the box's CA expires on {end:%Y-%m-%d}", _NEW_CA)


def _host(leaf: x509.Certificate, host: str | None, own: OwnTls | None) -> Iterator[Finding]:
    """Yield that the certificate is not for the name or address in links to the box."""
    if host is None:
        return
    there, wanted = hosts_of(leaf), _as_hosts(host)
    if any(map(_covers(host), there.names)) or any(a in there.addresses for a in wanted.addresses):
        return
    text = f"it is not for {host}, which is `host` in [site]: screens that follow a link refuse it"
    yield warning("certificate-names", text, _renewed_for(host, there, own))


def _as_hosts(host: str) -> Hosts:
    try:
        return Hosts((), (ip_address(host),))
    except ValueError:
        return Hosts((host,), ())


def _covers(host: str) -> Callable[[str], bool]:
    """Return whether a name of a certificate is for a host; RFC 6125, 6.4.3."""
    return lambda name: host == name.lower() or name.lower() == f"*.{host.partition('.')[2]}"


def _renewed_for(host: str, there: Hosts, own: OwnTls | None) -> str:
    """Return the command for a certificate that is for a host, too."""
    if own is None:
        return f"put a certificate for {host} in its place, or correct `host` in [site]"
    wanted = _as_hosts(host)
    names = [name for name in there.names if name not in LOCAL.names]
    addresses = [each for each in there.addresses if not each.is_loopback]
    options = [f"--name {name}" for name in (*names, *wanted.names)]
    options += [f"--address {each}" for each in (*addresses, *wanted.addresses)]
    if permitted(own.ca(), wanted) == wanted:
        return " ".join((_RENEW, *options))
    made = " ".join(("handrail tls create --force", *options))
    return f"{made}; then trust the new CA on each screen"


def _hosts(leaf: x509.Certificate, renew: str) -> Iterator[Finding]:
    """Yield under which addresses of this machine screens refuse the certificate."""
    there = hosts_of(leaf).addresses
    missing = [str(each) for each in this_machine().addresses if each not in there]
    if missing:
        text = f"it is not for {', '.join(missing)}: screens that use such an address refuse it"
        yield note("certificate-names", text, f"use a name that it has, or: {renew}")
