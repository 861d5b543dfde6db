"""A running box renews its certificate, warns before the end of one, and reloads changed files."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from session_controller.errors import CertificateError
from session_controller.preflight.certificate import certificate_findings
from session_controller.preflight.checks import subject_of
from session_controller.security.certificates import Hosts
from session_controller.security.encryption import KEY_FILE, make_box_keys
from session_controller.security.own_tls import OwnTls, WantedHosts
from session_controller.service.jobs.certificate import CertificateJob

NOW = datetime.now(UTC)
_DAY = timedelta(days=1)


class Scene:
    """A box's certificate, with a clock and a machine that a test sets."""

    def __init__(self, data: Path) -> None:
        self.now = NOW
        self.hosts = Hosts(("box.local",), (ip_address("192.168.1.5"),))
        self.data = data
        self.own = OwnTls(data, lambda: self.hosts)
        self.own.create("main", WantedHosts(), make_box_keys(data), NOW)
        self.reloads = 0
        self.problem: str | None = None

    def job(self, *, own: bool = True) -> CertificateJob:
        """Return the job, as a box would start it; own False: the same files, but given."""
        files = (self.own.certificate_file, self.own.key_file)
        return CertificateJob(self.data, "main", files, self.own if own else None, lambda: self.now)

    def reload(self) -> str | None:
        """Count, and return the problem that a test has set."""
        self.reloads += 1
        return self.problem


@pytest.fixture
def scene(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Scene:
    """Return a certificate that was just made."""
    caplog.set_level(logging.INFO)
    return Scene(tmp_path)


def test_what_is_fine_stays(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Neither at the start nor each minute is anything written or said."""
    before, job = scene.own.certificate(), scene.job()
    job.prepare()
    for _ in range(3):
        job.look(scene.reload)
        scene.now += _DAY
    assert scene.own.certificate() == before
    assert (scene.reloads, caplog.messages) == (0, [])


def test_the_end_is_of_the_certificate_in_use(scene: Scene) -> None:
    """A renewed one counts once the broker uses it."""
    job = scene.job()
    job.prepare()
    first = scene.own.certificate().not_valid_after_utc
    assert job.ends == first
    scene.now += timedelta(days=300)
    scene.problem = "it cannot be read"
    job.look(scene.reload)
    assert scene.own.certificate().not_valid_after_utc > first
    assert job.ends == first
    scene.problem = None
    job.reload(scene.reload)
    assert job.ends == scene.own.certificate().not_valid_after_utc


def _grow_old(scene: Scene) -> None:
    scene.now += timedelta(days=300)


def _move(scene: Scene) -> None:
    scene.hosts = Hosts(("box.local",), (ip_address("192.168.1.6"),))


def _tear(scene: Scene) -> None:
    scene.own.key_file.write_text("torn")


@pytest.mark.parametrize("change", [_grow_old, _move, _tear])
def test_it_is_renewed_at_the_start(scene: Scene, change: Callable[[Scene], None]) -> None:
    """When it is old, for other hosts or unusable."""
    change(scene)
    before = scene.own.certificate()
    job = scene.job()
    job.prepare()
    assert scene.own.certificate() != before
    assert scene.own.due(scene.now) is None
    job.look(scene.reload)
    assert scene.reloads == 0


@pytest.mark.parametrize("change", [_grow_old, _move, _tear])
def test_it_is_renewed_once_a_day(
    scene: Scene, change: Callable[[Scene], None], caplog: pytest.LogCaptureFixture
) -> None:
    """And taken up at once: within the day nothing is checked."""
    job = scene.job()
    job.look(scene.reload)
    before = scene.own.certificate()
    change(scene)
    if change is _move:
        job.look(scene.reload)
        assert scene.own.certificate() == before
    scene.now += _DAY
    job.look(scene.reload)
    assert scene.own.certificate() != before
    assert scene.reloads == 1
    assert "renewed the certificate" in caplog.text
    job.look(scene.reload)
    assert scene.reloads == 1


def test_a_clock_that_was_wrong_is_noticed(scene: Scene) -> None:
    """A machine without a battery starts in the past: its certificate would not be valid now."""
    scene.now = datetime(1970, 1, 3, tzinfo=UTC)
    job = scene.job()
    job.prepare()
    job.look(scene.reload)
    scene.now = NOW
    job.look(scene.reload)
    assert scene.own.due(NOW) is None
    scene.now = NOW - 30 * _DAY
    assert scene.own.due(scene.now) is not None
    job.look(scene.reload)
    assert scene.own.due(scene.now) is None
    assert scene.reloads == 2


def test_without_the_box_key_it_is_not_renewed(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why; a box starts with what still works, and not with what does not."""
    (scene.data / KEY_FILE).unlink()
    _grow_old(scene)
    before, job = scene.own.certificate(), scene.job()
    job.prepare()
    assert scene.own.certificate() == before
    assert "must be renewed (it is about to expire) and cannot be" in caplog.text
    assert "lacks the box key" in caplog.text
    _tear(scene)
    with pytest.raises(CertificateError, match="handrail tls create --force"):
        scene.job().prepare()


@pytest.mark.parametrize(
    ("left", "said"),
    [(31, None), (29, "expires on"), (1, "expires on"), (-1, "expired on")],
)
def test_the_end_of_a_given_certificate_is_announced_daily(
    scene: Scene, left: int, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """From 30 days before; the box does not touch it."""
    before = scene.own.certificate()
    scene.now = before.not_valid_after_utc - left * _DAY
    job = scene.job(own=False)
    job.prepare()
    for _ in range(3):
        job.look(scene.reload)
    assert len(caplog.messages) == (said is not None)
    assert (said or "") in caplog.text
    scene.now += 2 * _DAY
    job.look(scene.reload)
    assert len(caplog.messages) == (said is not None) + 1
    assert scene.own.certificate() == before
    assert scene.reloads == 0


def test_the_end_of_the_ca_is_announced(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Its last certificate ends with it, and cannot be renewed beyond."""
    end = scene.own.ca().not_valid_after_utc
    scene.now = end - 20 * _DAY
    scene.job().look(scene.reload)
    assert scene.own.certificate().not_valid_after_utc == end
    assert "make another with `handrail tls create --force`" in caplog.text

    def said(before: int) -> list[str]:
        subject = subject_of(scene.data, end - before * _DAY)
        return [each.text for each in certificate_findings(subject)]

    assert [text for text in said(364) if "CA expires" in text]
    assert not [text for text in said(366) if "CA expires" in text]


def test_files_that_changed_are_reloaded(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Once, and once more after a problem only if they change again."""
    job = scene.job(own=False)
    scene.problem = "box.key: No such file or directory"
    scene.own.key_file.unlink()
    for _ in range(2):
        job.look(scene.reload)
    assert scene.reloads == 1
    (line,) = caplog.messages
    assert "the previous one stays in use: box.key: No such file" in line
    scene.problem = None
    scene.own.key_file.write_text("new")
    for _ in range(2):
        job.look(scene.reload)
    assert scene.reloads == 2
    job.reload(scene.reload)
    assert scene.reloads == 3


def test_a_given_certificate_that_cannot_be_read_is_named(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The daily check goes on."""
    job = scene.job(own=False)
    scene.own.certificate_file.write_text("no certificate")
    job.look(scene.reload)
    assert "does not contain certificates" in caplog.text
