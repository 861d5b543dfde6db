"""The recovery key: typed in any way, and what is sealed for it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.backup.box_secrets import secrets_for_keyring
from session_controller.errors import (
    KeyringError,
    RecoveryKeyError,
    RecoveryKeyNeededError,
)
from session_controller.preflight.checks import subject_of
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.recovery import recovery_findings
from session_controller.security.encryption import BoxKeys, new_key
from session_controller.security.keyring import (
    Keyring,
    add_to_keyring,
    openers_in_keyring,
    read_keyring,
)
from session_controller.security.recovery import (
    BY_BOX,
    RECOVERY_FILE,
    Recovery,
    RecoveryKey,
    Secrets,
    read_recovery,
    unlock,
)

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
TEXT = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
"""A key of the tests of age itself: 32 bytes of 0x42."""
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
SECRETS = Secrets({"box.key": b"k" * 32, "tls/ca.key": b"\xff\x00"}, key_outside=True)


@pytest.mark.parametrize(
    "typed",
    [
        TEXT,
        TEXT.lower() + "\n",
        TEXT.removeprefix("AGE-SECRET-KEY-1"),
        "\r\n".join(TEXT.removeprefix("AGE-SECRET-KEY-1")[n : n + 7] for n in range(0, 58, 7)),
        f"# created: 2026\n# public key: {RECIPIENT}\n{TEXT}\n",
        " - ".join(TEXT.replace("-", "")),
    ],
    ids=["as printed", "lower case", "without its start", "in lines", "a file of age", "spaced"],
)
def test_a_key_is_read_however_it_is_typed(typed: str) -> None:
    """Spaces, hyphens, line breaks and case are of no importance."""
    key = RecoveryKey.read(typed)
    assert key.text == TEXT
    assert key.recipient == RECIPIENT
    assert TEXT not in repr(key)


def test_what_looks_alike_is_the_same() -> None:
    """No key has O, I, 1 or B, so that what was meant is known."""
    while not {"0", "L", "8"} <= set((key := RecoveryKey.create()).text[16:]):
        pass
    head, tail = key.text[:16], key.text[16:]
    typed = tail.replace("0", "O").replace("L", "1").replace("8", "b")
    assert RecoveryKey.read(head + typed).text == key.text
    assert RecoveryKey.read(tail.replace("L", "i")).text == key.text


@pytest.mark.parametrize("at", range(16, 74))
def test_a_wrong_character_is_noticed(at: int) -> None:
    """Whichever it is: a key has a checksum."""
    wrong = TEXT[:at] + ("Q" if TEXT[at] != "Q" else "P") + TEXT[at + 1 :]
    with pytest.raises(RecoveryKeyError, match="at least one character is wrong") as caught:
        RecoveryKey.read(wrong)
    assert wrong[16:30] not in str(caught.value)


@pytest.mark.parametrize("typed", ["", "AGE-SECRET-KEY-1", TEXT[:-1], TEXT + "Q", "é" * 58, "\0"])
def test_what_is_no_key_is_refused(typed: str) -> None:
    """It says what is missing, and repeats nothing."""
    with pytest.raises(RecoveryKeyError, match="not a recovery key"):
        RecoveryKey.read(typed)


def test_a_new_key_is_printed_in_groups() -> None:
    """What is printed is read."""
    key = RecoveryKey.create()
    assert all(len(line) <= 24 for line in key.lines)
    assert RecoveryKey.read("\n".join(key.lines)).text == key.text
    assert RecoveryKey.create().text != key.text


def test_the_recovery_key_and_the_box_key_open_what_is_sealed(tmp_path: Path) -> None:
    """Each by itself; nothing else does, and nothing is there in clear."""
    key, box_key = RecoveryKey.create(), new_key()
    box = BoxKeys([box_key])
    ring = Keyring({}, {}, SECRETS.sealed(key.recipient, box, {}))
    assert not any(b"kkkk" in sealed for sealed in ring.sealed.values())
    opened = unlock(ring, tmp_path, key)
    assert (opened.files, opened.key_outside) == (SECRETS.files, True)
    with pytest.raises(RecoveryKeyNeededError, match=key.recipient):
        unlock(ring, tmp_path, None)
    (tmp_path / "box.key").write_bytes(new_key())
    with pytest.raises(RecoveryKeyNeededError, match=key.recipient):
        unlock(ring, tmp_path, None)
    (tmp_path / "box.key").write_bytes(box_key)
    assert unlock(ring, tmp_path, None).files == SECRETS.files
    other = RecoveryKey.create()
    with pytest.raises(RecoveryKeyError, match=f"of {other.recipient}; .* of {key.recipient}"):
        unlock(ring, tmp_path, other)
    ring.sealed[key.recipient] = b"torn"
    with pytest.raises(RecoveryKeyError, match="is damaged"):
        unlock(ring, tmp_path, key)


def test_what_is_the_same_is_not_sealed_again() -> None:
    """A keyring would grow with each backup; a damaged one and one of another key are."""
    key, box = RecoveryKey.create(), BoxKeys([new_key()])
    former = SECRETS.sealed(key.recipient, box, {})
    assert SECRETS.sealed(key.recipient, box, former) == former
    assert Secrets({}).sealed(key.recipient, box, former) != former
    assert SECRETS.sealed(RecoveryKey.create().recipient, box, former).keys() != former.keys()
    assert SECRETS.sealed(key.recipient, BoxKeys([new_key()]), former) != former
    older = Secrets({}).sealed(key.recipient, box, {})
    for name in (BY_BOX, key.recipient):
        for torn in (former[name][:-1] + b"?", older[name]):
            damaged = former | {name: torn}
            assert SECRETS.sealed(key.recipient, box, damaged).items().isdisjoint(damaged.items())


def test_secrets_in_clear_are_overwritten(tmp_path: Path) -> None:
    """In the file that there is, once the sealed ones are on the disk."""
    path, key = tmp_path / "keyring", RecoveryKey.create()
    add_to_keyring(path, {"log": b"wrapped"}, {"box.key": b"secret" * 6})
    assert openers_in_keyring(path) == set()
    inode = path.stat().st_ino
    sealed = SECRETS.sealed(key.recipient, BoxKeys([new_key()]), {})
    add_to_keyring(path, {"log": b"wrapped"}, {}, sealed)
    assert path.stat().st_ino == inode
    assert read_keyring(path) == Keyring({"log": b"wrapped"}, {}, sealed)
    assert openers_in_keyring(path) == {BY_BOX, key.recipient}
    assert b'"file"' not in path.read_bytes()
    size = path.stat().st_size
    assert add_to_keyring(path, {"log": b"wrapped"}, {}, sealed) == 0
    assert path.stat().st_size == size


def test_secrets_are_never_in_clear_again(tmp_path: Path) -> None:
    """Neither without the box key, nor for a recipient that nobody can have."""
    (tmp_path / "admin.json").write_bytes(b"secret")
    Recovery(recipient=RECIPIENT, created_at=NOW).write(tmp_path)
    with pytest.raises(KeyringError, match="not stored in clear"):
        secrets_for_keyring(tmp_path, (), {})
    (tmp_path / "box.key").write_bytes(bytes(32))
    Recovery(recipient=RECIPIENT[:-1] + "x", created_at=NOW).write(tmp_path)
    with pytest.raises(KeyringError, match="create --force"):
        secrets_for_keyring(tmp_path, (), {})


def test_a_damaged_file_does_not_mean_that_there_is_no_key(tmp_path: Path) -> None:
    """Or secrets would be stored in clear again."""
    assert read_recovery(tmp_path) is None
    (tmp_path / RECOVERY_FILE).write_bytes(b'{"recipient": "age')
    with pytest.raises(KeyringError, match="create --force"):
        read_recovery(tmp_path)
    assert found(tmp_path) == (
        "critical",
        f"handrail key recovery create --force --data {tmp_path}",
    )


def found(data: Path) -> tuple[str, str | None]:
    """Return the level and the command of the only finding."""
    (finding,) = recovery_findings(subject_of(data, NOW))
    assert isinstance(finding, Finding)
    assert finding.check == "recovery-key"
    return finding.level, finding.mend


def test_what_is_found_of_a_recovery_key(tmp_path: Path) -> None:
    """None; one that no backup has; one that nobody tried; one that was tried long ago."""
    verify = f"handrail key recovery verify --data {tmp_path}"
    create = f"handrail key recovery create --data {tmp_path}"
    assert found(tmp_path) == (Level.NOTE, create)
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "handrail-1.backup").touch()
    assert found(tmp_path) == (Level.WARNING, create)
    (tmp_path / "backups" / "handrail-1.backup").unlink()
    recovery = Recovery(recipient=RECIPIENT, created_at=NOW)
    recovery.write(tmp_path)
    assert found(tmp_path) == (Level.NOTE, verify)
    backups = tmp_path / "backups"
    (backups / "handrail-1.backup").touch()
    add_to_keyring(backups / "keyring", {}, {"box.key": b"k"})
    assert found(tmp_path) == (Level.WARNING, f"handrail backup --data {tmp_path}")
    add_to_keyring(backups / "keyring", {}, {}, {BY_BOX: b"", RECIPIENT: b""})
    assert found(tmp_path) == (Level.NOTE, verify)
    recovery.model_copy(update={"verified_at": NOW - timedelta(days=365)}).write(tmp_path)
    assert found(tmp_path) == (Level.OK, None)
    recovery.model_copy(update={"verified_at": NOW - timedelta(days=366)}).write(tmp_path)
    assert found(tmp_path) == (Level.NOTE, verify)
