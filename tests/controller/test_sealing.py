"""Sealing: what is stored opens with its own key, in its own place, and not otherwise."""

import base64
import stat
from pathlib import Path

import pytest

from session_controller.security.encryption import (
    KEY_FILE,
    BoxKeyError,
    BoxKeys,
    Cipher,
    DecryptionError,
    load_box_keys,
    make_box_keys,
)
from session_controller.security.keys import KeyGoneError, SessionKeys

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_is_sealed_opens_in_its_place_alone() -> None:
    """Another place, another key and any changed byte are found out."""
    cipher = Cipher(OLD)
    sealed = cipher.encrypt(b"W2210 557", b"state:s-1")
    assert b"W2210" not in sealed
    assert cipher.decrypt(sealed, b"state:s-1") == b"W2210 557"
    with pytest.raises(DecryptionError):
        cipher.decrypt(sealed, b"state:s-2")
    with pytest.raises(DecryptionError):
        Cipher(NEW).decrypt(sealed, b"state:s-1")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(DecryptionError):
            cipher.decrypt(bytes(changed), b"state:s-1")
    for length in range(len(sealed)):
        with pytest.raises(DecryptionError):
            cipher.decrypt(sealed[:length], b"state:s-1")


def test_nothing_is_sealed_the_same_way_twice() -> None:
    """Each sealing has a nonce of its own, so equal values do not look equal."""
    cipher = Cipher(OLD)
    assert len({cipher.encrypt(b"yes", b"x") for _ in range(1000)}) == 1000


def test_a_key_that_is_wrapped_opens_by_its_name_and_by_its_box() -> None:
    """The first key wraps; those before it still unwrap; another box's do not."""
    wrapped = BoxKeys([OLD]).wrap(b"k" * 32, "session:s-1")
    both = BoxKeys([NEW, OLD])
    assert both.unwrap(wrapped, "session:s-1") == b"k" * 32
    with pytest.raises(BoxKeyError):
        BoxKeys([OLD]).unwrap(both.wrap(b"k" * 32, "session:s-1"), "session:s-1")
    assert BoxKeys([NEW]).unwrap(both.wrap(b"k" * 32, "log"), "log") == b"k" * 32
    with pytest.raises(DecryptionError):
        both.unwrap(wrapped, "session:s-2")
    with pytest.raises(BoxKeyError):
        BoxKeys([NEW]).unwrap(wrapped, "session:s-1")


def test_the_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It is made once, with mode 0600."""
    assert load_box_keys(tmp_path, {}) is None
    made = make_box_keys(tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    again = load_box_keys(tmp_path, {})
    assert again is not None
    assert again.unwrap(made.wrap(b"k" * 32, "log"), "log") == b"k" * 32


def test_the_key_comes_from_the_environment_or_a_credential(tmp_path: Path) -> None:
    """Then no file is needed; the variable goes first."""
    wrapped = BoxKeys([OLD]).wrap(b"k" * 32, "log")
    text = ",".join(base64.b64encode(key).decode() for key in (NEW, OLD))
    by_variable = load_box_keys(tmp_path, {"HANDRAIL_BOX_KEY": text})
    assert by_variable is not None
    assert by_variable.unwrap(wrapped, "log") == b"k" * 32
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for content in (OLD, base64.b64encode(OLD) + b"\n"):
        (credentials / "handrail-box-key").write_bytes(content)
        found = load_box_keys(tmp_path, {"CREDENTIALS_DIRECTORY": str(credentials)})
        assert found is not None
        assert found.unwrap(wrapped, "log") == b"k" * 32


@pytest.mark.parametrize("text", ["short", base64.b64encode(b"x" * 31).decode(), "a,b", "é"])
def test_a_key_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    """The message says what is wrong, and does not repeat the key."""
    with pytest.raises(BoxKeyError) as refused:
        load_box_keys(tmp_path, {"HANDRAIL_BOX_KEY": text})
    assert text not in str(refused.value)


def test_a_session_without_a_key_is_gone(tmp_path: Path) -> None:
    """A key that was made is known until it is forgotten; then only what is stored counts."""
    stored: dict[str, bytes] = {}
    keys = SessionKeys(make_box_keys(tmp_path), stored.get)
    name, wrapped = keys.make("s-1")
    assert keys.knows("s-1")
    keys.forget("s-1")
    with pytest.raises(KeyGoneError):
        keys.cipher("s-1")
    stored[name] = wrapped
    assert keys.cipher("s-1").decrypt(keys.cipher("s-1").encrypt(b"x", b"y"), b"y") == b"x"
