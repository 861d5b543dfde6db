"""`handrail tls`: the box's own CA and its certificate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli.context import DATA, AsJson, Data, Failure, program
from clients.cli.output import print_facts, print_json, say

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
    context: typer.Context,
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
    program(context).create_tls(data, name or [], address or [])
    _show(context, data, as_json=as_json, qr=True)


@app.command(epilog="Example: handrail tls renew --name clinic.local --name box.clinic.local")
def renew(
    context: typer.Context,
    *,
    name: Names = None,
    address: Addresses = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Create a new certificate of the same CA; --name and --address replace the previous ones.

    A running box uses it within a minute, and at once after SIGHUP; connections stay open.
    """
    program(context).renew_tls(data, name or [], address or [])
    _show(context, data, as_json=as_json, qr=False)


@app.command(epilog="Example: handrail tls show --qr")
def show(
    context: typer.Context,
    *,
    qr: Annotated[
        bool, typer.Option("--qr", help="Show the trust page's address as a QR code.")
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Show the names, dates and fingerprints of the CA and the certificate."""
    _show(context, data, as_json=as_json, qr=qr)


def _show(context: typer.Context, data: Path, *, as_json: bool, qr: bool) -> None:
    found = program(context).tls_facts(data)
    if as_json:
        print_json(found)
        return
    print_facts(_facts(found))
    if qr:
        _draw(found["trust_page"])
    if not found["running"]:
        say(
            "no box uses this certificate now: start one with `handrail serve --mqtt 0.0.0.0:8883 "
            "--http 0.0.0.0:443 --http-redirect 0.0.0.0:80`, then open the trust page on each "
            "screen"
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
