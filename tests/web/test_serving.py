"""The pages' own application, without a browser."""

from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from clients.web.pages import pages


async def test_pages_that_were_not_built_say_what_to_run(tmp_path: Path) -> None:
    """Where the built files are missing, each page says so, and the command that helps."""
    async with TestClient(TestServer(pages("main", tmp_path))) as client:
        for path in ("/", "/patient", "/facility"):
            answer = await client.get(path)
            assert answer.status == 503
            assert "./run pages" in await answer.text()
        assert (await client.get("/assets/x.js")).status == 404


async def test_every_answer_is_guarded(tmp_path: Path) -> None:
    """Pages, data and refusals alike bear the headers that keep a page safe."""
    async with TestClient(TestServer(pages("main", tmp_path))) as client:
        for path in ("/", "/config.json", "/assets/x.js", "/nowhere"):
            answer = await client.get(path)
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"


async def test_a_strange_host_does_not_reach_the_policy(tmp_path: Path) -> None:
    """What a request calls this box is repeated only where it is a plain host name."""
    async with TestClient(TestServer(pages("main", tmp_path))) as client:
        answer = await client.get("/", headers={"Host": "x; script-src *"})
        assert "*" not in answer.headers["Content-Security-Policy"]
        named = await client.get("/", headers={"Host": "box.local:8080"})
        assert "ws://box.local:8080" in named.headers["Content-Security-Policy"]


async def test_a_built_page_and_its_assets(tmp_path: Path) -> None:
    """A page is never kept; an asset, whose name changes with its content, for ever."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "patient.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "a-1.js").write_text("export {};" * 50)
    async with TestClient(TestServer(pages("main", tmp_path))) as client:
        page = await client.get("/patient")
        assert page.status == 200
        assert page.headers["Cache-Control"] == "no-store"
        asset = await client.get("/assets/a-1.js")
        assert "immutable" in asset.headers["Cache-Control"]
        assert asset.headers["Content-Encoding"] == "gzip"
        assert asset.content_type in {"text/javascript", "application/javascript"}
