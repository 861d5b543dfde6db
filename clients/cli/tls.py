"""`handrail tls`: the box's own CA and its certificate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import SplitResult, urlsplit

import typer

from clients.cli.context import DATA, UNAVAILABLE, AsJson, Data, Failure
from clients.cli.output import print_facts, print_json, say
from session_controller.data_folder import BOX_FILE
from session_controller.errors import CertificateError, StoreBusyError, StoreError

if TYPE_CHECKING:
    from session_controller.security.encryption import BoxKeys
    from session_controller.security.own_tls import WantedHosts

app = typer.Typer(
    help="Create, renew and show the certificate that the box makes for itself.",
    epilog="Example: handrail tls create",
    no_args_is_help=True,
)

Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="NAME", help="A host name of the box; may be repeated."),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--address", metavar="IP", help="An IP address of the box; may be repeated."),
]


@app.command(epilog="Example: handrail tls create --name clinic.local --data /var/lib/handrail")
def create(
    *,
    name: Names = None,
    address: Addresses = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the CA: each screen must trust the new one.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Create a CA for this box and a certificate; `serve` then uses them by itself.

    Without --name and --address, the certificate is for the names and addresses of this machine,
    and the box renews it when they change.
    """
    if (data / "tls" / "ca.pem").exists() and not force:
        raise Failure(
            f"{data} has a CA, which screens trust; use `handrail tls renew` for a new "
            "certificate, or --force for a new CA"
        )
    _create(data, name or [], address or [])
    _show(data, as_json=as_json, qr=True)


@app.command(epilog="Example: handrail tls renew --name clinic.local --name box.clinic.local")
def renew(
    *,
    name: Names = None,
    address: Addresses = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Create a new certificate of the same CA; --name and --address replace the previous ones.

    A running box uses it within a minute, and at once after SIGHUP; connections stay open.
    """
    _renew(data, name or [], address or [])
    _show(data, as_json=as_json, qr=False)


@app.command(epilog="Example: handrail tls show --qr")
def show(
    *,
    qr: Annotated[
        bool, typer.Option("--qr", help="Show the trust page's address as a QR code.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Show the names, dates and fingerprints of the CA and the certificate."""
    _show(data, as_json=as_json, qr=qr)


def _create(data: Path, names: list[str], addresses: list[str]) -> None:
    """Create the CA of a data folder's box and its certificate."""
    from session_controller.security.own_tls import OwnTls

    with _explaining():
        OwnTls(data).create(*_tls_order(data, names, addresses), datetime.now(UTC))


def _renew(data: Path, names: list[str], addresses: list[str]) -> None:
    """Create another certificate of the same CA."""
    from session_controller.security.own_tls import OwnTls

    own = OwnTls(data)
    with _explaining():
        own.ca()
        own.renew(*_tls_order(data, names, addresses), datetime.now(UTC))


def _tls_order(
    data: Path, names: list[str], addresses: list[str]
) -> tuple[str, WantedHosts, BoxKeys]:
    from session_controller.security.encryption import required_box_keys
    from session_controller.security.own_tls import parse_wanted
    from session_controller.storage.site import site_of

    wanted = parse_wanted(names, addresses)
    return site_of(data), wanted, required_box_keys(data)


def _found(data: Path) -> dict[str, Any]:
    """Return the names, dates and fingerprints of a data folder's certificates."""
    from session_controller.discovery.announcement import name_of
    from session_controller.security.own_tls import OwnTls

    own = OwnTls(data)
    with _explaining():
        facts, usual = own.facts(), name_of(own.certificate_file)
    page, announced = _running(data)
    host = own.host(usual if page is None else announced)
    netloc = f"{host}:{page.port}" if page and page.port else host
    return {
        **facts,
        "running": page is not None,
        "trust_page": page._replace(netloc=netloc).geturl() if page else f"http://{host}/trust",
    }


def _running(data: Path) -> tuple[SplitResult | None, str | None]:
    """Return the running box's trust page, and under which name the network finds it."""
    try:
        where = json.loads((data / BOX_FILE).read_text())
        return urlsplit(str(where["trust"])), where.get("mdns", {}).get("name")
    except (OSError, ValueError, KeyError):
        return None, None


@contextmanager
def _explaining() -> Iterator[None]:
    from session_controller.security.encryption import BoxKeyError

    try:
        yield
    except StoreBusyError as error:
        raise Failure(str(error), UNAVAILABLE) from None
    except (StoreError, CertificateError, BoxKeyError) as error:
        raise Failure(str(error)) from None


def _show(data: Path, *, as_json: bool, qr: bool) -> None:
    found = _found(data)
    if as_json:
        print_json(found)
        return
    print_facts(_facts(found))
    if qr:
        _draw(found["trust_page"])
    if not found["running"]:
        say(
            "no box uses this certificate now: start it (`sudo systemctl start handrail`, or "
            "`handrail serve`), then open the trust page on each screen"
        )


def _facts(found: Mapping[str, Any]) -> dict[str, str]:
    return {
        "names": ", ".join([*found["names"], *found["addresses"]]),
        "valid": f"{found['valid_from']} to {found['valid_until']}",
        "fingerprint": found["fingerprint"],
        "CA": found["ca"]["name"],
        "CA valid": f"{found['ca']['valid_from']} to {found['ca']['valid_until']}",
        "CA fingerprint": found["ca"]["fingerprint"],
        "CA file": found["ca"]["file"],
        "trust page": found["trust_page"],
    }


def _draw(address: str) -> None:
    import segno

    segno.make(address, error="l", micro=False).terminal(compact=True, border=2)
