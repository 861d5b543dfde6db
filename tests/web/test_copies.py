"""`POST /copy` and its page, without a browser and without a box."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from clients.web.copies import MOST_WRONG, WrongTokens, add_copies
from clients.web.pages import pages

TOKEN, OTHER, DAMAGED = "A" * 22, "-_" * 11, "d" * 22
PDF = b"%PDF-1.7 ..."


class Box:
    """Hands one copy out, and cannot make another."""

    def __init__(self, folder: Path) -> None:
        self.links: dict[str, bytes | str] = {TOKEN: PDF, DAMAGED: "Try again."}
        self.asked: list[str] = []
        self.seconds = 0.0
        self.app = pages("main", folder)
        add_copies(self.app, self.take, lambda: self.seconds)

    async def take(self, token: str) -> bytes | str | None:
        """Return what a link gives."""
        self.asked.append(token)
        found = self.links.get(token)
        return self.links.pop(token, None) if isinstance(found, bytes) else found


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Make a box."""
    return Box(tmp_path)


def client(app: web.Application) -> TestClient[web.Request, web.Application]:
    """Return a client of an application."""
    return TestClient(TestServer(app))


async def test_a_token_gives_a_pdf_once(box: Box) -> None:
    """To be stored as a file, nowhere else; then the answer says what to do."""
    async with client(box.app) as phone:
        first = await phone.post("/copy", data=TOKEN)
        assert (first.status, first.content_type) == (200, "application/pdf")
        assert await first.read() == PDF
        assert first.headers["Cache-Control"] == "no-store"
        assert first.headers["Content-Disposition"] == 'attachment; filename="check-in.pdf"'
        assert "default-src 'none'" in first.headers["Content-Security-Policy"]
        second = await phone.post("/copy", data=TOKEN)
        unknown = await phone.post("/copy", data=OTHER)
        assert (second.status, unknown.status) == (410, 410)
        assert await second.text() == await unknown.text()
        assert "ask our staff" in await second.text()
        assert second.headers["Cache-Control"] == "no-store"


async def test_a_copy_that_cannot_be_made(box: Box) -> None:
    """The sentence of the box is the answer."""
    async with client(box.app) as phone:
        answer = await phone.post("/copy", data=DAMAGED)
        assert (answer.status, await answer.text()) == (503, "Try again.\n")


@pytest.mark.parametrize(
    "body", [b"", b"A" * 21, b"A" * 23, b"A" * 21 + b"\n", b"\xff" * 22, b"A" * 500_000]
)
async def test_what_is_no_token_is_not_looked_up(box: Box, body: bytes) -> None:
    """However long it is."""
    async with client(box.app) as phone:
        answer = await phone.post("/copy", data=body)
        assert answer.status == 400
        assert "scan the code again" in await answer.text()
        assert box.asked == []


async def test_a_link_is_not_used_up_by_who_looks_at_it(box: Box) -> None:
    """A preview opens the page, without the token."""
    async with client(box.app) as phone:
        for ask in (phone.get, phone.head):
            assert (await ask("/copy")).status in {200, 503}
        assert box.asked == []


async def test_who_guesses_waits(box: Box) -> None:
    """Ten minutes after too many wrong tokens; others do not."""
    async with client(box.app) as phone:
        for _ in range(MOST_WRONG):
            assert (await phone.post("/copy", data=OTHER)).status == 410
        refused = await phone.post("/copy", data=TOKEN)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "600")
        assert "ask our staff" in await refused.text()
        assert len(box.asked) == MOST_WRONG
        box.seconds = 600.0
        assert (await phone.post("/copy", data=TOKEN)).status == 200


def test_addresses_are_counted_alone_and_not_for_ever() -> None:
    """One that guesses holds up no other, and many fill no memory."""
    wrong = WrongTokens(lambda: 0.0)
    for _ in range(MOST_WRONG):
        assert not wrong.too_many("10.0.0.1")
        wrong.count("10.0.0.1")
    assert wrong.too_many("10.0.0.1")
    assert not wrong.too_many("10.0.0.2")
    for number in range(2_000):
        if not wrong.too_many(f"10.1.{number // 256}.{number % 256}"):
            wrong.count(f"10.1.{number // 256}.{number % 256}")
    assert len(wrong._counts) <= 1_001
