"""Pairing codes: when one works, and how guessing is slowed down; without sockets or waiting."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.topics import GrantTopic, InboxTopic
from session_controller.security.rate_limit import CodeRateLimit
from session_controller.service.unit_of_work import UnitOfWork
from tests.faults.loopback import Stage, staged

CLIENT = "pairing-" + "1" * 32


async def enrolled(stage: Stage) -> dict[str, Any]:
    """Enroll a device by code, and return what facility IT is told."""
    stage.ask("it", "ENROL_DEVICE", name="Tablet", role="patient", by="code")
    await stage.service.settled()
    return stage.said(InboxTopic("it"))[-1]


async def test_a_code_ends_at_its_moment(tmp_path: Path) -> None:
    """Not only with the timer of the next second, which closes it."""
    async with staged(tmp_path) as stage:
        await stage.open()
        answer = await enrolled(stage)
        registry, end = stage.service.registry, datetime.fromisoformat(answer["code_expires_at"])
        before = UnitOfWork(registry, end - timedelta(milliseconds=1)).code(answer["code"])
        assert before is not None
        assert before.subject == "tablet"
        assert before.code_hash in registry.open_codes
        assert UnitOfWork(registry, end).code(answer["code"]) is None


async def test_the_code_of_a_revoked_device_is_refused(tmp_path: Path) -> None:
    """Nobody is granted a credential that cannot connect."""
    async with staged(tmp_path) as stage:
        await stage.open()
        answer = await enrolled(stage)
        stage.ask("it", "REVOKE_DEVICE", device=answer["device"])
        stage.claim(CLIENT, answer["code"])
        await stage.service.settled()
        assert stage.said(GrantTopic(CLIENT))[-1]["code"] == "code_refused"
        assert stage.service.registry.devices["tablet"].secret_sha256 is None


def test_after_ten_wrong_codes_a_site_checks_one_in_three_seconds() -> None:
    """For as long as ten are less than ten minutes old; more than a minute's worth are refused."""
    limit = CodeRateLimit()
    for number in range(10):
        assert limit.wait_s(0.0) == 0.0
        limit.wrong(f"client-{number}", 0.0)
    waits = [limit.wait_s(0.0) for _ in range(22)]
    assert waits == [3.0 * number for number in range(21)] + [None]
    assert limit.wait_s(599.0) == 0.0
    assert limit.wait_s(599.0) == 3.0
    assert limit.wait_s(600.0) == 0.0
    assert limit.wait_s(600.0) == 0.0


def test_the_fifth_wrong_code_of_a_connection_ends_it() -> None:
    """A right one between them begins the count anew."""
    limit = CodeRateLimit()
    assert not any(limit.wrong("a", 0.0) for _ in range(4))
    limit.right("a")
    assert [limit.wrong("a", 0.0) for _ in range(5)] == [False] * 4 + [True]
    assert not limit.wrong("b", 0.0)
