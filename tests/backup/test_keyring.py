"""The keyring of backups: keys are appended, and overwritten where they are."""

from pathlib import Path

import pytest

from session_controller.errors import KeyringError
from session_controller.security.keyring import (
    add_to_keyring,
    names_in_keyring,
    read_keyring,
    remove_from_keyring,
)


def test_a_key_that_goes_is_overwritten_in_place(tmp_path: Path) -> None:
    """The file stays the same one, of the same size: no other copy of the key is left of it."""
    path = tmp_path / "keyring"
    add_to_keyring(path, {f"session:s-{n}": bytes([n]) * 60 for n in range(50)}, {"box.key": b"k"})
    before, content = path.stat(), path.read_bytes()
    remove_from_keyring(path, {"session:s-7", "session:s-none"})
    after = path.read_bytes()
    assert path.stat().st_ino == before.st_ino
    assert len(after) == len(content)
    assert sum(a != b for a, b in zip(after, content, strict=True)) < 120
    assert b"s-7" not in after
    assert read_keyring(path).keys.keys() == names_in_keyring(path)
    assert len(names_in_keyring(path)) == 49


def test_only_new_keys_are_written(tmp_path: Path) -> None:
    """However many there are; a file that changed replaces the older one."""
    path = tmp_path / "keyring"
    keys = {f"session:s-{n}": bytes(60) for n in range(1000)}
    add_to_keyring(path, keys, {"box.key": b"old"})
    assert add_to_keyring(path, keys, {"box.key": b"old"}) == 0
    assert add_to_keyring(path, {**keys, "session:new": b"x" * 60}, {"box.key": b"old"}) < 200
    add_to_keyring(path, keys, {"box.key": b"new"})
    ring = read_keyring(path)
    assert ring.files == {"box.key": b"new"}
    assert ring.keys == {**keys, "session:new": b"x" * 60}


def test_a_line_that_a_power_failure_cut_off_is_ignored(tmp_path: Path) -> None:
    """And overwritten by the next."""
    path = tmp_path / "keyring"
    add_to_keyring(path, {"a": b"1"}, {})
    with path.open("ab") as file:
        file.write(b'["key", "b", "AAAA')
    assert read_keyring(path).keys == {"a": b"1"}
    add_to_keyring(path, {"c": b"3" * 100}, {})
    assert read_keyring(path).keys == {"a": b"1", "c": b"3" * 100}


def test_a_damaged_keyring_is_named(tmp_path: Path) -> None:
    """Nothing is guessed."""
    path = tmp_path / "keyring"
    path.write_bytes(b'["key", "a"]\n')
    with pytest.raises(KeyringError, match="cannot be read"):
        read_keyring(path)
