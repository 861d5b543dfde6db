"""Alerts: one message for each change, by channels that may fail; nothing is lost or repeated."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from session_controller.delivery.causes import Cause
from session_controller.engine.limits import Limit
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.staff import pin_findings
from session_controller.security.pins import LOCKED_AFTER
from session_controller.service.monitoring.alert_channels import (
    AlertSettings,
    Change,
    News,
    channels,
)
from session_controller.service.monitoring.alerts import Alerts
from session_controller.service.monitoring.watch import Watch, unclean_stop
from session_controller.storage.entities import Person
from tests.broker.support import Peer, running
from tests.delivery.faults import Authority
from tests.faults.loopback import staged
from tests.machine import free_port

DISK = Finding("disk", Level.CRITICAL, "the disk is full", "make room")
BACKUP = Finding("backups", Level.WARNING, "the newest backup is old", "`handrail backup`")
FINE = Finding("key", Level.OK, "the key opens the data")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class FakeChannel:
    """Keeps what it is sent, unless it fails."""

    name: str = "email"
    fails: bool = False
    sent: list[News] = field(default_factory=list)
    tried: int = 0

    async def send(self, news: News) -> Cause | None:
        """Keep a message, or say why not."""
        self.tried += 1
        if self.fails:
            return Cause("the mail server is away", "start it")
        self.sent.append(news)
        return None

    def kinds(self) -> list[list[tuple[str, str]]]:
        """Return what each message says, and forget it."""
        told = [[(one.kind, one.check) for one in news.changes] for news in self.sent]
        self.sent.clear()
        return told


class Box:
    """A box whose findings and clock are set by a test."""

    def __init__(self, *ways: FakeChannel, **settings: Any) -> None:
        self.ways = ways
        self.settings = AlertSettings(**settings)
        self.found: Sequence[Finding] = ()
        self.at = datetime(2026, 3, 2, 8, tzinfo=UTC)
        self.steady_s = 0.0
        self.kept: str | None = None
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self.alerts = Alerts(
            "main",
            self.settings,
            self.ways,
            self._find,
            clock=lambda: self.at,
            steady=lambda: self.steady_s,
            keep=self._keep,
            kept=self.kept,
        )

    async def _find(self) -> Sequence[Finding]:
        return self.found

    async def _keep(self, text: str) -> None:
        self.kept = text

    async def look(self, *found: Finding, after: timedelta = MINUTE) -> None:
        """Look after a time, with these findings."""
        self.at += after
        self.steady_s += after.total_seconds()
        self.found = found
        await self.alerts.look()


async def test_one_message_for_each_change() -> None:
    """Raised, worse, over; nothing while it lasts, and nothing of what is fine."""
    mail = FakeChannel()
    box = Box(mail)
    await box.look(FINE)
    await box.look(BACKUP, FINE)
    await box.look(BACKUP)
    worse = Finding("backups", Level.CRITICAL, "no backup", None)
    await box.look(worse, DISK)
    await box.look(worse, DISK)
    await box.look(DISK)
    await box.look(DISK)
    assert mail.kinds() == [
        [("raised", "backups")],
        [("raised", "backups"), ("raised", "disk")],
        [("over", "backups")],
    ]


async def test_what_is_said() -> None:
    """The worst first, with since when and what to do; of what is over, as it was."""
    mail = FakeChannel()
    box = Box(mail)
    await box.look(BACKUP, DISK)
    (news,) = mail.sent
    assert news.subject == "[Handrail main] critical: disk, 1 more"
    first, second = news.text.split("\n\n")
    assert first.startswith("critical: disk: the disk is full\nsince 2026-03-02 ")
    assert first.endswith("what to do: make room")
    assert second.startswith("warning: backups: ")
    await box.look(BACKUP, after=HOUR)
    assert mail.sent[1].subject == "[Handrail main] over: disk"
    assert "what to do" not in mail.sent[1].text
    assert mail.sent[1].changes[0].since == news.at, "since when it was raised"


async def test_reminders() -> None:
    """Once a day while it lasts."""
    mail = FakeChannel()
    box = Box(mail)
    await box.look(DISK)
    for _ in range(49):
        await box.look(DISK, after=HOUR)
    assert mail.kinds() == [[("raised", "disk")], [("reminder", "disk")], [("reminder", "disk")]]


async def test_at_most_so_many_an_hour() -> None:
    """What comes later is in the next message; what came and went meanwhile is not."""
    mail = FakeChannel()
    box = Box(mail, most_per_hour=2)
    await box.look(DISK)
    await box.look()
    for _ in range(20):
        await box.look(DISK)
        await box.look()
    assert mail.kinds() == [[("raised", "disk")], [("over", "disk")]]
    await box.look(BACKUP)
    assert mail.kinds() == []
    await box.look(BACKUP, after=HOUR)
    assert mail.kinds() == [[("raised", "backups")]]


async def test_a_channel_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again less and less often; the others say so; nothing of it is lost."""
    mail, hook = FakeChannel(fails=True), FakeChannel("webhook")
    box = Box(mail, hook)
    await box.look(DISK)
    assert "an alert by email was not sent: the mail server is away" in caplog.text
    await box.look(DISK)
    assert hook.kinds() == [[("raised", "disk")], [("raised", "alerts-email")]]
    for _ in range(118):
        await box.look(DISK)
    assert 5 < mail.tried < 10
    mail.fails = False
    await box.look(DISK, BACKUP, after=HOUR)
    assert mail.kinds() == [[("raised", "disk"), ("raised", "backups")]]
    await box.look(DISK, BACKUP)
    assert ("over", "alerts-email") in hook.kinds()[-1]


