"""Signing in with an OpenID Connect provider, on a service without sockets to its screens."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Role
from schemas.topics import InboxTopic
from session_controller.openid.settings import OpenId
from session_controller.security import pins
from session_controller.service.service import Service
from session_controller.settings import Settings
from session_controller.storage.entities import Device
from tests.faults.loopback import staged
from tests.openid.provider import SECRET, SUBJECT, FakeProvider, fake_provider, secret_file

from .test_staff import NOW, PIN, WRONG, Clock, Site, site

BOX = "https://clinic.local"
PAGE = f"{BOX}/facility"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with little memory: what is tested here does not depend on it."""
    monkeypatch.setattr(pins, "_MEMORY_KIB", 8)
    monkeypatch.setattr(pins, "_PASSES", 1)


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """Yield a provider."""
    with fake_provider() as provider:
        yield provider


class Clinic(Site):
    """A site with a provider."""

    fake: FakeProvider

    async def begin(self, device: str = "desk", page: str = PAGE) -> dict[str, Any]:
        """Begin to sign in."""
        return await self.answer(device, "BEGIN_SIGN_IN", page=page)

    async def to_provider(self, device: str = "desk") -> dict[str, str]:
        """Go to the provider; return what it sends back."""
        begun = await self.begin(device)
        assert begun["type"] == "SIGN_IN_BEGUN", begun
        return self.fake.authorize(begun["url"])

    async def finish(self, back: dict[str, Any], device: str = "desk") -> dict[str, Any]:
        """Come back from the provider."""
        return await self.answer(device, "FINISH_SIGN_IN", **back)

    async def sign_in_there(self, device: str = "desk") -> dict[str, Any]:
        """Sign in with the provider."""
        return await self.finish(await self.to_provider(device), device)

    def told(self, what: str) -> list[dict[str, Any]]:
        """Return what the entries of the log of a kind say."""
        return [entry["about"] for entry in self.log(what)]

    async def link_account(
        self, person: str = "ana-roe", account: str | None = SUBJECT
    ) -> dict[str, Any]:
        """Link a person to an account."""
        return await self.answer("it", "LINK_PERSON", person=person, account=account)


@asynccontextmanager
async def clinic(
    data: Path, fake: FakeProvider, *, linked: bool = True, **options: Any
) -> AsyncIterator[Clinic]:
    """Yield a service with a person, who is linked to an account."""
    clock = Clock()
    fake.now = lambda: clock.now().timestamp()
    openid = OpenId(fake.settings(secret_file=secret_file(data), **options), lambda: BOX)
    settings = Settings(lobby_pause=timedelta(0))
    folder = data / "box"
    async with staged(
        folder, Service, clock=clock.now, steady=clock.steady, settings=settings, openid=openid
    ) as stage:
        stage.__class__ = Clinic
        assert isinstance(stage, Clinic)
        stage.clock, stage.fake = clock, fake
        await stage.open()
        await stage.add("Ana Roe", "front-desk")
        if linked:
            assert (await stage.link_account())["account"] == SUBJECT
        yield stage


def refused_as(answer: dict[str, Any]) -> str:
    """Return the cause of a refusal."""
    assert answer["code"] == "sign_in_refused", answer
    cause: str = answer["details"]["cause"]
    return cause


async def test_a_person_signs_in_with_the_provider(tmp_path: Path, fake: FakeProvider) -> None:
    """As with a PIN: the same roles, the same log-off; the log says by which means."""
    async with clinic(tmp_path, fake) as stage:
        shown = await stage.answer("desk", "SHOW_DESK")
        assert shown["provider"] == {"name": "Clinic ID"}
        answer = await stage.sign_in_there()
        assert answer["signed_in"]["person"] == "ana-roe"
        assert answer["seconds_left"] == 600
        assert await stage.command("COVER_SCREEN", covered=True) is None
        await stage.after(minutes=10)
        assert await stage.command("COVER_SCREEN", covered=False) == "sign_in_required"
        assert (await stage.sign_in("ana-roe"))["type"] == "SIGNED_IN"
        assert [about["by"] for about in stage.told("PersonSignedIn")] == ["provider", "pin"]
        assert {entry["person"] for entry in stage.log("PersonSignedIn")} == {"ana-roe"}


