"""Try a destination without delivering a session: step by step, up to the first that fails."""

import asyncio
import os
import secrets
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, assert_never
from urllib.parse import urlsplit

from schemas.wire.deliveries import TrialStep
from schemas.wire.destinations import (
    Destination,
    FhirDestination,
    FolderDestination,
    MqttDestination,
)
from session_controller.delivery.causes import cause_of, reason_of
from session_controller.delivery.fhir_trial import try_server
from session_controller.delivery.folder_sender import place
from session_controller.delivery.mqtt_sender import PORTS, Message, Publishing
from session_controller.delivery.outcomes import Delivered, Outcome, Reason, TryAgain
from session_controller.delivery.senders import Senders

_PATIENCE_S = 20.0
_PUBACK_S = 10.0
_SOON = timedelta(days=30)
_ROOM = 100 << 20
"""In bytes: what a folder has to have free."""
_MIB = 1 << 20
_MARK = b'{"handrail": "a test of this destination, not a session"}'


async def tried(
    senders: Senders, destination: Destination, *, publish: bool
) -> tuple[TrialStep, ...]:
    """Try a destination; the last step tells whether it works. Never raises `OSError`."""
    steps = [step async for step in _steps(senders, destination, publish=publish)]
    return tuple(steps)


def _steps(
    senders: Senders, destination: Destination, *, publish: bool
) -> AsyncIterator[TrialStep]:
    match destination:
        case FhirDestination():
            return _fhir(senders, destination)
        case FolderDestination(folder=name):
            return _folder(senders.file(name) or Path(name))
        case MqttDestination():
            return _mqtt(senders, destination, publish=publish)
    assert_never(destination)


def _failed(step: str, reason: Reason) -> TrialStep:
    cause = cause_of(reason)
    return TrialStep(step=step, result="failed", text=cause.text, mend=cause.mend)


# --- the network ---------------------------------------------------------------------------


_PORTS = {"https": 443, "http": 80, **PORTS}


