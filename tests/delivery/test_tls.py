"""A FHIR server's certificate is checked, and what is no https goes nowhere by accident."""

import ssl
from pathlib import Path

from aiohttp import web

from schemas.wire.destinations import DESTINATION
from session_controller.storage.deliveries import DeliveryStatus
from tests.broker.certificates import Certificates
from tests.broker.conftest import certs  # noqa: F401 - a fixture
from tests.delivery.fhir_server import FhirServer
from tests.delivery.parcels import Office, ehr


async def test_certificates_are_checked(
    tmp_path: Path,
    certs: Certificates,  # noqa: F811
) -> None:
    """A server whose certificate nobody vouches for is told nothing; the named authority counts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.folder / "server.pem", certs.folder / "server.key")
    server = FhirServer()
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    base = server.base = f"https://127.0.0.1:{runner.addresses[0][1]}/fhir"
    office = Office(tmp_path)
    office.outbox.add("s-1", "ehr")
    authority = tmp_path / "ca.pem"
    destination = ehr(base, ca_file="ca.pem")

    def named_at_last() -> None:
        authority.write_bytes(certs.authority.read_bytes())

    authority.write_text(ssl.DER_cert_to_PEM_cert(b""))
    office.times.on_wait = named_at_last
    await office.deliver(destination)
    reasons = [each.outcome["reason"] for each in office.outbox.puts[:-1]]
    assert reasons == ["no_secret"]
    assert office.outbox.rows["s-1", "ehr"].status is DeliveryStatus.DELIVERED
    office.outbox.add("s-2", "ehr")
    asked = len(server.asked)
    stranger = office.courier()
    await stranger.serve([DESTINATION.validate_python(ehr(base))])
    await stranger.send_now()
    await stranger.stop()
    await runner.cleanup()
    assert office.outbox.rows["s-2", "ehr"].outcome == {
        "reason": "unknown_authority",
        "status": None,
    }
    assert len(server.asked) == asked
