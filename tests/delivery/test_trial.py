"""`handrail deliver test`: what works, what does not and why; and nothing is left behind."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from schemas.wire.deliveries import TrialStep
from schemas.wire.destinations import DESTINATION
from session_controller.delivery import trial
from session_controller.delivery.senders import Senders
from tests.broker.support import Peer, running
from tests.cli.conftest import Handrail, handrail
from tests.delivery.conftest import fhir_server
from tests.delivery.faults import DAY, Authority, old_tls, refusing, silent, swallowing_broker
from tests.delivery.fhir_server import FhirServer, Trouble, serving
from tests.delivery.parcels import FORMATS, START, ehr
from tests.machine import free_port

__all__ = ["fhir_server", "handrail"]


async def _tried(data: Path, destination: dict[str, Any], *, publish: bool = False) -> Any:
    senders = Senders(data, "main", FORMATS, seal=lambda *_: b"", clock=lambda: START)
    return await trial.tried(senders, DESTINATION.validate_python(destination), publish=publish)


def _results(steps: Iterable[TrialStep]) -> dict[str, str]:
    return {step.step: step.result for step in steps}


_FINE = {"connection": "ok", "authorization": "ok", "metadata": "ok", "writing": "ok"}


async def test_a_server_that_works(tmp_path: Path) -> None:
    """It is asked for its capabilities and takes an empty transaction; nothing is stored."""
    server = FhirServer()
    async with serving(server):
        assert _results(await _tried(tmp_path, ehr(server.base))) == _FINE
    assert server.store.writes == 0
    assert server.asked == ["GET /fhir/metadata", "POST /fhir"]
    assert json.loads(server.bodies[-1]) == {"resourceType": "Bundle", "type": "transaction"}


async def test_a_server_without_transactions(tmp_path: Path) -> None:
    """That is said, and is no fault; unless only transactions are wanted."""
    for says_so in (True, False):
        server = FhirServer(transactions=False, says_so=says_so)
        async with serving(server):
            server.troubles.extend([Trouble(200, body=_SEARCHED, on="/QuestionnaireResponse")])
            (*_, last) = await _tried(tmp_path, ehr(server.base))
            assert last.result in ("ok", "note")
            assert "each resource is sent by itself" in last.text
            always = await _tried(tmp_path, ehr(server.base, transactions="always"))
            assert always[-1].result == "failed"
        assert server.store.writes == 0


_SEARCHED = {"resourceType": "Bundle", "type": "searchset", "total": 0}


@pytest.mark.parametrize(("status", "result"), [(422, "ok"), (500, "note")])
async def test_a_server_that_wants_no_empty_transaction(
    status: int, result: str, tmp_path: Path
) -> None:
    """Sessions are not empty: it works, as far as can be seen."""
    server = FhirServer()
    body = {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
    async with serving(server):
        server.troubles.append(Trouble(status, body=body, on="/fhir"))
        assert (await _tried(tmp_path, ehr(server.base)))[-1].result == result


class _Fault(NamedTuple):
    trouble: Trouble
    step: str
    said: str


@pytest.mark.parametrize(
    "fault",
    [
        _Fault(Trouble(401, on="/metadata"), "metadata", "(401)"),
        _Fault(Trouble(404, on="/metadata"), "metadata", "no FHIR server at this path"),
        _Fault(Trouble(200, body={"a": 1}, on="/metadata"), "metadata", "the answer is not FHIR"),
        _Fault(Trouble(407, on="/metadata"), "metadata", "a proxy in between"),
        _Fault(Trouble(302, {"Location": "/x"}, on="/metadata"), "metadata", "another address"),
        _Fault(
            Trouble(
                200,
                body={"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"},
                on="/metadata",
            ),
            "metadata",
            "this is FHIR 3.0.2",
        ),
        _Fault(Trouble(401, on="/fhir"), "writing", "does not accept the credential"),
        _Fault(Trouble(403, on="/fhir"), "writing", "does not allow this"),
        _Fault(Trouble(413, on="/fhir"), "writing", "refused: too large"),
        _Fault(Trouble(503, on="/fhir"), "writing", "overloaded"),
    ],
    ids=lambda fault: f"{fault.step}-{fault.trouble.status}-{fault.said[:12].strip()}",
)
async def test_what_a_server_refuses(fault: _Fault, tmp_path: Path) -> None:
    """The step that failed is the last one, with what is wrong and what to do."""
    server = FhirServer()
    async with serving(server):
        server.troubles.append(fault.trouble)
        (*before, last) = await _tried(tmp_path, ehr(server.base))
    assert all(step.result == "ok" for step in before)
    assert (last.step, last.result) == (fault.step, "failed")
    assert fault.said in last.text
    assert last.mend


async def test_a_token_that_cannot_be_had(tmp_path: Path) -> None:
    """A file that is missing, and an authorization server that says why."""
    server = FhirServer()
    async with serving(server):
        missing = ehr(server.base, auth={"by": "token", "token_file": "missing"})
        last = (await _tried(tmp_path, missing))[-1]
        assert (last.step, last.result) == ("authorization", "failed")
        key = {"by": "client-credentials", "client_id": "box", "key_file": "missing"}
        last = (await _tried(tmp_path, ehr(server.base, auth=key)))[-1]
        assert (last.step, last.result) == ("authorization", "failed")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"span": (-9 * DAY, -DAY)}, "has expired"),
        ({"span": (DAY, 9 * DAY)}, "is not valid yet"),
        ({"address": "127.0.0.9"}, "belongs to another name"),
    ],
)
async def test_what_is_wrong_with_a_certificate(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """The connection works; the handshake does not."""
    authority = Authority(tmp_path)
    async with silent(authority.context(**options)) as port:
        base = f"https://127.0.0.1:{port}/fhir"
        steps = await _tried(tmp_path, ehr(base, ca_file="authority.pem"))
        stranger = (await _tried(tmp_path, ehr(base)))[-1]
    assert _results(steps) == {"connection": "ok", "tls": "failed"}
    assert said in steps[-1].text
    assert stranger.step == "tls"


async def test_tls_that_is_old_and_a_port_that_is_closed(tmp_path: Path) -> None:
    """Each by itself."""
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context = old_tls(Authority(tmp_path).context())
    with refusing(context) as port:
        steps = await _tried(tmp_path, ehr(f"https://127.0.0.1:{port}/fhir"))
    assert "TLS is too old" in steps[-1].text
    (only,) = await _tried(tmp_path, ehr(f"https://127.0.0.1:{free_port()}/fhir"))
    assert (only.step, only.result) == ("connection", "failed")
    assert "refused" in only.text


async def test_a_certificate_that_ends_soon(tmp_path: Path) -> None:
    """It works today: that is a note, with the day."""
    context = Authority(tmp_path).context(span=(-DAY, 9 * DAY))
    server = FhirServer()
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    base = f"https://127.0.0.1:{runner.addresses[0][1]}/fhir"
    steps = await _tried(tmp_path, ehr(base, ca_file="authority.pem"))
    await runner.cleanup()
    assert _results(steps) == {**_FINE, "tls": "note"}


async def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is written and removed; a folder that is missing, full or closed is told apart."""
    share = tmp_path / "share"
    destination = {"name": "share", "kind": "folder", "folder": "share"}
    (missing,) = await _tried(tmp_path, destination)
    assert (missing.step, missing.result) == ("folder", "failed")
    share.mkdir()
    steps = _results(await _tried(tmp_path, destination))
    assert steps.pop("mount") in ("ok", "note")
    assert steps == {"folder": "ok", "space": "ok", "writing": "ok"}
    assert list(share.iterdir()) == []

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(trial, "place", denied)
    last = (await _tried(tmp_path, destination))[-1]
    assert (last.step, last.result) == ("writing", "failed")
    assert "Permission denied" in last.text
    usage = shutil.disk_usage(share)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    last = (await _tried(tmp_path, destination))[-1]
    assert (last.step, last.result, last.text) == ("space", "failed", "1 MiB are free")