async def test_a_site_without_a_provider(tmp_path: Path) -> None:
    """It refuses, and has no button."""
    async with site(tmp_path) as stage:
        await stage.add("Ana Roe", "front-desk")
        assert "provider" not in await stage.answer("desk", "SHOW_DESK")
        for type_, fields in (("BEGIN_SIGN_IN", {"page": PAGE}), ("FINISH_SIGN_IN", _BACK)):
            assert (await stage.answer("desk", type_, **fields))["code"] == "unavailable"
        refused = await stage.answer("it", "LINK_PERSON", person="ana-roe", account="x")
        assert refused["code"] == "unavailable"
        assert "[oidc]" in refused["message"]


_BACK = {"state": "s", "code": "c"}


async def test_a_site_without_persons_needs_nobody(tmp_path: Path, fake: FakeProvider) -> None:
    """There is nobody to sign in."""
    async with clinic(tmp_path, fake) as stage:
        await stage.answer("it", "RETIRE_PERSON", person="ana-roe")
        assert (await stage.begin())["code"] == "unavailable"


async def test_a_page_at_another_address_is_told_the_right_one(
    tmp_path: Path, fake: FakeProvider
) -> None:
    """The provider would show an error."""
    async with clinic(tmp_path, fake) as stage:
        refused = await stage.begin(page="https://192.168.1.5/facility")
        assert refused_as(refused) == "page"
        assert PAGE in refused["message"]
        assert fake.requests == []
    (tmp_path / "other").mkdir()
    async with clinic(tmp_path / "other", fake, page="https://proxy.example/desk") as stage:
        assert refused_as(await stage.begin()) == "page"
        assert (await stage.begin(page="https://proxy.example/desk"))["type"] == "SIGN_IN_BEGUN"


async def test_a_state_works_once(tmp_path: Path, fake: FakeProvider) -> None:
    """Whoever finds it in the history of the browser finds nothing."""
    async with clinic(tmp_path, fake) as stage:
        back = await stage.to_provider()
        assert (await stage.finish(back))["type"] == "SIGNED_IN"
        assert refused_as(await stage.finish(back)) == "expired"
        assert fake.requests.count("/token") == 1


async def test_a_request_that_arrives_twice_counts_once(tmp_path: Path, fake: FakeProvider) -> None:
    """While the provider is asked, and afterwards: the answer is the same."""
    async with clinic(tmp_path, fake) as stage:
        same = {"request_id": "00000000-0000-4000-8000-000000000001", "page": PAGE}
        first = await stage.answer("desk", "BEGIN_SIGN_IN", **same)
        assert await stage.answer("desk", "BEGIN_SIGN_IN", **same) == first
        back = {**fake.authorize(first["url"]), "request_id": same["request_id"][:-1] + "2"}
        stage.ask("desk", "FINISH_SIGN_IN", **back)
        signed_in = await stage.finish(back)
        assert await stage.finish(back) == signed_in
        assert fake.requests.count("/token") == 1
        assert len(stage.log("PersonSignedIn")) == 1


async def test_a_state_of_another_desk_is_refused(tmp_path: Path, fake: FakeProvider) -> None:
    """It is bound to the screen where it began, and keeps working there."""
    async with clinic(tmp_path, fake) as stage:
        back = await stage.to_provider("desk")
        second = Device("second", "Second", Role.FACILITY, enrolled_at=NOW)
        stage.service.submit(lambda work: work.put_device(second))
        assert refused_as(await stage.finish(back, "second")) == "expired"
        assert fake.requests.count("/token") == 0
        assert (await stage.finish(back, "desk"))["type"] == "SIGNED_IN"


async def test_a_state_ends_after_five_minutes(tmp_path: Path, fake: FakeProvider) -> None:
    """A screen may be left at the provider's page."""
    async with clinic(tmp_path, fake) as stage:
        back = await stage.to_provider()
        await stage.after(minutes=5)
        assert refused_as(await stage.finish(back)) == "expired"


async def test_the_last_beginning_counts(tmp_path: Path, fake: FakeProvider) -> None:
    """A person may press the button again."""
    async with clinic(tmp_path, fake) as stage:
        first, second = await stage.to_provider(), await stage.to_provider()
        assert refused_as(await stage.finish(first)) == "expired"
        assert (await stage.finish(second))["type"] == "SIGNED_IN"


async def test_a_pin_ends_what_was_begun(tmp_path: Path, fake: FakeProvider) -> None:
    """Nobody is signed out because somebody else was at the provider before."""
    async with clinic(tmp_path, fake) as stage:
        await stage.add("Bo Poe", "front-desk")
        back = await stage.to_provider()
        assert (await stage.sign_in("bo-poe"))["type"] == "SIGNED_IN"
        assert refused_as(await stage.finish(back)) == "expired"
        shown = await stage.answer("desk", "SHOW_DESK")
        assert shown["desk"]["signed_in"]["person"] == "bo-poe"


