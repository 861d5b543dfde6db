"""The keys of backups, in a small file beside them, so that a purge reaches all backups at once.

`backups/keyring` serves all backups in its folder; a copy elsewhere has its own, `FOLDER.keys`. It
contains the wrapped keys of all sessions, and the box's secrets: its key, the admin devices'
secrets, and those of destinations and of TLS if these are files in the data folder. A backup can be
restored with its keyring, and not without it. If there is a recovery key, the secrets are sealed
(`session_controller.security.recovery`), and nothing in the file can be used without a key.

A line per key, so that a backup writes only new ones, and a purge overwrites only those that go: a
box has tens of thousands. A new key is written over a line that a purge left blank: a shorter file
in place of this one would leave keys on the disk where a later purge does not reach them.

A line that is not complete, as after a power failure, is ignored. For this, the first character of
a line is written last and overwritten first.
"""

import base64
import binascii
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from session_controller.errors import KeyringError, RecoveryKeyNeededError
from session_controller.security.encryption import KEY_FILE, BoxKeyError, BoxKeys, load_box_keys
from session_controller.security.files import write_private

KEYRING = "keyring"
_BESIDE = ".keys"
_KEY, _FILE, _SEALED = "key", "file", "sealed"
_BLANK = b" "
_IGNORED = (b" ", b"\0")
"""What a line starts with that is blank or not complete."""
_Line = tuple[str, str]
"""Whether a line is a key, a file or sealed, and its name."""
_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Keyring:
    """Wrapped keys by name, and files of the data folder by name."""

    keys: dict[str, bytes]
    files: dict[str, bytes]
    sealed: dict[str, bytes] = field(default_factory=dict)
    """The files, encrypted, by whose key opens them."""
    key_outside: bool = False
    """Whether the box's key is among the files, but was not a file of the data folder."""

    @property
    def is_sealed(self) -> bool:
        """Return whether its files can be read with a key only."""
        return bool(self.sealed) and not self.files

    def box_keys(self, data: Path) -> BoxKeys:
        """Return the box's keys: from the keyring, the environment or a data folder.

        Raises `KeyringError`.
        """
        content = self.files.get(KEY_FILE)
        try:
            if content:
                return BoxKeys.read(content)
            found = load_box_keys(data)
        except BoxKeyError as error:
            raise KeyringError(str(error)) from error
        if found is None and self.sealed:
            raise RecoveryKeyNeededError("its recovery key is needed, or the box key")
        if found is None:
            raise KeyringError("the box key is not in the keyring; set HANDRAIL_BOX_KEY")
        return found


def keyring_of(backup: Path) -> Path:
    """Return the path of a backup's keyring: the one beside its folder, else the one in it."""
    beside = keyring_beside(backup.absolute().parent)
    return beside if beside.exists() else backup.with_name(KEYRING)


def keyring_beside(copy: Path) -> Path:
    """Return the path of the keyring of a copy stored elsewhere."""
    return copy.with_name(f"{copy.name}{_BESIDE}")


def read_keyring(path: Path) -> Keyring:
    """Read a keyring. Raises `KeyringError`."""
    ring = Keyring({}, {})
    kinds = {_KEY: ring.keys, _SEALED: ring.sealed}
    for (kind, name), value, _ in _lines(_content(path), path):
        kinds.get(kind, ring.files)[name] = value
    return ring


def names_in_keyring(path: Path) -> set[str]:
    """Return the names of the keys, without reading the keys. Raises `KeyringError`."""
    return _names(path, _KEY)


def openers_in_keyring(path: Path) -> set[str]:
    """Return whose keys open the secrets; none if they are in clear. Raises `KeyringError`."""
    return set[str]() if _names(path, _FILE) else _names(path, _SEALED)


def _names(path: Path, kind: str) -> set[str]:
    start = f'["{kind}", "'.encode()
    lines = (line for line in _content(path).split(b"\n")[:-1] if line.startswith(start))
    return {line[len(start) : line.index(b'"', len(start))].decode() for line in lines}


def write_keyring(path: Path, keyring: Keyring) -> None:
    """Write or replace a keyring atomically. Raises `OSError`."""
    write_private(path, b"".join(_line(line, value) for line, value in _values(keyring)))


def add_to_keyring(
    path: Path,
    keys: Mapping[str, bytes],
    files: Mapping[str, bytes],
    sealed: Mapping[str, bytes] | None = None,
) -> int:
    """Add keys that are absent, and replace the files, sealed or not; return the bytes written.

    Raises `OSError`, `KeyringError`.
    """
    ring = Keyring(dict(keys), dict(files), dict(sealed or {}))
    if not path.exists():
        write_keyring(path, ring)
        return path.stat().st_size
    content = _content(path)
    found = list(_lines(content, path))
    known = {line: value for line, value, _ in found}
    newest = {line: span for line, _, span in found}
    wanted = dict(_values(ring))
    stale = {line for line in known if line[0] != _KEY and known[line] != wanted.get(line)}
    fresh = {ln: v for ln, v in wanted.items() if ln in stale or ln not in known}
    old = [s for ln, _, s in found if ln in stale or (ln[0] != _KEY and s != newest[ln])]
    written = _blank(path, _cut(content)) + _insert(path, content, fresh)
    return written + _blank(path, old)  # last, so that there always is one of each