def _central(port: int, **more: Any) -> dict[str, Any]:
    url = f"mqtt://127.0.0.1:{port}"
    return {"name": "central", "kind": "mqtt", "url": url, "topic": "in/{site}/{session}", **more}


async def test_a_broker(tmp_path: Path) -> None:
    """It is only connected to, unless a marked message is allowed."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe(("in/#", 1))
        port = broker.addresses["mqtt"][1]
        steps = await _tried(tmp_path, _central(port))
        assert _results(steps) == {"connection": "ok", "authorization": "ok", "publishing": "note"}
        steps = await _tried(tmp_path, _central(port), publish=True)
        assert steps[-1].result == "ok"
        message = await peer.message()
    assert message.topic == "in/main/test"
    assert b"not a session" in message.payload


async def test_a_broker_that_swallows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is accepted, and the message never acknowledged."""
    monkeypatch.setattr(trial, "_PUBACK_S", 0.2)
    async with swallowing_broker() as port:
        last = (await _tried(tmp_path, _central(port), publish=True))[-1]
    assert (last.step, last.result) == ("publishing", "failed")
    assert "does not acknowledge" in last.text


def test_from_the_command_line(handrail: Handrail, fhir_server: FhirServer) -> None:
    """`add` tries at once and adds anyway; `test` exits with 1 if it does not work."""
    fhir_server.troubles.append(Trouble(403, on="/fhir"))
    added = handrail("deliver", "add", "ehr", "--fhir", fhir_server.base)
    assert added.code == 0
    assert "✗ writing: the server does not allow this to the credential (403)" in added.out
    assert "ehr does not work yet" in added.err
    tried = handrail("deliver", "test", "ehr")
    assert tried.code == 0
    assert "✓ metadata" in tried.out
    fhir_server.troubles.append(Trouble(404, on="/metadata"))
    tried = handrail("deliver", "test", "ehr", "--json")
    assert (tried.code, tried.json["works"]) == (1, False)
    assert [step["step"] for step in tried.json["steps"]] == [
        "connection",
        "authorization",
        "metadata",
    ]
    unknown = handrail("deliver", "test", "nowhere")
    assert (unknown.code, "There is no destination 'nowhere'" in unknown.err) == (1, True)
