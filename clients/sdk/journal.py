"""A session's outbox on disk, so that a program that crashed sends the rest when it runs again.

One file of JSON lines per session: a command and its number are synced to disk before the command
is sent. It contains patient data: only its owner can read it, it is truncated whenever no command
is undecided, and it is deleted when the session ends.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clients.sdk.files import PRIVATE, sync_folder, write_private
from schemas.base import is_identifier
from schemas.wire.commands import COMMAND, Command

_SUFFIX = ".outbox"


def journals(folder: Path) -> dict[str, "Journal"]:
    """Return the journals that an earlier run left in a folder, by session."""
    names = {path: path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}")}
    return {name: Journal(folder, name) for name in names.values() if is_identifier(name)}


class Journal:
    """The journal file of one session."""

    def __init__(self, folder: Path, session: str) -> None:
        self._path = folder / f"{session}{_SUFFIX}"
        self._held: set[str] = set()
        self._descriptor: int | None = None

    def load(self) -> list[tuple[Command, int | None]]:
        """Return the undecided commands in order, with their numbers; skip a torn last line."""
        held: dict[str, tuple[Command, int | None]] = {}
        for line in self._path.read_bytes().splitlines() if self._path.exists() else ():
            try:
                _apply(json.loads(line), held)
            except (ValueError, KeyError, TypeError, AttributeError):
                break
        self._held = set(held)
        self._rewrite(held)
        return list(held.values())

    def _rewrite(self, held: Mapping[str, tuple[Command, int | None]]) -> None:
        if not held:
            self.remove()
            return
        lines = [_put(command) for command, _ in held.values()]
        numbers = {name: seq for name, (_, seq) in held.items() if seq is not None}
        write_private(self._path, b"".join([*lines, _line({"numbered": numbers})]))

    def put(self, command: Command) -> None:
        """Append a command; it is on disk on return."""
        self._held.add(command.command_id)
        self._append(_put(command), sync=True)

    def numbered(self, numbers: Mapping[str, int]) -> None:
        """Append the numbers that commands are sent with; on disk on return."""
        self._append(_line({"numbered": dict(numbers)}), sync=True)

    def settled(self, command_ids: Iterable[str]) -> None:
        """Remove decided commands. Not synced: one that reappears is resent, without effect."""
        gone = set(command_ids) & self._held
        if not gone:
            return
        self._held -= gone
        if self._held:
            self._append(_line({"settled": sorted(gone)}), sync=False)
        elif self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)

    def _append(self, line: bytes, *, sync: bool) -> None:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._descriptor = os.open(self._path, flags, PRIVATE)
            sync_folder(self._path.parent)
        os.write(self._descriptor, line)
        if sync:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file without deleting it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Delete the file: the session has ended."""
        self.close()
        self._held.clear()
        self._path.unlink(missing_ok=True)


def _put(command: Command) -> bytes:
    return b'{"put":' + command.to_json() + b"}\n"


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _apply(record: dict[str, Any], held: dict[str, tuple[Command, int | None]]) -> None:
    if "put" in record:
        command = COMMAND.validate_json(json.dumps(record["put"]))
        held[command.command_id] = (command, None)
    for name, seq in record.get("numbered", {}).items():
        if name in held:
            held[name] = (held[name][0], seq)
    for name in record.get("settled", ()):
        held.pop(name, None)
