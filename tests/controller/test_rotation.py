"""The box gets another key: what is stored stays, what the old key opened it opens no more."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from session_controller import failpoints
from session_controller.backup.backups import BackupError, Backups
from session_controller.backup.manifest import existing
from session_controller.backup.restore import ANY_SIGNER, restore
from session_controller.backup.rotation import rotate
from session_controller.errors import CertificateError, StoreError
from session_controller.failpoints import Point
from session_controller.integrity.data_folder import verify
from session_controller.security.encryption import KEY_FILE, DecryptionError, required_box_keys
from session_controller.security.keyring import (
    KEYRING,
    Keyring,
    read_keyring,
    write_keyring,
)
from session_controller.security.own_tls import OwnTls, WantedHosts
from session_controller.storage.store import Store
from tests.backups import copied, verified
from tests.controller.entering import enter_everything, take_as_it_is
from tests.faults.loopback import staged

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data folder with a session and a backup."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, "Zorblatt")
        await Backups(stage.store, tmp_path).take()
    return tmp_path


def test_everything_opens_with_the_new_key_alone(data: Path) -> None:
    """The database, the documents and the backups."""
    old = (data / KEY_FILE).read_bytes()
    store = Store(data)
    count = Backups(store, data).rotate(NOW, "admin-1")
    assert count == len(store.wrapped_keys()) == 3
    store.close()
    new = (data / KEY_FILE).read_bytes()
    assert len(new) == 32
    assert new != old
    assert verify(data / "handrail.sqlite").faults == ()
    (backup,) = existing(data)
    assert verified(backup).faults == ()
    assert old not in (data / "backups" / "keyring").read_bytes()
    restore(data, backup, NOW)
    assert verify(data / "handrail.sqlite").faults == ()
    (data / KEY_FILE).write_bytes(old)
    with pytest.raises(StoreError, match="key"):
        Store(data)


def test_a_rotation_that_was_killed_is_done_again(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stopped: until all is wrapped anew, both keys are there."""
    with monkeypatch.context() as patch:

        def killed(*_: object) -> int:
            raise KeyboardInterrupt

        patch.setattr(Store, "rewrap", killed)
        store = Store(data)
        with pytest.raises(KeyboardInterrupt):
            rotate(store, data, NOW, "admin-1")
        store.close()
    assert len((data / KEY_FILE).read_bytes()) == 64
    assert verify(data / "handrail.sqlite").faults == ()
    store = Store(data)
    rotate(store, data, NOW, "admin-1")
    store.close()
    assert len((data / KEY_FILE).read_bytes()) == 32
    assert verify(data / "handrail.sqlite").faults == ()


