"""The keyring of backups: keys are appended, and overwritten where they are."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from session_controller.errors import KeyringError
from session_controller.security.keyring import (
    add_to_keyring,
    discard_draft,
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
    with path.open("ab") as file:
        file.write(b'["key", "b", "AAAA')
    remove_from_keyring(path, ())
    assert b"AAAA" not in path.read_bytes(), "it may be of a session that is purged"


def test_a_damaged_keyring_is_named(tmp_path: Path) -> None:
    """Nothing is guessed."""
    path = tmp_path / "keyring"
    path.write_bytes(b'["key", "a"]\n')
    with pytest.raises(KeyringError, match="cannot be read"):
        read_keyring(path)


def test_a_blank_line_is_used_again(tmp_path: Path) -> None:
    """However many sessions come and are purged, the file stays as large as it was."""
    path = tmp_path / "keyring"
    names = [f"session:s-{n:03}" for n in range(300)]
    add_to_keyring(path, {name: bytes(60) for name in names[:20]}, {"box.key": b"k" * 500})
    size, inode = path.stat().st_size, path.stat().st_ino
    for n in range(20, 300):
        remove_from_keyring(path, {names[n - 20]})
        add_to_keyring(path, {names[n]: n.to_bytes(2) * 30}, {"box.key": b"k" * 500})
        assert read_keyring(path).keys.keys() == names_in_keyring(path) == {*names[n - 19 : n + 1]}
    assert (path.stat().st_size, path.stat().st_ino) == (size, inode)
    assert read_keyring(path).keys[names[299]] == (299).to_bytes(2) * 30


def test_several_keys_fit_on_one_line_and_a_long_one_does_not(tmp_path: Path) -> None:
    """Where a file was, keys follow each other."""
    path = tmp_path / "keyring"
    add_to_keyring(path, {"a": b"1"}, {"old": b"x" * 300})
    add_to_keyring(path, {}, {"new": b"y"})
    size = path.stat().st_size
    add_to_keyring(path, {"long": b"l" * 900, "b": b"2", "c": b"3", "d": b"4"}, {"new": b"y"})
    assert path.stat().st_size < size + 1300
    ring = read_keyring(path)
    assert ring.keys == {"a": b"1", "b": b"2", "c": b"3", "d": b"4", "long": b"l" * 900}
    assert ring.files == {"new": b"y"}
    remove_from_keyring(path, ring.keys.keys())
    assert path.read_bytes().strip(b" \n") == b'["file", "new", "eQ=="]'


KEYS = {f"session:s-{n}": bytes([65 + n]) * 60 for n in range(6)}
STEPS: dict[str, Callable[[Path], object]] = {
    "purge": lambda path: remove_from_keyring(path, {"session:s-1", "session:s-4"}),
    "backup": lambda path: add_to_keyring(
        path, KEYS | {f"session:new-{n}": b"n" * 60 for n in range(4)}, {"box.key": b"k" * 32}
    ),
    "new file": lambda path: add_to_keyring(path, KEYS, {"box.key": b"K" * 32}),
    "seal": lambda path: add_to_keyring(path, KEYS, {}, SEALED),
}
SEALED = {"age1": b"s" * 300, "box": b"b" * 200}


@pytest.mark.parametrize("part", [slice(0), slice(15), slice(15, None)], ids=["-", "start", "end"])
@pytest.mark.parametrize("step", STEPS)
def test_a_keyring_can_be_read_wherever_its_writing_was_killed(
    step: str, part: slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each write, and with a part of it on the disk; what is done again is complete."""
    write, done = os.pwrite, False
    for nth in count():
        path = tmp_path / str(nth)
        add_to_keyring(path, {**KEYS, "session:old-1": b"g" * 60}, {"box.key": b"k" * 32})
        remove_from_keyring(path, {"session:old-1"})
        calls = iter(range(1000))

        def killed(handle: int, content: bytes, at: int) -> int:
            if next(calls) == nth:  # noqa: B023
                write(handle, content[part], at + (part.start or 0))
                raise KeyboardInterrupt
            return write(handle, content, at)

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", killed)
            try:
                STEPS[step](path)
                done = True
            except KeyboardInterrupt:
                pass
        ring = read_keyring(path)
        kept = {f"session:s-{n}" for n in (0, 2, 3, 5)}
        assert kept <= ring.keys.keys()
        assert all(ring.keys[name] == KEYS[name] for name in kept)
        assert ring.sealed == SEALED or ring.files["box.key"] in (b"k" * 32, b"K" * 32)
        STEPS[step](path)
        again = read_keyring(path)
        if step == "purge":
            assert again.keys.keys() == kept
            assert b"session:s-1" not in path.read_bytes()
            assert b"QkJCQkJC" not in path.read_bytes(), "the key, as it is encoded"
        elif step == "seal":
            assert (again.files, again.sealed) == ({}, SEALED)
            assert b"a2tra2tr" not in path.read_bytes(), "the box key, as it is encoded"
        else:
            assert KEYS.items() <= again.keys.items()
            assert again.files == {"box.key": (b"K" if step == "new file" else b"k") * 32}
            assert path.read_bytes().count(b'"box.key"') == 1
        if done:
            return


def test_a_draft_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    """It has all keys, and their bytes would stay on the disk."""
    path, other = tmp_path / "keyring", tmp_path / "other"
    draft = tmp_path / "keyring.new"
    draft.write_bytes(b"keys")
    other.hardlink_to(draft)
    discard_draft(path)
    assert not draft.exists()
    assert other.read_bytes() == b"    "
    discard_draft(path)
