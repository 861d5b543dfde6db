"""How alerts leave the box: by e-mail, as a POST to a web address, as a message of a broker."""

import asyncio
import json
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any, Literal, Protocol

from schemas.base import rfc3339
from session_controller.delivery.causes import Cause, cause_of, reason_of
from session_controller.delivery.outcomes import Delivered, Reason, TryAgain
from session_controller.preflight.finding import Level

MOST_PER_HOUR = 12
"""One every five minutes: enough for each change of a bad hour."""
_MAIL_S = 30.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts go, and how often. Nowhere by default."""

    email_to: tuple[str, ...] = ()
    email_from: str = ""
    email_server: str = ""
    """The mail server, with a port if it is not the usual one."""
    email_security: str = "starttls"
    """`starttls`, `tls` or `none`."""
    email_username: str | None = None
    email_password_file: Path | None = None
    webhook_url: str | None = None
    webhook_token_file: Path | None = None
    mqtt_url: str | None = None
    mqtt_topic: str = "handrail/alerts"
    mqtt_username: str | None = None
    mqtt_password_file: Path | None = None
    ca_file: Path | None = None
    """CA certificates for all of these, if this machine does not trust them."""
    remind_after: timedelta = timedelta(hours=24)
    most_per_hour: int = MOST_PER_HOUR
    """Messages of each channel; what comes later is in the next one."""


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of a finding."""

    kind: Literal["raised", "reminder", "over", "test"]
    check: str
    level: Level
    """As it is; of what is over, as it was."""
    text: str
    mend: str | None
    since: datetime

    def to_json(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "kind": self.kind,
            "check": self.check,
            "level": Level.OK.value if self.kind == "over" else self.level.value,
            "text": self.text,
            "mend": self.mend,
            "since": rfc3339(self.since),
        }


@dataclass(frozen=True, slots=True)
class News:
    """All that has changed since the last message of a channel."""

    site: str
    at: datetime
    changes: tuple[Change, ...]

    @property
    def subject(self) -> str:
        """The worst of it, in some words."""
        first, more = self.changes[0], len(self.changes) - 1
        what = first.level.value if first.kind == "raised" else first.kind
        return f"[Handrail {self.site}] {what}: {first.check}" + (f", {more} more" * bool(more))

    @property
    def text(self) -> str:
        """All of it, for a person."""
        return "\n\n".join(map(_paragraph, self.changes)) + "\n"


def _paragraph(change: Change) -> str:
    kind = change.level.value if change.kind == "raised" else change.kind
    since = change.since.astimezone().isoformat(sep=" ", timespec="seconds")
    lines = [f"{kind}: {change.check}: {change.text}", f"since {since}"]
    if change.mend and change.kind != "over":
        lines.append(f"what to do: {change.mend}")
    return "\n".join(lines)


class Channel(Protocol):
    """One way out. For use within one event loop."""

    name: str

    async def send(self, news: News) -> Cause | None:
        """Send a message; return why it was not taken, or None."""


def channels(settings: AlertSettings, site: str) -> list[Channel]:
    """Return the channels that are configured."""
    found: list[Channel] = []
    if settings.email_to:
        found.append(Mail(settings))
    if settings.webhook_url is not None:
        found.append(Webhook(settings.webhook_url, settings))
    if settings.mqtt_url is not None:
        found.append(Topic(settings.mqtt_url, settings, site))
    return found


def _secret(file: Path | None) -> str | None:
    """Return the content of a file with a password or token. Raises `OSError`, `ValueError`.

    A line break in it would end the header that it is sent in.
    """
    secret = file.read_text().strip() if file else None
    if secret is not None and not secret.isprintable():
        raise ValueError("a secret is one line")
    return secret


