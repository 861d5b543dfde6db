"""Copies that patients take along: whose links, how often, how long, and what the log says."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Role
from schemas.topics import InboxTopic, RejectionTopic, StateTopic
from session_controller.box import BoxSettings
from session_controller.integrity.data_folder import told_entries
from session_controller.security.codes import secret_hash
from session_controller.security.tls_files import TlsFiles
from session_controller.service.copy_links import LASTS, CopyLink, CopyLinks, hash_of
from session_controller.service.handlers.timers import run_timers
from session_controller.service.jobs import export
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.entities import ALL_ENTRIES, Device
from tests.controller.entering import enter_everything, take_as_it_is
from tests.controller.test_staff import Clock
from tests.faults.loopback import Stage, staged

NAME = "Quizzlethorpe"


@dataclass
class Copying(Stage):
    """A stage whose session was completed."""

    clock: Clock = None  # type: ignore[assignment]

    async def ask_for_link(self, device: str = "kiosk", session: str = "") -> dict[str, Any]:
        """Ask for a link; return the answer."""
        self.ask(device, "CREATE_COPY_LINK", session=session or self.session)
        await self.service.settled()
        return self.said(InboxTopic(device))[-1]

    async def token(self) -> str:
        """Return the token of a new link."""
        answer = await self.ask_for_link()
        assert answer["type"] == "COPY_LINK", answer
        path, _, token = answer["path"].partition("#")
        assert path == "/copy"
        return str(token)

    async def take(self, token: str) -> bytes | str | None:
        """Use a link."""
        return await self.service.take_copy(token)

    def view(self) -> dict[str, Any]:
        """Return what the patient's screen shows now."""
        return self.said(StateTopic(self.session, "kiosk"))[-1]

    def log(self, what: str) -> list[dict[str, Any]]:
        """Return the log entries of a kind, as `handrail audit list` has them."""
        found = told_entries(self.store._folder, ALL_ENTRIES)
        return [entry for entry in found if entry["what"] == what][::-1]

    async def finish(self) -> None:
        """Submit the session, and see that it is completed."""
        self.say("desk", "COMPLETE")
        await self.service.settled()
        assert self.view()["status"] == "completed", self.said(RejectionTopic(self.session, "desk"))


@asynccontextmanager
async def before_the_end(
    data: Path, *, serves_phones: bool = True, **settings: Any
) -> AsyncIterator[Copying]:
    """Yield a service with a session that only has to be submitted."""
    clock = Clock()
    chosen = Settings(lobby_pause=timedelta(0), **settings)
    options = {
        "clock": clock.now,
        "steady": clock.steady,
        "settings": chosen,
        "inspect": take_as_it_is,
    }
    async with staged(data, serves_phones=serves_phones, **options) as stage:
        stage.__class__ = Copying
        assert isinstance(stage, Copying)
        stage.clock = clock
        await stage.open()
        await enter_everything(stage, NAME)
        yield stage


@asynccontextmanager
async def completed(data: Path, **options: Any) -> AsyncIterator[Copying]:
    """Yield a service with a completed session."""
    async with before_the_end(data, **options) as stage:
        await stage.finish()
        yield stage


async def test_a_link_gives_the_record_once(tmp_path: Path) -> None:
    """The view offers it; whoever has the token gets a PDF, and nobody a second one."""
    async with before_the_end(tmp_path) as stage:
        assert "copy_offered" not in stage.view()
        await stage.finish()
        assert stage.view()["copy_offered"] is True
        token = await stage.token()
        taken = await stage.take(token)
        assert isinstance(taken, bytes)
        assert taken.startswith(b"%PDF-")
        assert await stage.take(token) is None
        (created,), (entry,) = stage.log("CopyLinkCreated"), stage.log("CopyTaken")
        assert (created["device"], created["session"]) == ("kiosk", stage.session)
        assert (entry["device"], entry["session"]) == ("kiosk", stage.session)


async def test_of_two_who_have_a_link_one_gets_the_record(tmp_path: Path) -> None:
    """Also at the same moment."""
    async with completed(tmp_path) as stage:
        token = await stage.token()
        both = await asyncio.gather(stage.take(token), stage.take(token))
        assert sorted(type(one).__name__ for one in both) == ["NoneType", "bytes"]


async def test_a_link_expires(tmp_path: Path) -> None:
    """By the clock that does not jump."""
    async with completed(tmp_path) as stage:
        token = await stage.token()
        stage.clock.seconds += LASTS.total_seconds()
        assert await stage.take(token) is None


async def test_a_new_link_replaces_the_earlier_one(tmp_path: Path) -> None:
    """A session has one link at a time."""
    async with completed(tmp_path) as stage:
        former, newer = await stage.token(), await stage.token()
        assert await stage.take(former) is None
        assert isinstance(await stage.take(newer), bytes)


