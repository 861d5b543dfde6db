"""`handrail backup`: list, verify, drill, and the copies that `serve` makes."""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from session_controller.backup import off_box
from session_controller.backup.backups import Backups
from session_controller.backup.drill import SCRATCH
from session_controller.preflight.checks import subject_of
from session_controller.preflight.copies import drill_findings
from session_controller.security.recovery import RecoveryKey
from session_controller.storage.store import Store
from tests.backup.test_off_box import NOW
from tests.waiting import until

from .conftest import Handrail


@pytest.fixture
def box(tmp_path: Path, handrail: Handrail) -> Path:
    """A data folder with a device and a backup."""
    data = tmp_path / "data"
    for words in (("device", "enrol", "Desk", "--role", "facility"), ("backup",)):
        ran = handrail(*words, "--data", data)
        assert ran.code == 0, ran.err
    return data


def with_key(box: Path, handrail: Handrail) -> Path:
    """Make a recovery key; return a file with it."""
    ran = handrail("key", "recovery", "create", "--json", "--data", box)
    paper = box.with_name("paper")
    paper.write_text(ran.json["recovery_key"])
    return paper


def ends_with(box: Path, handrail: Handrail) -> str:
    """Back up, and return what opens it."""
    ran = handrail("backup", "--to", box.with_name("copy"), "--data", box, "--json")
    assert ran.code == 0, ran.err
    shown = handrail("backup", "--data", box).err
    assert f"it opens with {ran.json['opens_with']}" in shown
    return str(ran.json["opens_with"])