async def test_a_pin_counts_while_the_provider_is_asked(tmp_path: Path, fake: FakeProvider) -> None:
    """Who waits for a provider that does not answer types the PIN, and stays signed in."""
    asked, go_on = threading.Event(), threading.Event()

    def late(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait()
        handler.send_error(503)

    async with clinic(tmp_path, fake) as stage:
        await stage.add("Bo Poe", "front-desk")
        back = await stage.to_provider()
        fake.broken["/token"] = late
        stage.ask("desk", "FINISH_SIGN_IN", **back)
        await asyncio.to_thread(asked.wait)
        waiting = set(stage.service._background._tasks)
        stage.ask("desk", "SIGN_IN", person="bo-poe", pin=PIN)
        await stage.service.settled()
        await asyncio.gather(*(stage.service._background._tasks - waiting))
        await stage.service.settled()
        go_on.set()
        await asyncio.gather(*waiting)
        await stage.service.settled()
        signed_in, refused = stage.said(InboxTopic("desk"))[-2:]
        assert signed_in["signed_in"]["person"] == "bo-poe"
        assert refused_as(refused) == "expired"
        shown = await stage.answer("desk", "SHOW_DESK")
        assert shown["desk"]["signed_in"]["person"] == "bo-poe"


async def test_an_unknown_account_is_told_what_facility_it_types(
    tmp_path: Path, fake: FakeProvider
) -> None:
    """Quoted for a shell; the audit log has the account, the box's log has not."""
    fake.claims = {"sub": "a b; rm -rf ~"}
    async with clinic(tmp_path, fake) as stage:
        refused = await stage.sign_in_there()
        assert refused_as(refused) == "not_linked"
        command = "handrail staff link PERSON --account 'a b; rm -rf ~'"
        assert refused["message"].endswith(command)
        [entry] = stage.told("SignInRefused")
        assert (entry["cause"], entry["account"]) == ("not_linked", "a b; rm -rf ~")


async def test_who_is_retired_is_not_let_in(tmp_path: Path, fake: FakeProvider) -> None:
    """Whoever has the account after them is, once linked."""
    async with clinic(tmp_path, fake) as stage:
        await stage.add("Bo Poe", "supervisor")
        await stage.answer("it", "RETIRE_PERSON", person="ana-roe")
        assert refused_as(await stage.sign_in_there()) == "retired"
        [entry] = stage.told("SignInRefused")
        assert (entry["cause"], entry["subject"]) == ("retired", "ana-roe")
        await stage.link_account("bo-poe")
        assert (await stage.sign_in_there())["signed_in"]["person"] == "bo-poe"


async def test_an_account_is_of_one_person(tmp_path: Path, fake: FakeProvider) -> None:
    """Whoever is unlinked signs in with the PIN only, and is signed out."""
    async with clinic(tmp_path, fake) as stage:
        await stage.add("Bo Poe", "front-desk")
        assert (await stage.link_account("bo-poe"))["code"] == "unavailable"
        await stage.sign_in_there()
        assert "account" not in await stage.link_account("ana-roe", None)
        assert (await stage.answer("desk", "SHOW_DESK"))["desk"]["signed_in"] is None
        assert refused_as(await stage.sign_in_there()) == "not_linked"
        assert (await stage.link_account("bo-poe"))["account"] == SUBJECT
        changes = [entry["change"] for entry in stage.told("PersonChanged")]
        assert changes == ["added", "linked", "added", "unlinked", "linked"]


async def test_a_link_is_of_one_provider(tmp_path: Path, fake: FakeProvider) -> None:
    """Another one may give the same subject to somebody else; a link outlives a restart."""
    async with clinic(tmp_path, fake) as stage:
        assert (await stage.sign_in_there())["type"] == "SIGNED_IN"
    with fake_provider() as other:
        other.now = fake.now
        openid = OpenId(other.settings(secret_file=tmp_path / "oidc.secret"), lambda: BOX)
        await _restarted(tmp_path, other, openid, "not_linked")
    openid = OpenId(fake.settings(secret_file=tmp_path / "oidc.secret"), lambda: BOX)
    await _restarted(tmp_path, fake, openid, None)


async def _restarted(data: Path, fake: FakeProvider, openid: OpenId, cause: str | None) -> None:
    clock = Clock()
    async with staged(
        data / "box", Service, clock=clock.now, steady=clock.steady, openid=openid
    ) as stage:
        stage.__class__ = Clinic
        assert isinstance(stage, Clinic)
        stage.clock, stage.fake = clock, fake
        answer = await stage.sign_in_there()
        assert (None if answer["type"] == "SIGNED_IN" else refused_as(answer)) == cause


async def test_wrong_pins_lock_the_provider_out_too(tmp_path: Path, fake: FakeProvider) -> None:
    """The person, at every screen; and the screen, before anybody goes to the provider."""
    async with clinic(tmp_path, fake) as stage:
        await stage.add("Bo Poe", "front-desk")
        back = await stage.to_provider()
        for _ in range(5):
            await stage.sign_in("ana-roe", WRONG)
        assert (await stage.begin())["code"] == "pin_refused"
        assert (await stage.finish(back))["code"] == "pin_refused"
        assert stage.told("SignInRefused")[-1]["cause"] == "locked"
        await stage.after(minutes=2)
        assert (await stage.sign_in_there())["type"] == "SIGNED_IN"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("access_denied", "declined"),
        ("made up by <somebody>", "declined"),
        ("temporarily_unavailable", "unreachable"),
        ("unauthorized_client", "misconfigured"),
    ],
)
async def test_the_providers_own_refusal(
    tmp_path: Path, fake: FakeProvider, error: str, cause: str
) -> None:
    """It uses up what was begun; only known words of it are kept."""
    async with clinic(tmp_path, fake) as stage:
        back = await stage.to_provider()
        refused = await stage.finish({"state": back["state"], "error": error})
        assert refused_as(refused) == cause
        assert refused_as(await stage.finish(back)) == "expired"
        assert "somebody" not in json.dumps(stage.log("SignInRefused"))