async def test_a_restart_repeats_nothing() -> None:
    """What ended while the box was off is said to be over."""
    mail = FakeChannel()
    box = Box(mail)
    await box.look(DISK, BACKUP)
    box.start()
    await box.look(DISK, BACKUP)
    box.start()
    await box.look(BACKUP)
    assert mail.kinds() == [[("raised", "disk"), ("raised", "backups")], [("over", "disk")]]
    box.kept = '{"email": {"disk": 7}}'
    box.start()
    await box.look(DISK)
    assert mail.kinds() == [[("raised", "disk")]], "what cannot be read is as nothing"


# --- real receivers ------------------------------------------------------------------------

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
NEWS = News("main", AT, (Change("raised", "disk", DISK.level, DISK.text, DISK.mend, AT),))


@dataclass
class MailServer:
    """As much of SMTP (RFC 5321) as a client needs, over a real socket."""

    port: int = 0
    login: bool = True
    """Whether it accepts the password."""
    heard: list[str] = field(default_factory=list)
    context: Any = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client."""

        def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())

        say("220 mail")
        while line := (await reader.readline()).decode().strip():
            self.heard.append(line)
            word = line.split()[0].upper()
            if word == "EHLO":
                say("250-mail", "250-STARTTLS", "250 AUTH PLAIN")
            elif word == "STARTTLS":
                say("220 go")
                await writer.drain()
                await writer.start_tls(self.context)
            elif word == "AUTH":
                say("235 welcome" if self.login else "535 no")
            elif word == "DATA":
                say("354 go")
                while (text := (await reader.readline()).decode().strip("\r\n")) != ".":
                    self.heard.append(text)
                say("250 taken")
            elif word == "QUIT":
                say("221 bye")
                break
            else:
                say("250 fine")
        writer.close()


@asynccontextmanager
async def mail_server(authority: Authority | None = None) -> AsyncIterator[MailServer]:
    """Serve at a free port."""
    made = MailServer(context=authority.context() if authority else None)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


async def _sent(settings: AlertSettings) -> Cause | None:
    (channel,) = channels(settings, "main")
    return await channel.send(NEWS)


def _mail(port: int, **more: Any) -> AlertSettings:
    return AlertSettings(
        email_to=("it@clinic.example",),
        email_from="box@clinic.example",
        email_server=f"127.0.0.1:{port}",
        **more,
    )


async def test_e_mail(tmp_path: Path) -> None:
    """Over STARTTLS, with a password from a file that nothing else shows."""
    authority = Authority(tmp_path)
    password = tmp_path / "password"
    password.write_text("sesame\n")
    named = {"email_username": "box", "email_password_file": password, "ca_file": authority.file}
    async with mail_server(authority) as server:
        assert await _sent(_mail(server.port, **named)) is None
        text = "\n".join(server.heard)
        assert re.search(r"^Subject: \[Handrail main\] critical: disk$", text, re.MULTILINE)
        assert "To: it@clinic.example" in text
        assert "what to do: make room" in text
        assert "Auto-Submitted: auto-generated" in text
        server.login = False
        refused = await _sent(_mail(server.port, **named))
        assert refused is not None
        assert refused.text == "the mail server refuses user or password (535)"
        stranger = await _sent(_mail(server.port))
        assert stranger is not None
        assert "an authority that this box does not know" in stranger.text
        password.unlink()
        missing = await _sent(_mail(server.port, **named))
        assert missing is not None
        assert "cannot be read" in missing.text
    assert "sesame" not in text
    away = await _sent(_mail(free_port(), email_security="none"))
    assert away is not None
    assert "refused" in away.text


async def test_a_webhook(tmp_path: Path) -> None:
    """A JSON object, with a token from a file; only a status of success counts."""
    heard: list[tuple[dict[str, Any], dict[str, str]]] = []

    async def take(request: web.Request) -> web.Response:
        heard.append((await request.json(), dict(request.headers)))
        return web.Response(status=204 if len(heard) == 1 else 403)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (tmp_path / "token").write_text("sesame")
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    settings = AlertSettings(webhook_url=url, webhook_token_file=tmp_path / "token")
    assert await _sent(settings) is None
    refused = await _sent(settings)
    await runner.cleanup()
    assert refused is not None
    assert refused.text == "the web address answers 403"
    said, headers = heard[0]
    assert headers["Authorization"] == "Bearer sesame"
    assert headers["Content-Type"] == "application/json"
    assert (said["site"], said["subject"]) == ("main", "[Handrail main] critical: disk")
    (change,) = said["changes"]
    assert (change["kind"], change["check"], change["level"]) == ("raised", "disk", "critical")
    away = await _sent(AlertSettings(webhook_url=f"http://127.0.0.1:{free_port()}/"))
    assert away is not None
    assert "refused" in away.text


async def test_a_secret_of_several_lines_is_none(tmp_path: Path) -> None:
    """It would end its header, and begin another one: nothing is sent, and the file is named."""
    (tmp_path / "token").write_text("sesame\r\nX-Other: Zorblatt\n")
    url = f"http://127.0.0.1:{free_port()}/hook"
    token, password = tmp_path / "token", tmp_path / "token"
    webhook = AlertSettings(webhook_url=url, webhook_token_file=token)
    mail = AlertSettings(
        email_to=("it@clinic.example",),
        email_from="box@clinic.example",
        email_server=f"127.0.0.1:{free_port()}",
        email_username="box",
        email_password_file=password,
    )
    for settings in (webhook, mail):
        cause = await _sent(settings)
        assert cause is not None
        assert "token, password" in cause.text
        assert "Zorblatt" not in f"{cause}"


async def test_mqtt() -> None:
    """Each finding has a topic with its state, retained; a subscriber that comes later sees it."""
    async with running() as broker:
        settings = AlertSettings(mqtt_url=f"mqtt://127.0.0.1:{broker.addresses['mqtt'][1]}")
        assert await _sent(settings) is None
        peer = await Peer.connect(broker)
        await peer.subscribe(("handrail/alerts/#", 1))
        message = await peer.message()
        assert (message.topic, message.retain) == ("handrail/alerts/main/disk", True)
        assert json.loads(message.payload)["level"] == "critical"
        (channel,) = channels(settings, "main")
        over = Change("over", "disk", DISK.level, DISK.text, None, AT)
        assert await channel.send(News("main", AT, (over,))) is None
        assert json.loads((await peer.message()).payload)["level"] == "ok"
    away = await _sent(AlertSettings(mqtt_url=f"mqtt://127.0.0.1:{free_port()}"))
    assert away is not None
    assert "refused" in away.text


# --- what is found, and a whole box --------------------------------------------------------


async def test_what_a_box_finds() -> None:
    """Its readiness, its checks, refused codes and an unclean stop, which count for an hour."""
    refused: Counter[Limit] = Counter()
    now_s = 0.0
    watch = Watch(lambda: {"disk": "The disk is full."}, lambda: (BACKUP,), refused, lambda: now_s)
    watch.note(unclean_stop())
    found = {one.check: one for one in await watch.find()}
    assert found.keys() == {"disk", "backups", "unclean-stop"}
    assert (found["disk"].level, found["disk"].text) == (Level.CRITICAL, "The disk is full")
    refused[Limit.CODES] = 7
    (codes,) = [one for one in await watch.find() if one.check == "wrong-codes"]
    assert codes.text.startswith("7 pairing codes were refused")
    now_s = 3_601.0
    assert {one.check for one in await watch.find()} == {"disk", "backups"}


async def test_a_locked_pin_is_found_until_it_is_unlocked() -> None:
    """As it is now: an older finding of the checks does not last longer. It names nobody."""
    person = Person("maria-lopez", "Maria López", (), "hash", AT, wrong_pins=LOCKED_AFTER)
    persons = [person]
    before = (BACKUP, *pin_findings(persons))
    watch = Watch(dict, lambda: before, Counter(), lambda: 0.0, lambda: persons)
    (found,) = [one for one in await watch.find() if one.check == "locked-pin"]
    assert (found.level, "maria" in found.text.lower()) == (Level.WARNING, False)
    assert "handrail staff unlock" in (found.mend or "")
    persons[:] = [replace(person, wrong_pins=LOCKED_AFTER - 1)]
    assert [one.check for one in await watch.find()] == ["backups"]
    persons[:] = [replace(person, retired_at=AT)]
    assert [one.check for one in await watch.find()] == ["backups"]


async def test_many_findings_of_one_check_are_one() -> None:
    """The worst counts, and each is told."""
    mail = FakeChannel()
    box = Box(mail)
    late = Finding("deliveries", Level.WARNING, "2 sessions waiting for ehr", "look")
    worse = Finding("deliveries", Level.CRITICAL, "1 session waiting for share", "mount it")
    await box.look(late, worse, FINE)
    (change,) = mail.sent[0].changes
    assert (change.level, change.mend) == (Level.CRITICAL, "mount it")
    assert change.text == "2 sessions waiting for ehr; 1 session waiting for share"


async def test_another_finding_of_a_check_is_told() -> None:
    """A second emergency access is news, also after a restart; one that was reviewed is not."""
    mail = FakeChannel()
    box = Box(mail)
    first, second, third = (
        Finding("emergency-access", Level.WARNING, f"access {n}", "review it") for n in range(3)
    )
    await box.look(first)
    await box.look(first, second)
    box.start()
    await box.look(first, second)
    await box.look(second)
    assert mail.kinds() == [[("raised", "emergency-access")]] * 2
    await box.look(second, third)
    assert "access 2" in mail.sent[0].changes[0].text


async def test_a_box_tells_what_is_wrong(tmp_path: Path) -> None:
    """As it runs, with what it told kept for the next start."""
    settings = AlertSettings(mqtt_url="mqtt://127.0.0.1:1", mqtt_topic="t")
    async with staged(tmp_path, alerts=settings) as stage:
        hook = FakeChannel("mqtt")
        (line,) = stage.service._alerts._lines
        line.channel = hook
        stage.service.watch.note(unclean_stop())
        await stage.service._alerts.look()
        assert hook.kinds() == [[("raised", "unclean-stop")]]
    async with staged(tmp_path, alerts=settings) as stage:
        (line,) = stage.service._alerts._lines
        assert line.told.keys() == {"unclean-stop"}
