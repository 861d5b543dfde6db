"""What is checked: a data folder, and how its box is started."""

import fcntl
import json
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from session_controller.configuration.sections import Sections
from session_controller.errors import ConfigurationError, StoreError
from session_controller.preflight.start_options import StartOptions, start_options
from session_controller.settings import CHOSEN
from session_controller.storage.database import DATABASE, LOCK
from session_controller.storage.reader import Reader
from session_controller.storage.room import DiskUsage


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked, and when."""

    data: Path
    at: datetime
    start: StartOptions
    running: bool
    """Whether a box runs on the folder."""
    usage: DiskUsage
    configuration: Path | None = None
    """The configuration file that the environment or an option names."""

    @property
    def database(self) -> Path:
        """The path of the database."""
        return self.data / DATABASE


def known_start_options(data: Path, file: Path | None) -> StartOptions:
    """Return how the box of a data folder will be started: by its file, or as the last time.

    That of a box with the defaults where neither can be read.
    """
    # Imported here: only who reads a configuration loads pydantic-settings.
    from session_controller.configuration.reading import configuration_file, read  # noqa: PLC0415

    with suppress(ConfigurationError, OSError):
        if found := configuration_file(data, file):
            return start_options(read(found).sections)
        return start_options(read(None, _chosen(data)).sections)
    return replace(start_options(Sections()), listen={})  # where it would listen is not known


def _chosen(data: Path) -> dict[str, dict[str, str]]:
    """Return the configuration of the last start, by section and key."""
    layers: dict[str, dict[str, str]] = {}
    if (data / DATABASE).exists():
        with (
            suppress(sqlite3.Error, StoreError, ValueError, OSError),
            Reader.without_keys(data / DATABASE) as reader,
        ):
            for path, text in json.loads(reader.meta(CHOSEN) or "{}").items():
                section, _, name = path.partition(".")
                layers.setdefault(section, {})[name] = text
    return layers


def is_locked(data: Path) -> bool:
    """Return whether a process has locked a data folder: a box, or a command."""
    try:
        handle = os.open(data / LOCK, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