@pytest.mark.parametrize(
    ("claims", "cause", "detail"),
    [
        ({"nonce": "another"}, "invalid", "nonce"),
        ({"aud": "another"}, "invalid", "audience"),
        ({"exp": 1}, "clock", "the token has expired"),
        ({"auth_time": 1}, "not_fresh", "auth_time"),
    ],
)
async def test_a_refused_token(
    tmp_path: Path, fake: FakeProvider, claims: dict[str, Any], cause: str, detail: str
) -> None:
    """The person is told the cause, the audit log what exactly was wrong; the PIN works."""
    fake.claims = claims
    async with clinic(tmp_path, fake) as stage:
        refused = await stage.sign_in_there()
        assert refused_as(refused) == cause
        assert "PIN" in refused["message"]
        [entry] = stage.told("SignInRefused")
        assert (entry["cause"], entry["detail"]) == (cause, detail)
        assert stage.log("SignInRefused")[0]["device"] == "desk"
        assert (await stage.sign_in("ana-roe"))["type"] == "SIGNED_IN"


async def test_a_provider_that_is_down(tmp_path: Path) -> None:
    """Is said before anybody goes there."""
    with fake_provider() as fake:
        pass
    async with clinic(tmp_path, fake) as stage:
        refused = await stage.begin()
        assert refused_as(refused) == "unreachable"
        assert refused["message"] == "The box cannot reach Clinic ID. Use your PIN."


async def test_a_defect_is_a_refusal(
    tmp_path: Path, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody waits for the answer."""

    def fail(*_: object) -> None:
        raise LookupError("code-of-a-person")

    async with clinic(tmp_path, fake) as stage:
        back = await stage.to_provider()
        monkeypatch.setattr("session_controller.openid.provider.Provider._token", fail)
        assert refused_as(await stage.finish(back)) == "invalid"


async def test_no_code_token_or_secret_is_kept(
    tmp_path: Path, fake: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in a file of the box, nor in its log, nor in an answer to the screen but the URL."""
    caplog.set_level(logging.DEBUG)
    async with clinic(tmp_path, fake) as stage:
        assert (await stage.sign_in_there())["type"] == "SIGNED_IN"
        fake.claims = {"nonce": "another"}
        await stage.sign_in_there()
        fake.claims = {"sub": "somebody-else"}
        await stage.sign_in_there()
        answers = json.dumps(stage.said(InboxTopic("desk")))
        published = b"".join(payload for _, payload in stage.link.published)
        remembered = repr(stage.service.registry.desks)
    stored = b"".join(file.read_bytes() for file in (tmp_path / "box").rglob("*") if file.is_file())
    assert len(fake.told) > 15
    for secret in {*filter(None, fake.told), SECRET}:
        assert secret not in caplog.text
        assert secret.encode() not in stored
        assert secret not in remembered
        in_url = any(secret in asked for asked in answers.split('"url": ')[1:])
        assert in_url or secret.encode() not in published
    assert "somebody-else" not in caplog.text
