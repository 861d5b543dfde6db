"""What a box needs besides its database, and what of it is missing on this machine; reads only.

`delivery.json` names files: keys, tokens, passwords, certificates, folders. Those in the data
folder are in a backup; the others have to be given by hand after a restore.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.wire.destinations import Destination, Destinations, FolderDestination, files_of
from session_controller.data_folder import DELIVERY_FILE


@dataclass(frozen=True, slots=True)
class Lacking:
    """What destinations need and is not there."""

    text: str
    mend: str
    """What to do."""

    def __str__(self) -> str:
        """Return both as one sentence."""
        return f"{self.text}; {self.mend}"


MAX_FILE = 1 << 20
"""In bytes. A file that a destination names is a key, a token or certificates."""


def configured_destinations(content: bytes | None) -> tuple[Destination, ...]:
    """Return the destinations of a `delivery.json`; none if it is absent or cannot be used."""
    try:
        return Destinations.model_validate_json(content).destinations if content else ()
    except ValidationError:
        return ()


def files_inside(data: Path, others: Iterable[Path] = ()) -> dict[str, bytes]:
    """Return the files in the data folder that destinations name, and others, by their path."""
    path = data / DELIVERY_FILE
    destinations = configured_destinations(path.read_bytes() if path.exists() else None)
    named = [*map(str, others), *(name for each in destinations for name in files_of(each))]
    names = {inside(data, name) for name in named}
    found = ((name, data / name) for name in sorted(filter(None, names)))
    return {name: path.read_bytes() for name, path in found if _is_small(path)}


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MAX_FILE


def inside(data: Path, name: str) -> str | None:
    """Return a path relative to the data folder, or None if it is not in it."""
    path, folder = (data / name).resolve(), data.resolve()
    return str(path.relative_to(folder)) if path != folder and folder in path.parents else None


def missing_files(data: Path, destinations: Iterable[Destination]) -> Iterator[Lacking]:
    """Yield what destinations need and this machine does not have."""
    for each in destinations:
        if isinstance(each, FolderDestination):
            if not (data / each.folder).is_dir():
                folder = data / each.folder
                text = f"{each.name}: the folder {folder} does not exist"
                yield Lacking(text, "create or mount it")
            continue
        for name in files_of(each):
            if not is_readable(data / name):
                text = f"{each.name}: {data / name} does not exist or cannot be read"
                yield Lacking(text, "put it there")


def is_readable(path: Path) -> bool:
    """Return whether a file exists and may be read."""
    return path.is_file() and os.access(path, os.R_OK)


def unknown_destinations(
    counts: Mapping[tuple[str, str], int], destinations: Iterable[Destination]
) -> dict[str, int]:
    """Return how many deliveries wait for each destination that is not configured.

    `counts` are those of all deliveries, by destination and status. Removing a destination deletes
    its deliveries: one that has some was lost, with `delivery.json` or by a change of that file.
    """
    known = {each.name for each in destinations}
    waiting = dict.fromkeys((name for name, _ in counts if name not in known), 0)
    for (name, status), count in counts.items():
        if name in waiting and status != "delivered":
            waiting[name] += count
    return waiting


def told_unknown(waiting: Mapping[str, int]) -> Iterator[Lacking]:
    """Yield each unknown destination that deliveries wait for."""
    for name, count in sorted(waiting.items()):
        if count:
            sessions = "1 session is" if count == 1 else f"{count} sessions are"
            yield Lacking(
                f"{sessions} not delivered to {name}, which is not a destination of this box",
                f"add it again with `handrail deliver add {name} …`, or give them up with "
                f"`handrail deliver remove {name} --undelivered`",
            )