def test_keys_from_the_environment_are_rotated_to_the_first(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is written; afterwards the old one can be dropped from the variable."""
    old, new = (data / KEY_FILE).read_bytes(), b"n" * 32
    (data / KEY_FILE).unlink()
    texts = [base64.b64encode(key).decode() for key in (new, old)]
    monkeypatch.setenv("HANDRAIL_BOX_KEY", ",".join(texts))
    store = Store(data)
    Backups(store, data).rotate(NOW, "admin-1")
    store.close()
    assert not (data / KEY_FILE).exists()
    monkeypatch.setenv("HANDRAIL_BOX_KEY", texts[0])
    assert verify(data / "handrail.sqlite").faults == ()
    monkeypatch.setenv("HANDRAIL_BOX_KEY", texts[1])
    with pytest.raises(StoreError, match="key"):
        Store(data)


def test_a_box_without_its_key_does_not_start_and_says_why(data: Path) -> None:
    """It makes no new key, under which nothing could be read."""
    (data / KEY_FILE).unlink()
    with pytest.raises(StoreError, match="put it back"):
        Store(data)
    assert not (data / KEY_FILE).exists()


def test_a_wrapped_key_of_another_session_does_not_open(data: Path) -> None:
    """Keys are bound to their names."""
    store = Store(data)
    wrapped = store.wrapped_keys()
    session = next(name for name in wrapped if name.startswith("session:"))
    with pytest.raises(DecryptionError):
        store._keys.box.unwrap(wrapped["log"], session)
    store.close()


async def test_a_key_that_is_rotated_during_a_backup_spoils_no_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup is not taken, and says so; those of before open as they did."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, "Zorblatt")
        backups = Backups(stage.store, tmp_path)
        before = await backups.take()

        def rotated(point: Point) -> None:
            if point is Point.BACKED_UP_DOCUMENTS:
                backups.rotate(NOW, "admin-1")

        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "reached", rotated)
            with pytest.raises(BackupError, match="rotated"):
                await backups.take()
        assert verified(before).faults == ()
        assert verified(await backups.take()).faults == ()


async def test_a_rotation_that_was_killed_spoils_no_keyring(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The box has its new key, the keyring still the old one: the next backup wraps its keys."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    store = Store(data)
    backups = Backups(store, data)
    with monkeypatch.context() as patch:
        patch.setattr(backups, "_rewrap_keyring", killed)
        with pytest.raises(KeyboardInterrupt):
            backups.rotate(NOW, "admin-1")
    (older,) = existing(data)
    assert verified(older).faults == ()
    newer = await backups.take()
    store.close()
    for backup in (older, newer):
        assert verified(backup).faults == ()
        assert restore(data, backup, NOW).sessions == 1


async def test_backups_go_on_after_a_restore_with_an_earlier_box_key(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A copy from before the rotation brings its box key along; all backups are wrapped with it."""
    (older,) = existing(data)
    copy = copied(older, tmp_path_factory.mktemp("stick") / "copy")
    store = Store(data)
    Backups(store, data).rotate(NOW, "admin-1")
    store.close()
    restore(data, copy, NOW)
    store = Store(data)
    newer = await Backups(store, data).take()
    store.close()
    for backup in (older, newer):
        assert verified(backup).faults == ()


async def test_a_keyring_that_no_key_opens_is_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the earlier box key is not given any more, the backup says what to do."""
    old, new = (data / KEY_FILE).read_bytes(), b"n" * 32
    keyring = data / "backups" / KEYRING
    write_keyring(keyring, Keyring(read_keyring(keyring).keys, {}))
    texts = [base64.b64encode(key).decode() for key in (new, old)]
    monkeypatch.setenv("HANDRAIL_BOX_KEY", ",".join(texts))
    store = Store(data)
    rotate(store, data, NOW, "admin-1")
    monkeypatch.setenv("HANDRAIL_BOX_KEY", texts[0])
    with pytest.raises(BackupError, match="move it away and take a new backup"):
        await Backups(store, data).take()
    keyring.unlink()
    backup = await Backups(store, data).take()
    store.close()
    assert verified(backup).faults == ()


async def test_backups_of_another_box_are_not_continued(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After a box was started by mistake, and then another one was restored into its folder."""
    (backup,) = existing(data)
    copy = copied(backup, tmp_path_factory.mktemp("stick") / "copy")
    other = tmp_path_factory.mktemp("other")
    store = Store(other)
    await Backups(store, other).take()
    store.close()
    restore(other, copy, NOW, signed_by=ANY_SIGNER)
    store = Store(other)
    with pytest.raises(BackupError, match="backups of another box; move it away"):
        await Backups(store, other).take()
    (other / "backups").rename(other / "former")
    backup = await Backups(store, other).take()
    store.close()
    assert verified(backup).faults == ()


async def test_a_key_file_that_counts_no_more_is_not_kept_with_backups(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who moves from the file to the environment may leave the file: backups open all the same."""
    texts = [base64.b64encode(k).decode() for k in (b"n" * 32, (data / KEY_FILE).read_bytes())]
    monkeypatch.setenv("HANDRAIL_BOX_KEY", ",".join(texts))
    store = Store(data)
    backups = Backups(store, data)
    backups.rotate(NOW, "admin-1")
    monkeypatch.setenv("HANDRAIL_BOX_KEY", texts[0])
    backup = await backups.take()
    store.close()
    assert verified(backup).faults == ()
    assert restore(data, backup, NOW).sessions == 1


def test_the_key_of_the_boxs_ca_is_wrapped_again(data: Path) -> None:
    """With the new key alone; the old one opens it no more."""
    own, keys = OwnTls(data), required_box_keys(data)
    own.create("main", WantedHosts(), keys, NOW)
    store = Store(data)
    Backups(store, data).rotate(NOW, "admin-1")
    store.close()
    assert own.open_ca(required_box_keys(data)).certificate == own.ca()
    with pytest.raises(CertificateError):
        own.open_ca(keys)