def test_what_opens_a_backup_is_said(
    box: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys alone; a key from outside; a recovery key."""
    assert ends_with(box, handrail) == "its keys, which have the box key in clear"
    key = (box / "box.key").read_bytes()
    (box / "box.key").rename(box.with_name("box.key"))
    monkeypatch.setenv("HANDRAIL_BOX_KEY", base64.b64encode(key).decode())
    assert ends_with(box, handrail) == "the box key, which is kept outside the data folder"
    with_key(box, handrail)
    recipient = json.loads((box / "recovery.json").read_text())["recipient"]
    assert ends_with(box, handrail) == f"the recovery key of {recipient}, or the box key"


def test_backups_are_listed_with_their_copies(box: Path, handrail: Handrail) -> None:
    """Newest first, here and there; a damaged one is listed as such."""
    copy = box.with_name("copy")
    assert handrail("backup", "--to", copy, "--data", box).code == 0
    found = handrail("backup", "list", "--to", copy, "--data", box, "--json").json
    assert [Path(one["file"]).parent for one in found] == [box / "backups"] * 2 + [copy]
    assert found[0]["taken"] > found[1]["taken"]
    assert all(one["size"] > 100_000 and one["verified"] for one in found)
    Path(found[0]["file"]).write_bytes(b"torn")
    copy.with_name("copy.keys").unlink()
    ran = handrail("backup", "list", "--to", copy, "--data", box)
    assert "damaged" in ran.out
    said = " ".join(ran.out.split())
    assert f"folder {box / 'backups'} opens with its keys" in said
    assert f"folder {copy} opens with nothing: its keys are missing" in said
    assert Path(found[1]["file"]).name in said
    shutil.rmtree(box / "backups")
    none = handrail("backup", "list", "--data", box)
    assert (none.code, "no backups" in none.err) == (0, True)


def test_failing_copies_are_listed(box: Path, handrail: Handrail) -> None:
    """The folder is known from `serve --backup-to`."""
    away = box.with_name("away")
    state = off_box.CopyState(to=str(away)).after_failure("it is away", NOW)
    state.write(box)
    ran = handrail("backup", "list", "--data", box)
    assert f"nothing was copied to {away}" in ran.err
    assert "it is away" in ran.err


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a page": lambda copy: flip(next((copy / "packs").iterdir())),
    "a pack": lambda copy: next((copy / "packs").iterdir()).unlink(),
    "the list": lambda copy: flip(next(copy.glob("*.backup"))),
    "what is signed": lambda copy: forge(next(copy.glob("*.backup"))),
    "the keys": lambda copy: copy.with_name("copy.keys").unlink(),
}


def flip(path: Path) -> None:
    """Change a byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forge(path: Path) -> None:
    """Change when a backup was taken."""
    path.write_bytes(path.read_bytes().replace(b'"taken":"20', b'"taken":"21', 1))


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_of_a_copy_is_found(damage: str, box: Path, handrail: Handrail) -> None:
    """With nothing but the copy and its keys; exit code 1."""
    copy = box.with_name("copy")
    assert handrail("backup", "--to", copy, "--data", box).code == 0
    elsewhere = ("--data", box.with_name("none"))
    ran = handrail("backup", "verify", copy, *elsewhere, "--json")
    assert (ran.code, ran.json["whole"], ran.json["signature_verified"]) == (0, True, True)
    DAMAGE[damage](copy)
    ran = handrail("backup", "verify", copy, *elsewhere, "--json")
    assert (ran.code, ran.json["whole"], len(ran.json["faults"])) == (1, False, 1)
    assert handrail("backup", "verify", copy, *elsewhere).code == 1


def test_a_copy_is_verified_without_its_key(box: Path, handrail: Handrail) -> None:
    """Each page and document; the signature with the recovery key, or where the box's key is."""
    copy, paper = box.with_name("copy"), with_key(box, handrail)
    assert handrail("backup", "--to", copy, "--data", box).code == 0
    elsewhere = ("--data", box.with_name("none"))
    ran = handrail("backup", "verify", copy, *elsewhere)
    assert ran.code == 0
    assert "not verified: the recovery key of age1" in ran.out
    for more in (("--data", box), (*elsewhere, "--recovery-key-file", paper)):
        ran = handrail("backup", "verify", copy, *more, "--json")
        assert (ran.code, ran.json["signature_verified"]) == (0, True)
    forge(next(copy.glob("*.backup")))
    ran = handrail("backup", "verify", copy, *elsewhere, "--recovery-key-file", paper)
    assert (ran.code, "was changed after the box wrote it" in ran.err) == (1, True)
    flip(next((copy / "packs").iterdir()))
    assert handrail("backup", "verify", copy, *elsewhere).code == 1


def test_a_drill_restores_and_leaves_nothing(box: Path, handrail: Handrail) -> None:
    """With each kind of key; what it found is remembered."""
    before = {path.name for path in box.iterdir()}
    assert finding(box) == "note"
    paper, copy = with_key(box, handrail), box.with_name("copy")
    assert handrail("backup", "--to", copy, "--data", box).code == 0
    for more in ((), (copy,), ("--recovery-key-file", paper), (copy, "--recovery-key-file", paper)):
        (box / "drill.json").unlink(missing_ok=True)
        ran = handrail("backup", "drill", *more, "--data", box, "--json")
        assert ran.code == 0, ran.err
        assert (ran.json["whole"], ran.json["sessions"], ran.json["faults"]) == (True, 0, [])
        assert ran.json["entries"] >= 10
        assert finding(box) == "ok"
    assert {path.name for path in box.iterdir()} - before == {"drill.json", "recovery.json"}
    (box / "box.key").rename(box.with_name("box.key"))
    ran = handrail("backup", "drill", "--data", box)
    assert ran.code == 2
    assert "--recovery-key-file" in ran.err
    ran = handrail("backup", "drill", "--recovery-key-file", paper, "--data", box)
    assert ran.code == 0, ran.err
    assert not (box / "box.key").exists()
    assert not (box / SCRATCH).exists()


def state_of(box: Path) -> off_box.CopyState:
    """Return what a box remembers of its copies."""
    return off_box.read_copies(box) or off_box.CopyState(to="nowhere yet")


def finding(box: Path) -> str:
    """Return the level of what is found of drills."""
    (one,) = drill_findings(subject_of(box, NOW))
    return one.level


def test_a_drill_finds_damage(box: Path, handrail: Handrail) -> None:
    """Of pages: nothing is restored, and that is remembered; a wrong key is no damage."""
    paper = box.with_name("paper")
    with_key(box, handrail)
    paper.write_text(RecoveryKey.create().text)
    ran = handrail("backup", "drill", "--recovery-key-file", paper, "--data", box)
    assert (ran.code, "is the recovery key of age1" in ran.err) == (1, True)
    assert finding(box) == "note"
    for pack in (box / "backups" / "packs").iterdir():
        flip(pack)
    ran = handrail("backup", "drill", "--data", box)
    assert ran.code == 1
    assert "cannot be restored" in ran.err
    assert not (box / SCRATCH).exists()
    assert finding(box) == "critical"


def test_a_drill_that_is_killed_is_cleaned_up(box: Path, handrail: Handrail) -> None:
    """By the next start, which knows what was purged meanwhile; not while it runs."""
    script = (
        "import sys; from session_controller.backup import drill;"
        "drill.audit_folder = lambda *_: (print('restored', flush=True), sys.stdin.read());"
        "from cli import main; main()"
    )
    order = [sys.executable, "-c", script, "backup", "drill", "--data", str(box)]
    pipe = subprocess.PIPE
    with subprocess.Popen(order, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "restored\n"
        store = Store(box)
        Backups(store, box).tidy()
        assert (box / SCRATCH / "handrail.sqlite").exists(), "it still runs"
        ran = handrail("backup", "drill", "--data", box)
        assert "another drill runs" in ran.err
        process.send_signal(signal.SIGKILL)
        process.wait()
        Backups(store, box).tidy()
        store.close()
    assert not (box / SCRATCH).exists()


def test_a_purge_reaches_what_a_killed_drill_left(box: Path) -> None:
    """It has the keys of the sessions."""
    store = Store(box)
    (box / SCRATCH).mkdir()
    (box / SCRATCH / "handrail.sqlite").touch()
    Backups(store, box).forget(["s-1"])
    store.close()
    assert not (box / SCRATCH).exists()


def test_a_drill_leaves_room_for_check_ins(
    box: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not begun on a disk that is nearly full."""

    class Full:
        free, reserve = 0, 1 << 20

        @classmethod
        def on(cls, _: Path) -> "Full":
            return cls()

    monkeypatch.setattr("session_controller.backup.drill.Room", Full)
    ran = handrail("backup", "drill", "--data", box)
    assert (ran.code, "kept free for check-ins" in ran.err) == (1, True)


def test_serve_copies_by_itself(
    box: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the folder that `--backup-to` names; without the option, what was copied is forgotten."""
    copy, made = box.with_name("copy"), list[Callable[[], AbstractAsyncContextManager[Any]]]()
    assert handrail("backup", "--to", copy, "--data", box).code == 0
    monkeypatch.setattr("clients.cli.running.run_until_told", lambda make, *_: made.append(make))
    monkeypatch.setattr(off_box, "_LOOK_EVERY_S", 0.01)
    free = ("--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", box)
    assert handrail("serve", "--backup-to", copy, *free).code == 0

    async def until_copied() -> None:
        async with made[0]():
            await until(lambda: bool(state_of(box).copied), "a backup is copied")

    asyncio.run(until_copied())
    found = handrail("backup", "list", "--data", box, "--json").json
    assert Path(found[-1]["file"]).parent == copy
    assert handrail("serve", *free).code == 0
    assert off_box.read_copies(box) is None


@pytest.mark.skipif(not shutil.which("restic"), reason="restic is not installed")
def test_the_recipe_for_restic(box: Path, handrail: Handrail, tmp_path: Path) -> None:
    """As the page says: copy, then `restic backup`; what comes back can be restored."""
    page = (Path(__file__).parents[2] / "docs/how-to/back-up.md").read_text()
    recipe = page[page.index("restic init") :]
    recipe = recipe[: recipe.index("```")].replace("/var/lib/handrail-copy", str(tmp_path / "copy"))
    environment = {
        **os.environ,
        "RESTIC_REPOSITORY": str(tmp_path / "repository"),
        "RESTIC_PASSWORD": "x",
    }
    for line in recipe.strip().splitlines():
        if line.startswith("handrail"):
            assert handrail("backup", "--to", tmp_path / "copy", "--data", box).code == 0
        else:
            subprocess.run(line.split(), check=True, env=environment, cwd=tmp_path)
    order = ["restic", "restore", "latest", "--target", str(tmp_path / "back")]
    subprocess.run(order, check=True, env=environment)
    back = tmp_path / "back" / (tmp_path / "copy").relative_to("/")
    there = tmp_path / "there"
    assert handrail("restore", back, "--data", there).code == 0
    assert handrail("device", "list", "--data", there, "--json").json[0]["name"] == "Desk"


def test_a_list_ends_with_its_last_line(box: Path, handrail: Handrail) -> None:
    """Folders are apart by an empty line; after the last there is none."""
    out = handrail("backup", "list", "--data", box).out
    assert out.endswith("\n")
    assert not out.endswith("\n\n")
    handrail("backup", "--to", box.with_name("copy"), "--data", box)
    both = handrail("backup", "list", "--to", box.with_name("copy"), "--data", box).out
    assert both.count("\n\n") == out.count("\n\n") * 2 + 1
    assert not both.endswith("\n\n")
