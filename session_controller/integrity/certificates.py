"""Checks of a box's certificate for `handrail doctor`: dates, key, chain, addresses."""

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from session_controller.errors import CertificateError, StoreError
from session_controller.security.certificates import hosts_of
from session_controller.security.encryption import BoxKeyError, required_box_keys
from session_controller.security.machine import this_machine
from session_controller.security.own_tls import OwnTls, key_fits, read_certificates
from session_controller.settings import CHOSEN
from session_controller.storage.database import DATABASE
from session_controller.storage.reader import Reader

Finding = tuple[str, str, str]
"""A check, its state (`ok`, `note` or `bad`), and a sentence."""

_CHECK = "certificate"
_WARN_BEFORE = timedelta(days=30)
_NEW_CA_BEFORE = timedelta(days=365)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def certificate_findings(data: Path, at: datetime) -> list[Finding]:
    """Check the certificate that a box of this folder uses. Changes nothing; never raises."""
    chosen, own = _chosen(data), OwnTls(data)
    if "tls.certificate" in chosen and "tls.key" in chosen:
        return _checked(Path(chosen["tls.certificate"]), Path(chosen["tls.key"]), None, data, at)
    if not own.exists:
        text = "no TLS; before screens on the network connect, run `handrail tls create`"
        return [(_CHECK, "note", text)]
    return _checked(own.certificate_file, own.key_file, own, data, at)


def _chosen(data: Path) -> dict[str, str]:
    """Return the configuration of the last `handrail serve`; none if they cannot be read."""
    if (data / DATABASE).exists():
        with (
            suppress(sqlite3.Error, StoreError, ValueError),
            Reader.without_keys(data / DATABASE) as reader,
        ):
            return dict(json.loads(reader.meta(CHOSEN) or "{}"))
    return {}


def _checked(
    certificate: Path, key: Path, own: OwnTls | None, data: Path, at: datetime
) -> list[Finding]:
    try:
        chain = read_certificates(certificate)
        problems = [*_dates(chain[0], certificate, at), *_key(chain[0], key)]
        problems += _signatures(chain, certificate) if own is None else _own(own, data)
        notes = [*_hosts(chain[0]), *(_end_of_ca(own, at) if own else ())]
    except CertificateError as error:
        return [(_CHECK, "bad", str(error))]
    except OSError as error:
        return [(_CHECK, "bad", f"{error.filename or certificate}: {error.strerror}")]
    found = [(_CHECK, "bad", text) for text in problems]
    if not found:
        end = f"{chain[0].not_valid_after_utc:%Y-%m-%d}"
        found = [(_CHECK, "ok", f"valid until {end}, and fits its key")]
    return found + [(_CHECK, "note", text) for text in notes]


def _dates(leaf: x509.Certificate, path: Path, at: datetime) -> Iterator[str]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if at < begin:
        yield f"{path} is not valid before {begin:%Y-%m-%d}; check the clock of this machine"
    elif end <= at:
        yield f"{path} expired on {end:%Y-%m-%d}, so screens cannot connect; renew it"
    elif end - at < _WARN_BEFORE:
        yield f"{path} expires on {end:%Y-%m-%d}; renew it"


def _key(leaf: x509.Certificate, path: Path) -> Iterator[str]:
    if not key_fits(leaf, path.read_bytes()):
        yield f"{path} is not the key of the certificate (PEM, no password)"
    if path.stat().st_mode & _OTHERS:
        yield f"other users can access {path}; run `chmod 600 {path}`"


def _signatures(chain: list[x509.Certificate], path: Path) -> Iterator[str]:
    """Yield what keeps screens from following the certificates of a file to their CA."""
    for each, issuer in pairwise(chain):
        try:
            each.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            yield (
                f"{path} does not contain the certificate's chain in order: each certificate, "
                "then the one that signed it"
            )
            return


def _own(own: OwnTls, data: Path) -> Iterator[str]:
    if not own.fits():
        yield "the box's certificate does not fit its CA; run `handrail tls renew`"
    try:
        own.open_ca(required_box_keys(data))
    except (BoxKeyError, CertificateError) as error:
        yield str(error)


def _end_of_ca(own: OwnTls, at: datetime) -> Iterator[str]:
    """Yield when the box's CA ends, in its last year: each screen must trust another by then."""
    end = own.ca().not_valid_after_utc
    if end - at < _NEW_CA_BEFORE:
        yield (
            f"the box's CA expires on {end:%Y-%m-%d}; make another with `handrail tls create "
            "--force`, and trust it on each screen"
        )


def _hosts(leaf: x509.Certificate) -> Iterator[str]:
    """Yield under which addresses of this machine screens refuse the certificate."""
    there = hosts_of(leaf).addresses
    missing = [str(each) for each in this_machine().addresses if each not in there]
    if missing:
        yield (
            f"it is not for {', '.join(missing)}: screens that use such an address refuse it; "
            "use a name that it has, or renew it"
        )
