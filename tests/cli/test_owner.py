"""A command that root runs on another user's data folder acts as that user."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.cli import owner
from tests.conftest import ROOT

from .conftest import PROGRAM, Handrail

NOBODY = pwd.getpwnam("nobody").pw_uid
NAMELESS = 54_321
_READABLE = os.environ | {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"}
_PYTHONS = (sys.executable, "/usr/bin/python3")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def _can(python: str, user: int) -> bool:
    """Return whether a user can run the program with an interpreter: root's home is private."""
    order = [python, "-P", "-c", "import cli, orjson, pydantic_core"]
    try:
        ran = subprocess.run(order, env=_READABLE, user=user, capture_output=True, check=False)
    except OSError:
        return False
    return ran.returncode == 0


@pytest.fixture(scope="module")
def program() -> tuple[str, ...]:
    """Return the command that runs the program with an interpreter that all users can read."""
    for python in _PYTHONS:
        if _can(python, NOBODY):
            return (python, *PROGRAM[1:])
    pytest.skip("other users can read no interpreter that has what the program needs")


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder that all users may enter, unlike those of `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="handrail-owner-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _owned(folder: Path, user: int) -> Path:
    data = folder / "data"
    data.mkdir(mode=0o700)
    os.chown(data, user, user)
    return data


_ENROL = ("device", "enrol", "Desk", "--role", "facility")


def _run(*order: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in order]
    return subprocess.run(
        words, cwd=folder, env=_READABLE, capture_output=True, text=True, check=False
    )


@needs_root
@pytest.mark.parametrize("user", [0, NAMELESS])
def test_all_files_belong_to_the_owner_of_the_folder(
    program: tuple[str, ...], shared: Path, user: int
) -> None:
    """Root's folder stays root's; a user needs no name."""
    data = _owned(shared, user)
    ran = _run(*program, *_ENROL, "--data", data)
    assert ran.returncode == 0, ran.stderr
    assert (data / "handrail.sqlite").exists()
    assert {path.stat().st_uid for path in data.rglob("*")} == {user}


@needs_root
def test_the_folder_may_come_from_the_environment(program: tuple[str, ...], shared: Path) -> None:
    """And the working folder may be one that its owner may not enter."""
    data, here = _owned(shared, NOBODY), shared / "private"
    here.mkdir(mode=0o700)
    words = ("env", f"HANDRAIL_DATA={data}", *program, *_ENROL)
    ran = _run(*words, folder=here)
    assert ran.returncode == 0, ran.stderr
    assert {path.stat().st_uid for path in data.rglob("*")} == {NOBODY}


@needs_root
def test_a_place_of_root_is_named(program: tuple[str, ...], shared: Path) -> None:
    """A folder to copy to, a backup that only root reads: which one, and as whom it was tried."""
    data, place = _owned(shared, NOBODY), shared / "usb"
    place.mkdir(mode=0o700)
    told = f"acts as user nobody, the owner of {data}"
    _run(*program, "device", "enrol", "Desk", "--role", "facility", "--data", data)
    copied = _run(*program, "backup", "--to", place / "copy", "--data", data)
    assert copied.returncode == 1
    assert f"could not be copied to {place / 'copy'}" in copied.stderr
    assert "Permission denied" in copied.stderr
    assert told in copied.stderr
    restored = _run(*program, "restore", place / "copy", "--data", data)
    assert restored.returncode == 2
    assert told in restored.stderr
    shutil.copytree(data / "backups", shared / "copy", copy_function=shutil.copyfile)
    shared.joinpath("copy").chmod(0o755)
    unread = _run(*program, "restore", shared / "copy", "--data", data)
    assert unread.returncode == 1
    assert f"{shared / 'copy'}" in unread.stderr
    assert told in unread.stderr
    assert told not in _run(*program, "session", "show", "--data", data).stderr


def _as_root(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Be root in the eyes of the program, on another user's folder, with no change of user."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for change in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, change, lambda _: None)
    if os.getuid() == 0:
        os.chown(data, NOBODY, NOBODY)


def test_where_root_may_not_change_its_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, handrail: Handrail
) -> None:
    """As in a container without the capability: nothing is touched."""

    def refuse(_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    _as_root(monkeypatch, tmp_path)
    monkeypatch.setattr(os, "setgroups", refuse)
    ran = handrail("device", "list", "--data", tmp_path)
    assert ran.code == 1
    assert f"{tmp_path}: cannot act as user " in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_the_owner_cannot_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, handrail: Handrail
) -> None:
    """As in root's home: said at once, and not where the first module is missing."""
    _as_root(monkeypatch, tmp_path)
    monkeypatch.setattr(owner, "_PROGRAM", (str(tmp_path / "missing.py"),))
    ran = handrail("device", "list", "--data", tmp_path)
    assert ran.code == 1
    assert "cannot read the program" in ran.err
    assert list(tmp_path.iterdir()) == []
