"""Tokens: OAuth 2 client credentials as SMART Backend Services asks for them, and static ones."""

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

from schemas.wire.destinations import DESTINATION
from session_controller.storage.deliveries import DeliveryStatus
from tests.delivery.fhir_server import FhirServer, Trouble, serving
from tests.delivery.parcels import Office, ehr


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A courier with one session that waits."""
    made = Office(tmp_path)
    made.outbox.add("s-1", "ehr")
    return made


def _pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _server(office: Office, keys: dict[str, Any]) -> FhirServer:
    return FhirServer(client_keys=keys, unix_s=lambda: office.times.now.timestamp())  # noqa: PLW0108


def _auth(**more: str) -> dict[str, str]:
    return {
        "by": "client-credentials",
        "client_id": "handrail-box",
        "key_file": "smart.pem",
        "key_id": "k1",
        **more,
    }


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
@pytest.mark.parametrize("discovered", [True, False])
async def test_client_credentials(office: Office, algorithm: str, discovered: bool) -> None:
    """A signed assertion gives a token, and the token serves many requests."""
    key: Any = ec.generate_private_key(ec.SECP384R1())
    if algorithm == "RS384":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (office.data / "smart.pem").write_bytes(_pem(key))
    for number in range(2, 6):
        office.outbox.add(f"s-{number}", "ehr")
    async with serving(_server(office, {"k1": key.public_key()})) as server:
        known = {} if discovered else {"token_url": server.token_url}
        await office.deliver(ehr(server.base, auth=_auth(algorithm=algorithm, **known)))
    assert len(server.store.of("Patient")) == 5
    assert server.granted == 1


async def test_a_jwk_names_its_own_id(office: Office) -> None:
    """A private key may be given as a JWK, whose `kid` is then the one that is named."""
    key = ec.generate_private_key(ec.SECP384R1())
    jwk = {**ECAlgorithm.to_jwk(key, as_dict=True), "kid": "from-jwk"}
    (office.data / "smart.jwk").write_text(json.dumps(jwk))
    async with serving(_server(office, {"from-jwk": key.public_key()})) as server:
        auth = {k: v for k, v in _auth(key_file="smart.jwk").items() if k != "key_id"}
        await office.deliver(ehr(server.base, auth=auth))
    assert server.granted == 1


async def test_a_token_that_the_server_forgot(office: Office) -> None:
    """A token that is refused with 401 is replaced once, and the request sent again at once."""
    key = ec.generate_private_key(ec.SECP384R1())
    (office.data / "smart.pem").write_bytes(_pem(key))
    server = _server(office, {"k1": key.public_key()})
    server.troubles.append(Trouble(401, on="/fhir"))
    async with serving(server):
        await office.deliver(ehr(server.base, auth=_auth()))
    assert server.granted == 2
    assert office.outbox.rows["s-1", "ehr"].attempts == 1


async def test_a_server_that_takes_no_token(office: Office) -> None:
    """Where a new token is refused as well, it is tried again later, with a further one."""
    key = ec.generate_private_key(ec.SECP384R1())
    (office.data / "smart.pem").write_bytes(_pem(key))
    server = _server(office, {"k1": key.public_key()})
    server.troubles = deque([Trouble(401, on="/fhir")] * 2)
    async with serving(server):
        await office.deliver(ehr(server.base, auth=_auth()))
    assert server.granted == 3
    assert office.outbox.rows["s-1", "ehr"].attempts == 2


async def test_a_token_ends(office: Office) -> None:
    """A token is not used beyond its time."""
    key = ec.generate_private_key(ec.SECP384R1())
    (office.data / "smart.pem").write_bytes(_pem(key))
    server = _server(office, {"k1": key.public_key()})
    server.troubles.append(Trouble(503, {"Retry-After": "280"}, on="/fhir"))
    async with serving(server):
        await office.deliver(ehr(server.base, auth=_auth()))
    assert server.granted == 2


async def test_a_key_that_the_server_does_not_know(office: Office) -> None:
    """Where no token is given the session waits, and status says why."""
    ours, theirs = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    (office.data / "smart.pem").write_bytes(_pem(ours))
    server = _server(office, {"k1": theirs.public_key()})

    def known_at_last() -> None:
        if len(office.outbox.puts) >= 3:
            server.client_keys["k1"] = ours.public_key()

    office.times.on_wait = known_at_last
    async with serving(server):
        await office.deliver(ehr(server.base, auth=_auth()))
    outcome: Any = office.outbox.puts[0].outcome
    assert (outcome["reason"], outcome["status"]) == ("no_token", 400)
    assert outcome["last_answer"]["body"] == {"error": "invalid_client"}
    assert office.outbox.rows["s-1", "ehr"].status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("content", [None, b"", b"no key", b"{}", b"\xff\xfe"])
async def test_a_key_that_cannot_be_read(office: Office, content: bytes | None) -> None:
    """A key file that is missing or broken is named as the reason; put right, it works."""
    key = ec.generate_private_key(ec.SECP384R1())
    file = office.data / "smart.pem"
    if content is not None:
        file.write_bytes(content)

    def put_right() -> None:
        file.write_bytes(_pem(key))

    office.times.on_wait = put_right
    async with serving(_server(office, {"k1": key.public_key()})) as server:
        await office.deliver(ehr(server.base, auth=_auth()))
    assert office.outbox.puts[0].outcome == {"reason": "no_secret", "status": None}
    assert office.outbox.rows["s-1", "ehr"].status is DeliveryStatus.DELIVERED


async def test_a_token_that_cannot_be_used_is_not_kept(office: Office) -> None:
    """Of an answer without `token_type` only what RFC 6749 (5.2) says of errors is stored."""
    key = ec.generate_private_key(ec.SECP384R1())
    (office.data / "smart.pem").write_bytes(_pem(key))
    server = _server(office, {"k1": key.public_key()})
    grant = {"access_token": "sesame", "error_description": "half a grant"}
    server.troubles.append(Trouble(200, body=grant, on="/token"))
    async with serving(server):
        await office.deliver(ehr(server.base, auth=_auth()))
    outcome: Any = office.outbox.puts[0].outcome
    assert outcome["last_answer"]["body"] == {"error_description": "half a grant"}
    assert "sesame" not in repr(office.outbox.puts)


async def test_a_static_token(office: Office) -> None:
    """A token in a file is read for each request, so that somebody else may renew it."""
    file = office.data / "token"
    file.write_text("old\n")
    office.times.on_wait = lambda: file.write_text("new\n") and None
    async with serving(FhirServer(static_token="new")) as server:
        auth = {"by": "token", "token_file": "token"}
        await office.deliver(ehr(server.base, auth=auth))
    outcome: Any = office.outbox.puts[0].outcome
    assert (outcome["reason"], outcome["status"]) == ("not_authorized", 401)
    assert outcome["last_answer"]["body"]["issue"][0]["diagnostics"] == "no good token"
    assert office.outbox.rows["s-1", "ehr"].status is DeliveryStatus.DELIVERED
    assert office.outbox.rows["s-1", "ehr"].attempts == 2


async def test_an_assertion_goes_to_no_stranger(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token endpoint that only looks like one of this machine is not told anything."""
    key = ec.generate_private_key(ec.SECP384R1())
    (office.data / "smart.pem").write_bytes(_pem(key))
    strange = "http://evil.example?@127.0.0.1/token"
    monkeypatch.setattr(FhirServer, "token_url", strange)
    async with serving(_server(office, {"k1": key.public_key()})) as server:
        courier = office.courier()
        await courier.serve([DESTINATION.validate_python(ehr(server.base, auth=_auth()))])
        await courier.send_now()
        await courier.stop()
    outcome: Any = office.outbox.rows["s-1", "ehr"].outcome
    assert outcome["reason"] == "token_not_encrypted"
