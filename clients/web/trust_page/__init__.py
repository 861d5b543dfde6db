"""How a device learns to trust the box's own CA: the page `/trust`, and the CA in two files.

The page is plain HTML without a script: it is opened before the device trusts the box.
"""

import hashlib
import plistlib
import ssl
import uuid
from html import escape
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

PATHS = frozenset({"/trust", "/ca.crt", "/ca.mobileconfig"})
"""What a device needs before it trusts the box, and so over plain HTTP too."""

_PAGE = Path(__file__).parent / "page.html"


def add_trust_page(app: web.Application, ca: Path) -> None:
    """Serve a CA's certificate and how to trust it; the file is read for each request."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=trust_page(_certificate(ca)), content_type="text/html")

    async def certificate(_: web.Request) -> web.Response:
        return web.Response(body=_certificate(ca), content_type="application/x-x509-ca-cert")

    async def profile(_: web.Request) -> web.Response:
        body = mobile_configuration(_certificate(ca))
        return web.Response(body=body, content_type="application/x-apple-aspen-config")

    app.router.add_get("/trust", page)
    app.router.add_get("/ca.crt", certificate)
    app.router.add_get("/ca.mobileconfig", profile)


def _certificate(ca: Path) -> bytes:
    """Return the certificate in DER: then the file's SHA-256 is the fingerprint."""
    return ssl.PEM_cert_to_DER_cert(ca.read_text())


def trust_page(certificate: bytes) -> str:
    """Return the page for the certificate of a CA in DER."""
    shown = hashlib.sha256(certificate).digest().hex(":").upper().replace(":", ":<wbr>")
    page = _PAGE.read_text(encoding="utf-8").replace("{fingerprint}", shown)
    return page.replace("{name}", escape(_name(certificate)))


def mobile_configuration(certificate: bytes) -> bytes:
    """Return a configuration profile for Apple devices; always the same for one certificate."""
    fingerprint, name = hashlib.sha256(certificate).hexdigest(), _name(certificate)
    root = {
        **_payload("com.apple.security.root", f"handrail.ca.{fingerprint}.root", name),
        "PayloadContent": certificate,
    }
    profile = _payload("Configuration", f"handrail.ca.{fingerprint}", name)
    return plistlib.dumps({**profile, "PayloadContent": [root]})


def _payload(kind: str, identifier: str, name: str) -> dict[str, str | int]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": str(uuid.uuid5(uuid.NAMESPACE_OID, identifier)),
        "PayloadDisplayName": name,
    }


def _name(certificate: bytes) -> str:
    """Return the name under which devices list the CA."""
    subject = x509.load_der_x509_certificate(certificate).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