async def test_a_request_that_arrives_twice_gets_the_same_link(tmp_path: Path) -> None:
    """What a page sends again after a lost connection does not end the link that it shows."""
    async with completed(tmp_path) as stage:
        for _ in range(2):
            stage.ask("kiosk", "CREATE_COPY_LINK", session=stage.session, request_id="r-1")
            await stage.service.settled()
        first, again = stage.said(InboxTopic("kiosk"))[-2:]
        assert first == again
        assert isinstance(await stage.take(first["path"].partition("#")[2]), bytes)


async def test_only_the_patients_screen_of_the_session_gets_a_link(tmp_path: Path) -> None:
    """Neither staff, nor another patient's screen, nor for a session that there is not."""
    async with completed(tmp_path) as stage:

        def enrol(work: UnitOfWork) -> None:
            work.put_device(Device("other", "Other", Role.PATIENT, enrolled_at=stage.clock.now()))

        stage.service.submit(enrol)
        for device, session, code in (
            ("desk", stage.session, "not_allowed_for_role"),
            ("it", stage.session, "not_allowed_for_role"),
            ("other", stage.session, "not_a_participant"),
            ("kiosk", "s-0", "unknown_session"),
        ):
            assert (await stage.ask_for_link(device, session))["code"] == code
        assert not stage.service.registry.copy_links._links


async def test_there_is_no_copy_of_what_is_not_submitted(tmp_path: Path) -> None:
    """Nor of what was cancelled."""
    async with before_the_end(tmp_path) as stage:
        assert (await stage.ask_for_link())["code"] == "unavailable"
        stage.say("desk", "CANCEL", reason="gone")
        assert (await stage.ask_for_link())["code"] == "unavailable"
        assert "copy_offered" not in stage.view()


@pytest.mark.parametrize("how", ["covered", "locked"])
async def test_a_hidden_screen_offers_nothing(how: str, tmp_path: Path) -> None:
    """The patient may have left; staff can print the record."""
    async with before_the_end(tmp_path) as stage:
        if how == "covered":
            stage.say("desk", "COVER_SCREEN", covered=True)
        else:
            stage.say("kiosk", "REPORT_IDLE", idle=True)
            for seconds in (1.0, Settings().screen_lock.total_seconds()):
                await stage.service.settled()
                stage.clock.seconds += seconds
                stage.service.submit(run_timers)
        await stage.service.settled()
        assert stage.view()[how] is True
        await stage.finish()
        assert "copy_offered" not in stage.view()
        answer = await stage.ask_for_link()
        assert (answer["code"], "ask our staff" in answer["message"]) == ("unavailable", True)


async def test_a_screen_that_has_gone_on_gets_no_link_to_the_last_patients_record(
    tmp_path: Path,
) -> None:
    """The next patient sits there."""
    async with completed(tmp_path) as stage:
        former = stage.session
        stage.ask("desk", "OPEN_SESSION", flow_id="quick-check-in", patient_device="kiosk")
        await stage.service.settled()
        assert (await stage.ask_for_link("kiosk", former))["code"] == "unavailable"


@pytest.mark.parametrize(
    "options", [{"patient_copies": False}, {"serves_phones": False}], ids=["off", "no-pages"]
)
async def test_where_a_site_offers_none_there_is_none(
    options: dict[str, bool], tmp_path: Path
) -> None:
    """It chose so, or it serves no pages: the view says nothing, and the request is refused."""
    async with completed(tmp_path, **options) as stage:
        assert "copy_offered" not in stage.view()
        answer = await stage.ask_for_link()
        assert (answer["code"], "ask our staff" in answer["message"]) == ("unavailable", True)
        assert not stage.log("CopyLinkCreated")


async def test_a_link_ends_when_a_site_stops_offering_copies(tmp_path: Path) -> None:
    """The configuration was read again."""
    async with completed(tmp_path) as stage:
        token = await stage.token()
        stage.service.apply(Settings(patient_copies=False), lambda _: None)
        assert await stage.take(token) is None


async def test_a_copy_that_cannot_be_made_does_not_use_the_link_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has it tries again."""

    def broken(*_: Any) -> Any:
        raise RuntimeError

    async with completed(tmp_path) as stage:
        token = await stage.token()
        with monkeypatch.context() as patched:
            patched.setattr(export, "_written", broken)
            failed = await stage.take(token)
        assert isinstance(failed, str)
        assert "Try again" in failed
        assert not stage.log("CopyTaken")
        assert isinstance(await stage.take(token), bytes)


async def test_a_phone_that_goes_away_meanwhile_does_not_use_the_link_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request is cancelled while the record is gathered."""
    async with completed(tmp_path) as stage:
        token, begun = await stage.token(), asyncio.Event()

        async def endless(*_: Any) -> Any:
            begun.set()
            await asyncio.Event().wait()

        with monkeypatch.context() as patched:
            patched.setattr(export.Exporter, "make", endless)
            taking = asyncio.create_task(stage.take(token))
            await begun.wait()
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
        assert isinstance(await stage.take(token), bytes)


