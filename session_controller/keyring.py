"""The keys of backups, in a small file beside them: what a purge takes out of all of them at once.

`backups/keyring` serves every backup of its folder; a copy elsewhere has its own, `FILE.keys`. It
holds the keys of all sessions, wrapped, and the box's key and the admin devices' secrets, where
these are files: with it, and only with it, a backup can be restored.
"""

import base64
import binascii
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from session_controller.errors import KeyringError
from session_controller.files import write_private
from session_controller.sealing import KEY_FILE, BoxKeyError, BoxKeys, load_box_keys

KEYRING = "keyring"
_BESIDE = ".keys"


class _File(BaseModel):
    """A keyring as it is written; bytes in base64."""

    model_config = ConfigDict(extra="forbid")

    v: int = 1
    keys: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Keyring:
    """Wrapped keys by their names, and files of the data folder by theirs."""

    keys: dict[str, bytes]
    files: dict[str, bytes]

    def without(self, names: set[str]) -> "Keyring":
        """Give the keyring without some keys."""
        return replace(self, keys={k: v for k, v in self.keys.items() if k not in names})

    def box_keys(self, data: Path) -> BoxKeys:
        """Give the box's keys: its own file's, else those of the environment or a data folder.

        Raises `KeyringError`.
        """
        content = self.files.get(KEY_FILE)
        try:
            if content:
                return BoxKeys.read(content)
            found = load_box_keys(data)
        except BoxKeyError as error:
            raise KeyringError(str(error)) from error
        if found is None:
            raise KeyringError("the box's key is neither in the keyring nor given otherwise")
        return found


def keyring_of(backup: Path) -> Path:
    """Find the keyring of a backup: the one with its name, else the one of its folder."""
    beside = keyring_beside(backup)
    return beside if beside.exists() else backup.with_name(KEYRING)


def keyring_beside(copy: Path) -> Path:
    """Name the keyring of a copy that is kept elsewhere."""
    return copy.with_name(f"{copy.name}{_BESIDE}")


def read_keyring(path: Path) -> Keyring:
    """Read a keyring. Raises `KeyringError`."""
    try:
        file = _File.model_validate_json(path.read_bytes())
        return Keyring(_decoded(file.keys), _decoded(file.files))
    except FileNotFoundError:
        raise KeyringError(
            f"its keys are missing: {path} is not there (a copy of a backup has them in FILE.keys)"
        ) from None
    except (OSError, ValidationError, binascii.Error) as error:
        raise KeyringError(
            f"{path} cannot be read ({type(error).__name__}); move it away, and back up anew"
        ) from None


def write_keyring(path: Path, keyring: Keyring) -> None:
    """Put a keyring in place, whole. Raises `OSError`."""
    file = _File(keys=_encoded(keyring.keys), files=_encoded(keyring.files))
    write_private(path, file.model_dump_json(indent=1).encode())


def _decoded(texts: dict[str, str]) -> dict[str, bytes]:
    return {name: base64.b64decode(text, validate=True) for name, text in texts.items()}


def _encoded(values: dict[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(value).decode() for name, value in values.items()}