class Mail:
    """E-mail, with a connection for each message, on a thread."""

    name = "email"

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings

    async def send(self, news: News) -> Cause | None:
        """Hand a message to the mail server."""
        try:
            await asyncio.to_thread(self._send, self._written(news))
        except smtplib.SMTPResponseException as error:
            return _refused(error.smtp_code)
        except smtplib.SMTPRecipientsRefused:
            return Cause("the mail server refuses the recipients", "check `alerts.email_to`")
        except smtplib.SMTPNotSupportedError:
            return Cause(
                "the mail server does not offer STARTTLS or a login",
                "check the port, and `alerts.email_security`",
            )
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return _failed(error)
        return None

    def _written(self, news: News) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = news.subject
        message["From"] = self._settings.email_from
        message["To"] = ", ".join(self._settings.email_to)
        message["Date"] = format_datetime(news.at)
        message["Message-ID"] = make_msgid(domain="handrail.invalid")
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers
        message.set_content(news.text)
        return message

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        password = _secret(settings.email_password_file)
        with self._connected() as server:
            if settings.email_security == "starttls":
                server.starttls(context=ssl.create_default_context(cafile=settings.ca_file))
            if settings.email_username is not None:
                server.login(settings.email_username, password or "")
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        host, _, port = settings.email_server.partition(":")
        number = int(port or _PORTS[settings.email_security])
        if settings.email_security == "tls":
            context = ssl.create_default_context(cafile=settings.ca_file)
            return smtplib.SMTP_SSL(host, number, timeout=_MAIL_S, context=context)
        return smtplib.SMTP(host, number, timeout=_MAIL_S)


def _refused(code: int) -> Cause:
    if code in (530, 534, 535):
        mend = "check `alerts.email_username` and the password in its file"
        return Cause(f"the mail server refuses user or password ({code})", mend)
    return Cause(f"the mail server refuses the message ({code})", "check `alerts.email_from`")


def _failed(error: Exception) -> Cause:
    if isinstance(error, OSError):  # an error of a certificate is a ValueError as well
        return cause_of(reason_of(error))
    return cause_of(Reason.NO_SECRET if isinstance(error, ValueError) else Reason.CUT)


class Webhook:
    """A JSON object, posted."""

    name = "webhook"

    def __init__(self, url: str, settings: AlertSettings) -> None:
        self._url = url
        self._token_file = settings.webhook_token_file
        self._ca_file = settings.ca_file

    async def send(self, news: News) -> Cause | None:
        """Post the changes; any status of success counts."""
        from session_controller.delivery.exchange import Exchange  # noqa: PLC0415

        headers = {"Content-Type": "application/json"}
        try:
            if token := await asyncio.to_thread(_secret, self._token_file):
                headers["Authorization"] = f"Bearer {token}"
        except (OSError, ValueError):
            return cause_of(Reason.NO_SECRET)
        exchange = Exchange(self._ca_file)
        said = {"site": news.site, "at": rfc3339(news.at), "subject": news.subject}
        changes = [change.to_json() for change in news.changes]
        try:
            async with asyncio.timeout(_MAIL_S):
                answer = await exchange.ask(
                    "POST", self._url, resource={**said, "changes": changes}, headers=headers
                )
        except TimeoutError:
            return cause_of(Reason.TIMED_OUT)
        finally:
            await exchange.close()
        if isinstance(answer, TryAgain):
            return cause_of(answer.reason)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
            return None
        return Cause(f"the web address answers {answer.status}", "check the address and the token")


class Topic:
    """A retained message for each finding, at a broker of the clinic."""

    name = "mqtt"

    def __init__(self, url: str, settings: AlertSettings, site: str) -> None:
        self._url = url
        self._settings = settings
        self._site = site

    async def send(self, news: News) -> Cause | None:
        """Publish each change, one after another, until one is not taken."""
        for change in news.changes:
            said = {"site": news.site, "at": rfc3339(news.at), **change.to_json()}
            if (cause := await self._publish(change, said)) is not None:
                return cause
        return None

    async def _publish(self, change: Change, said: Mapping[str, Any]) -> Cause | None:
        from session_controller.delivery.mqtt_sender import Central, Publishing  # noqa: PLC0415

        settings = self._settings
        topic = f"{settings.mqtt_topic}/{self._site}/{change.check}"
        central = Central(
            self._url,
            topic,
            f"handrail-{self._site}-alerts",
            settings.mqtt_username,
            settings.mqtt_password_file,
            settings.ca_file,
        )
        try:
            publishing = await asyncio.to_thread(Publishing, central)
        except (OSError, ValueError):
            return cause_of(Reason.NO_SECRET)
        payload = json.dumps(said, ensure_ascii=False).encode()
        kept = change.kind != "test"
        outcome = await publishing.run((topic, payload), _MAIL_S, retain=kept)
        if isinstance(outcome, Delivered):
            return None
        return cause_of(outcome.reason if isinstance(outcome, TryAgain) else Reason.UNREACHABLE)