async def _reached(url: str, ca_file: Path | None) -> AsyncIterator[TrialStep]:
    """Find a host, connect, and shake hands; each by itself, so that it is seen what fails."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    step = "name"
    try:
        async with asyncio.timeout(_PATIENCE_S):
            if found := await _addresses(host, port):
                yield TrialStep(step=step, result="ok", text=f"{host} is {found}")
            step = "connection"
            _, writer = await asyncio.open_connection(host, port)
            await _close(writer)
            yield TrialStep(step=step, result="ok", text=f"connected to {host} port {port}")
            if parts.scheme in ("http", "mqtt"):
                return
            step = "tls"
            context = await asyncio.to_thread(_context, ca_file)
            if context is None:
                yield _failed(step, Reason.NO_SECRET)
                return
            _, writer = await asyncio.open_connection(host, port, ssl=context)
            shaken: ssl.SSLObject = writer.get_extra_info("ssl_object")
            await _close(writer)
            yield _shaken(shaken, datetime.now(UTC))
    except (OSError, UnicodeError) as error:
        reason = reason_of(error)
        in_handshake = step == "tls" and reason is Reason.CUT
        yield _failed(step, Reason.TLS_FAILED if in_handshake else reason)


async def _addresses(host: str, port: int) -> str:
    """Return the addresses of a name, or nothing for an address. Raises `OSError`."""
    with suppress(ValueError):
        ip_address(host)
        return ""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _context(ca_file: Path | None) -> ssl.SSLContext | None:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:
        return None


def _shaken(shaken: ssl.SSLObject, now: datetime) -> TrialStep:
    shown = shaken.getpeercert() or {}
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    text = f"{shaken.version()}; the server's certificate is valid until {until:%Y-%m-%d}"
    if until - now > _SOON:
        return TrialStep(step="tls", result="ok", text=text)
    mend = "the operator of the server must renew it before then"
    return TrialStep(step="tls", result="note", text=text, mend=mend)


# --- each kind -----------------------------------------------------------------------------


async def _fhir(senders: Senders, destination: FhirDestination) -> AsyncIterator[TrialStep]:
    last = None
    async for last in _reached(destination.url, senders.file(destination.ca_file)):
        yield last
    if last is not None and last.result == "failed":
        return
    server = senders.server(destination)
    try:
        async for step in try_server(server, destination):
            yield step
    finally:
        await server.close()


async def _mqtt(
    senders: Senders, destination: MqttDestination, *, publish: bool
) -> AsyncIterator[TrialStep]:
    last = None
    async for last in _reached(destination.url, senders.file(destination.ca_file)):
        yield last
    if last is not None and last.result == "failed":
        return
    central = senders.central(destination)
    # A broker ends the connection of a client whose id comes again: that of a delivery goes on.
    central = replace(central, client_id=f"{central.client_id}-test")
    topic = central.topic.replace("{site}", senders.site).replace("{session}", "test")

    async def run(message: Message | None) -> Outcome:
        try:
            publishing = await asyncio.to_thread(Publishing, central)
        except (OSError, ValueError):
            return TryAgain(Reason.NO_SECRET)
        return await publishing.run(message, _PUBACK_S)

    accepted = _step("authorization", await run(None), "the broker accepts the connection")
    yield accepted
    if accepted.result == "failed":
        return
    if not publish:
        yield TrialStep(
            step="publishing",
            result="note",
            text=f"not tried: whether it may publish to {topic}",
            mend="pass --publish to send one marked message, which holds no session",
        )
        return
    said = f"the broker acknowledged a marked message to {topic}; check that a subscriber got it"
    yield _step("publishing", await run((topic, _MARK)), said)


def _step(step: str, outcome: Outcome, text: str) -> TrialStep:
    if isinstance(outcome, Delivered):
        return TrialStep(step=step, result="ok", text=text)
    return _failed(step, outcome.reason if isinstance(outcome, TryAgain) else Reason.UNREACHABLE)


async def _folder(folder: Path) -> AsyncIterator[TrialStep]:
    for step in await asyncio.to_thread(lambda: list(_folder_steps(folder))):
        yield step


def _folder_steps(folder: Path) -> Iterator[TrialStep]:
    step = "folder"
    try:
        if not folder.is_dir():
            text = f"{folder} is not a folder, or its share is not mounted"
            yield _failed(step, Reason.NO_FOLDER).model_copy(update={"text": text})
            return
        yield TrialStep(step=step, result="ok", text=f"{folder} exists")
        yield _mount(folder)
        step = "space"
        yield (space := _space(folder))
        if space.result == "failed":
            return
        step, name = "writing", f".handrail-test-{secrets.token_hex(4)}"
        place(folder, name, _MARK)
        (folder / name).unlink()
        yield TrialStep(step=step, result="ok", text="a file was written there, and removed again")
    except OSError as error:
        text = f"{cause_of(Reason.NO_FOLDER).text}: {error.strerror}"
        yield _failed(step, Reason.NO_FOLDER).model_copy(update={"text": text})


def _mount(folder: Path) -> TrialStep:
    at = next(each for each in (folder, *folder.resolve().parents) if os.path.ismount(each))
    if at != Path("/"):
        return TrialStep(step="mount", result="ok", text=f"it is on the mount {at}")
    text = "it is on this machine's own disk"
    mend = "if it should be a share, the share is not mounted"
    return TrialStep(step="mount", result="note", text=text, mend=mend)


def _space(folder: Path) -> TrialStep:
    free = shutil.disk_usage(folder).free
    result: Literal["ok", "failed"] = "ok" if free >= _ROOM else "failed"
    mend = None if free >= _ROOM else f"make room: {_ROOM // _MIB} MiB are needed"
    return TrialStep(step="space", result=result, text=f"{free // _MIB} MiB are free", mend=mend)
