"""`/healthz`, `/readyz` and `/metrics` over HTTP: what they answer, and to whom."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from clients.web.health import add_health, health_site
from tests.conftest import RunningBox
from tests.machine import free_port

TOKEN = "t" * 32


@asynccontextmanager
async def served(
    failing: Mapping[str, str] | None = None, token: str | None = None
) -> AsyncIterator["TestClient[web.Request, web.Application]"]:
    """Serve the routes on loopback."""

    async def metrics() -> str:
        return "a 1\n"

    app = web.Application()
    add_health(app, lambda: failing or {}, metrics, token)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_box_that_is_well_is_ready() -> None:
    """Both checks answer 200."""
    async with served() as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
        assert (alive.status, await alive.text()) == (200, "ok\n")
        assert (ready.status, await ready.json()) == (200, {"ready": True, "failing": {}})


async def test_a_failing_check_is_named() -> None:
    """503 with a sentence for each; the process is alive nevertheless."""
    failing = {"disk": "The disk has 3 MiB free; 100 MiB are needed."}
    async with served(failing) as client:
        ready = await client.get("/readyz")
        assert (ready.status, await ready.json()) == (503, {"ready": False, "failing": failing})
        assert (await client.get("/healthz")).status == 200


async def test_metrics_are_shown_to_this_machine() -> None:
    """In the text format; under each name of loopback."""
    async with served() as client:
        answer = await client.get("/metrics")
        assert (answer.status, await answer.text()) == (200, "a 1\n")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        for host in ("localhost:8080", "127.0.0.2", "[::1]:8080"):
            assert (await client.get("/metrics", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "10.0.0.9"},
        {"Forwarded": "for=10.0.0.9"},
        {"Via": "1.1 proxy"},
        {"X-Real-IP": "10.0.0.9"},
        {"Host": "box.clinic.example"},
        {"Host": "127.0.0.1.attacker.example"},
        {"Host": "10.0.0.9:8080"},
    ],
)
async def test_metrics_are_not_shown_through_a_proxy(header: dict[str, str]) -> None:
    """A request from this machine that was made elsewhere, or for another name, is refused."""
    async with served() as client:
        answer = await client.get("/metrics", headers=header)
        assert answer.status == 403
        assert "--metrics-token-file" in await answer.text()


@pytest.mark.parametrize("peer", ["10.0.0.9", "::ffff:10.0.0.9", "fe80::1"])
async def test_metrics_are_not_shown_to_the_network(
    peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it asks for."""
    from asyncio import selector_events  # noqa: PLC0415

    transport = selector_events._SelectorSocketTransport
    ask = transport.get_extra_info

    def from_elsewhere(self: object, name: str, default: object = None) -> object:
        return (peer, 1) if name == "peername" else ask(self, name, default)

    async with served() as client:
        monkeypatch.setattr(transport, "get_extra_info", from_elsewhere)
        assert (await client.get("/metrics")).status == 403


@pytest.mark.parametrize(
    "shown", [None, "", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[1:]}", "Bearer é", "Bearer"]
)
async def test_a_token_is_needed_from_everywhere(shown: str | None) -> None:
    """Where one is set, this machine needs it too."""
    headers = {} if shown is None else {"Authorization": shown}
    async with served(token=TOKEN) as client:
        answer = await client.get("/metrics", headers=headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "a 1" not in await answer.text()


async def test_the_token_opens_the_metrics() -> None:
    """Also through a proxy."""
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "10.0.0.9"}
    async with served(token=TOKEN) as client:
        assert (await client.get("/metrics", headers=headers)).status == 200


async def test_a_box_without_pages_serves_them_alone() -> None:
    """As with another broker."""

    async def metrics() -> str:
        return "a 1\n"

    port = free_port()
    async with health_site("127.0.0.1", port, dict, metrics), ClientSession() as session:
        for path in ("healthz", "readyz", "metrics"):
            async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
                assert answer.status == 200


async def test_a_box_answers_on_its_http_port(async_box: RunningBox) -> None:
    """The three routes are there, with the pages' security headers; the broker's counters too."""
    async with ClientSession() as session:
        for path in ("healthz", "readyz", "metrics"):
            async with session.get(f"{async_box.http}/{path}") as answer:
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                text = await answer.text()
    assert "handrail_broker_connections 0" in text
    assert 'handrail_ready{check="broker"} 1' in text
