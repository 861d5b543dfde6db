"""What `handrail doctor` and a running box find of the provider with which staff sign in."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_controller.preflight.checks import ALL, WHILE_RUNNING
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.provider import provider_findings
from session_controller.preflight.subject import StartOptions, Subject
from session_controller.storage.room import DiskUsage
from tests.openid.provider import SECRET, FakeProvider, fake_provider, secret_file

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
DATED = "Mon, 30 Nov 2026 12:00:05 GMT"


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """Yield a provider."""
    with fake_provider() as provider:
        provider.dated = DATED
        yield provider


def _usage(_: object) -> Any:
    raise AssertionError("the disk is not looked at")


def findings(
    fake: FakeProvider, data: Path, at: datetime = AT, *, running: bool = False, **changes: Any
) -> list[Finding]:
    """Return what is found."""
    usage: DiskUsage = _usage
    options = StartOptions({}, openid=fake.settings(**changes))
    return list(provider_findings(Subject(data, at, options, running, usage)))


def only(found: list[Finding]) -> str:
    """Return the text of the only finding, a warning: the PIN works."""
    [one] = found
    assert (one.check, one.level) == ("sign-in-provider", Level.WARNING)
    assert one.mend
    assert SECRET not in one.text
    return f"{one.text}; {one.mend}"


def test_it_is_among_the_checks() -> None:
    """Of both."""
    assert provider_findings in ALL
    assert provider_findings in WHILE_RUNNING


def test_without_a_provider_nothing_is_found(tmp_path: Path) -> None:
    """Most boxes have none."""
    assert list(provider_findings(Subject(tmp_path, AT, StartOptions({}), False, _usage))) == []


def test_a_provider_that_works(fake: FakeProvider, tmp_path: Path) -> None:
    """One request, and the secret is fine."""
    [one] = findings(fake, tmp_path, secret_file=secret_file(tmp_path))
    assert one.level is Level.OK
    assert fake.url in one.text
    assert len(fake.requests) == 1


def test_a_secret_that_cannot_be_read_or_that_all_can_read(
    fake: FakeProvider, tmp_path: Path
) -> None:
    """Both with the command that mends it."""
    file = secret_file(tmp_path)
    file.chmod(0o644)
    assert f"chmod o= {file}" in only(findings(fake, tmp_path, secret_file=file))
    file.chmod(0o640)
    assert findings(fake, tmp_path, secret_file=file)[0].level is Level.OK
    file.write_text("\n")
    assert "cannot be read" in only(findings(fake, tmp_path, secret_file=file))
    file.unlink()
    assert "cannot be read" in only(findings(fake, tmp_path, secret_file=file))


def test_a_provider_that_is_down(tmp_path: Path) -> None:
    """The finding says that the PIN works."""
    with fake_provider() as fake:
        pass
    said = only(findings(fake, tmp_path))
    assert "only with a PIN: the connection is refused" in said
    assert "curl -v " in said


def test_another_issuer(fake: FakeProvider, tmp_path: Path) -> None:
    """Such as that of all tenants instead of the clinic's own."""
    fake.document["issuer"] = f"{fake.url}/"
    said = only(findings(fake, tmp_path))
    assert "its discovery document names another issuer" in said
    assert "handrail config check" in said


@pytest.mark.parametrize(
    ("off_s", "said"), [(70, "65 seconds ahead of"), (-70, "75 seconds behind"), (-50, None)]
)
def test_clocks_that_differ(
    fake: FakeProvider, tmp_path: Path, off_s: int, said: str | None
) -> None:
    """Before tokens are refused for it."""
    found = findings(fake, tmp_path, AT + timedelta(seconds=off_s))
    if said is None:
        assert found[0].level is Level.OK
    else:
        assert said in only(found)
        assert "timedatectl" in only(found)


def test_a_setting_that_lets_the_next_person_in(fake: FakeProvider, tmp_path: Path) -> None:
    """It may be chosen, and stays a warning."""
    assert "the next person" in only(findings(fake, tmp_path, reauthenticate=False))


def test_a_box_without_a_name(fake: FakeProvider, tmp_path: Path) -> None:
    """The provider would not know where to return to."""
    (tmp_path / "box.json").write_text(json.dumps({"pages": None}))
    assert "`page` in [oidc]" in only(findings(fake, tmp_path, running=True))
    page = "https://clinic.local/facility"
    assert findings(fake, tmp_path, running=True, page=page)[0].level is Level.OK
    (tmp_path / "box.json").write_text(json.dumps({"pages": "https://clinic.local"}))
    assert findings(fake, tmp_path, running=True)[0].level is Level.OK
