"""The pages' own application, without a browser."""

import gzip
import hashlib
import plistlib
import subprocess
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from clients.web.pages import BUILT, pages
from clients.web.trust_page import PATHS
from tests.broker.certificates import make
from tests.machine import require


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


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("deflate", None),
        ("", None),
    ],
)
async def test_the_smallest_version_that_is_accepted(
    accepted: str, coding: str | None, tmp_path: Path
) -> None:
    """Brotli's is made when the pages are built, and is no file of its own."""
    (tmp_path / "assets").mkdir()
    content = b"export {};" * 50
    (tmp_path / "assets" / "a-1.js").write_bytes(content)
    (tmp_path / "assets" / "a-1.js.br").write_bytes(b"packed")
    app = TestServer(pages("main", tmp_path))
    async with TestClient(app, auto_decompress=False) as client:
        asked = {"Accept-Encoding": accepted}
        answer = await client.get("/assets/a-1.js", headers=asked)
        assert answer.headers.get("Content-Encoding") == coding
        body = await answer.read()
        assert {"br": b"packed", "gzip": gzip.compress(content), None: content}[coding] == body
        assert (await client.get("/assets/a-1.js.br")).status == 404


_UNPACKED = """
const { readFileSync } = require("node:fs"), { brotliDecompressSync } = require("node:zlib");
for (const name of process.argv.slice(1)) {
  if (!readFileSync(name).equals(brotliDecompressSync(readFileSync(`${name}.br`)))) throw name;
}
"""


def test_what_is_packed_is_what_was_built() -> None:
    """Of each script and style sheet: a build writes some of them again after it made them."""
    (node,) = require("node")
    built = [path for path in (BUILT / "assets").glob("*") if path.suffix in {".js", ".css"}]
    assert len(built) > 5
    subprocess.run([node, "-e", _UNPACKED, *built], check=True)


async def test_a_device_learns_to_trust_the_ca(tmp_path: Path) -> None:
    """A page without a script, with the fingerprint and each system's steps, and two files."""
    certificate = x509.load_pem_x509_certificate(make(tmp_path).authority.read_bytes())
    content = certificate.public_bytes(Encoding.DER)
    app = pages("main", tmp_path, ca=tmp_path / "ca.pem")
    async with TestClient(TestServer(app)) as client:
        answers = {path: await client.get(path) for path in PATHS}
        assert {path: (one.status, one.content_type) for path, one in answers.items()} == {
            "/trust": (200, "text/html"),
            "/ca.crt": (200, "application/x-x509-ca-cert"),
            "/ca.mobileconfig": (200, "application/x-apple-aspen-config"),
        }
        assert await answers["/ca.crt"].read() == content
        profile = plistlib.loads(await answers["/ca.mobileconfig"].read())
        assert profile["PayloadContent"][0]["PayloadContent"] == content
        assert profile["PayloadContent"][0]["PayloadType"] == "com.apple.security.root"
        page = await answers["/trust"].text()
        fingerprint = hashlib.sha256(content).digest().hex(":").upper()
        assert page.replace("<wbr>", "").count(fingerprint) == 2
        for system in ("iPad", "Android", "Windows", "macOS", "ChromeOS"):
            assert page.count(f"<h2>{system}") == 2
        assert '<section id="es" lang="es">' in page
        assert "<script" not in page
        assert "{" not in page
        assert "authority" in page
        assert "default-src 'none'" in answers["/trust"].headers["Content-Security-Policy"]


async def test_without_a_ca_there_is_nothing_to_trust(tmp_path: Path) -> None:
    """A box with a given certificate, or without TLS, has no such page."""
    async with TestClient(TestServer(pages("main", tmp_path))) as client:
        assert {(await client.get(path)).status for path in PATHS} == {404}