def remove_from_keyring(path: Path, names: Collection[str]) -> None:
    """Overwrite keys where they are, and what is left of lines that are not complete.

    In place: another copy of the file would leave the old one. Raises `OSError`, `KeyringError`.
    """
    content, gone = _content(path), {(_KEY, name) for name in names}
    spans = [span for line, _, span in _lines(content, path) if line in gone]
    _blank(path, spans + _cut(content))


def discard_draft(path: Path) -> None:
    """Overwrite and remove the draft of a keyring that a killed process left. Raises `OSError`."""
    draft = path.with_name(f"{path.name}.new")
    if draft.exists():
        _overwrite(draft, [(0, _BLANK * draft.stat().st_size)])
        draft.unlink()


def _insert(path: Path, content: bytes, fresh: Mapping[_Line, bytes]) -> int:
    """Write keys over blank lines, and the rest at the end; files always, since the last counts."""
    keys = [_line(line, value) for line, value in fresh.items() if line[0] == _KEY]
    files = [_line(line, value) for line, value in fresh.items() if line[0] != _KEY]
    pieces = list[tuple[int, bytes]]()
    for at, end in _ignored(content):
        while keys and at + len(keys[-1]) <= end + 1 and _is_blank(content, (at, end)):
            pieces.append((at, keys.pop()))
            at += len(pieces[-1][1])  # noqa: PLW2901
    at = content.rfind(b"\n") + 1
    for line in keys + files:
        pieces.append((at, line))
        at += len(line)
    written = _overwrite(path, [(at, _BLANK + line[1:]) for at, line in pieces])
    return written + _overwrite(path, [(at, line[:1]) for at, line in pieces])


def _blank(path: Path, spans: Collection[_Span]) -> int:
    """Overwrite lines with blanks, in place."""
    written = _overwrite(path, [(start, _BLANK) for start, _ in spans])
    return written + _overwrite(path, [(start, _BLANK * (end - start)) for start, end in spans])


def _overwrite(path: Path, pieces: Iterable[tuple[int, bytes]]) -> int:
    count = 0
    handle = os.open(path, os.O_WRONLY)
    try:
        for start, piece in pieces:
            count += os.pwrite(handle, piece, start)
        if count:
            os.fsync(handle)
    finally:
        os.close(handle)
    return count


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise KeyringError(
            f"its keys are missing: {path} does not exist (a copied backup needs its FOLDER.keys)"
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _lines(content: bytes, path: Path) -> Iterator[tuple[_Line, bytes, _Span]]:
    """Yield each line's name, value and place. Raises `KeyringError`."""
    for start, end in _spans(content):
        if content[start : start + 1] not in _IGNORED:
            try:
                kind, name, value = json.loads(content[start:end])
                yield (str(kind), str(name)), base64.b64decode(value, validate=True), (start, end)
            except (ValueError, TypeError, binascii.Error) as error:
                raise _unreadable(path, error) from None


def _spans(content: bytes) -> Iterator[_Span]:
    """Yield where each line starts and ends that is not empty."""
    start = 0
    while (end := content.find(b"\n", start)) >= 0:
        if end > start:
            yield start, end
        start = end + 1


def _ignored(content: bytes) -> list[_Span]:
    return [
        (start, end) for start, end in _spans(content) if content[start : start + 1] in _IGNORED
    ]


def _cut(content: bytes) -> list[_Span]:
    """Return where something is left of lines that are not complete."""
    spans = [*_ignored(content), (content.rfind(b"\n") + 1, len(content))]
    return [span for span in spans if not _is_blank(content, span)]


def _is_blank(content: bytes, span: _Span) -> bool:
    return not content[slice(*span)].strip(_BLANK)


def _unreadable(path: Path, error: Exception) -> KeyringError:
    why = type(error).__name__
    return KeyringError(f"{path} cannot be read ({why}); move it away and take a new backup")


def _values(keyring: Keyring) -> list[tuple[_Line, bytes]]:
    files = [((_FILE, name), value) for name, value in keyring.files.items()]
    files += [((_SEALED, name), value) for name, value in keyring.sealed.items()]
    return files + [((_KEY, name), value) for name, value in keyring.keys.items()]


def _line(line: _Line, value: bytes) -> bytes:
    return json.dumps([*line, base64.b64encode(value).decode()]).encode() + b"\n"