async def test_a_purged_session_has_no_link(tmp_path: Path) -> None:
    """Nor does one that was used before come back."""
    async with completed(tmp_path) as stage:
        token = await stage.token()
        stage.ask("it", "PURGE_SESSIONS", sessions=[stage.session], undelivered=True)
        await stage.service.settled()
        assert stage.log("SessionPurged")
        assert await stage.take(token) is None
        assert (await stage.ask_for_link())["code"] == "unknown_session"


async def test_a_guest_gets_a_link_after_its_session_has_ended(tmp_path: Path) -> None:
    """Its connection outlives the session by some seconds, and the credential is revoked."""
    async with before_the_end(tmp_path) as stage:
        stage.say("desk", "REPLACE_PATIENT_DEVICE", device=None)
        await stage.service.settled()
        code = stage.said(StateTopic(stage.session, "desk"))[-1]["code"]
        stage.claim("pairing-" + "0" * 32, code)
        await stage.service.settled()
        (guest,) = (d.device for d in stage.service.registry.devices.values() if d.guest_of)
        stage.say("desk", "COMPLETE")
        await stage.service.settled()
        assert stage.service.registry.devices[guest].revoked_at is not None
        assert (await stage.ask_for_link(guest))["type"] == "COPY_LINK"


async def test_the_copy_is_in_the_language_that_the_patient_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing was signed in it."""
    found: list[Any] = []
    written = export._written

    def noted(record: Any, order: Any) -> Any:
        found.append(record.language)
        return written(record, order)

    monkeypatch.setattr(export, "_written", noted)
    async with before_the_end(tmp_path) as stage:
        stage.say("kiosk", "REPORT_SCREEN", language="es", text_percent=100)
        await stage.service.settled()
        await stage.finish()
        assert isinstance(await stage.take(await stage.token()), bytes)
    assert found == ["es"]


async def test_the_token_is_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither on the disk, nor in the box's log, nor in what is published but the one answer."""
    caplog.set_level(logging.DEBUG)
    async with completed(tmp_path) as stage:
        used, open_ = await stage.token(), await stage.token()
        assert await stage.take(used) is None
        answers = [payload for _, payload in stage.link.published if open_.encode() in payload]
        assert [json.loads(answer)["type"] for answer in answers] == ["COPY_LINK"]
        assert isinstance(await stage.take(open_), bytes)
        known = repr(stage.service.registry)
        for token in (used, open_):
            assert token not in known
            assert token not in json.dumps(stage.log("CopyTaken") + stage.log("CopyLinkCreated"))
    assert "copy for the patient taken" in caplog.text
    files = _files(tmp_path)
    assert any(b"CopyTaken" in content for content in files), "the log is among the files"
    for token in (used, open_):
        assert token not in caplog.text
        assert not any(token.encode() in content for content in files)
        assert not any(secret_hash(token).encode() in content for content in files)


def _files(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


def test_a_box_offers_copies_where_a_phone_can_open_its_pages(tmp_path: Path) -> None:
    """Not without pages, with another broker, or where only the clinic's own devices get in."""
    file = tmp_path / "x.pem"
    assert BoxSettings(tmp_path).serves_phones
    assert BoxSettings(tmp_path, tls=TlsFiles(file, file, None)).serves_phones
    assert not BoxSettings(tmp_path, tls=TlsFiles(file, file, client_ca=file)).serves_phones
    assert not BoxSettings(tmp_path, broker_url="mqtt://broker.example").serves_phones
    assert not BoxSettings(tmp_path, http=None).serves_phones


# --- links alone ----------------------------------------------------------------------------------


def _link(token: str, session: str = "s-1", until_s: float = 10.0) -> CopyLink:
    return CopyLink(hash_of(token), session, "kiosk", None, until_s)


def test_tokens_differ_by_request_session_device_and_start() -> None:
    """128 bits each, as URLs may have them."""
    links = CopyLinks()
    asked = [("kiosk", "s-1", "r-1"), ("kiosk", "s-1", "r-2"), ("kiosk", "s-2", "r-1")]
    tokens = [links.token(*each) for each in (*asked, ("other", "s-1", "r-1"))]
    tokens.append(CopyLinks().token(*asked[0]))
    assert len(set(tokens)) == 5
    assert {len(token) for token in tokens} == {22}
    assert links.token(*asked[0]) == tokens[0]


def test_a_link_is_put_back_unless_there_is_a_newer_one() -> None:
    """And what expired leaves the memory."""
    links = CopyLinks()
    links.put(_link("a"))
    taken = links.take("a", 0.0)
    assert taken is not None
    assert links.take("a", 0.0) is None
    links.put_back(taken)
    assert links.take("a", 0.0) == taken
    links.put(_link("b"))
    links.put_back(taken)
    assert links.take("a", 0.0) is None
    links.expire(9.9)
    assert links._links
    links.expire(10.0)
    assert not links._links
