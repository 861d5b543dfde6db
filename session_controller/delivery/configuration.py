"""`delivery.json` in the data folder: the destinations, readable only by the box's owner."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from schemas.wire.destinations import DESTINATION, FILE_FIELDS, Destination, Destinations
from session_controller.data_folder import DELIVERY_FILE
from session_controller.errors import StoreError
from session_controller.integrity.configuration import (
    inside,
    missing_files,
    told_unknown,
    unknown_destinations,
)
from session_controller.security.files import write_private
from session_controller.storage.database import DATABASE
from session_controller.storage.reader import Reader


class ConfigurationError(StoreError):
    """The file cannot be used; the message tells a person where and why."""


def load_destinations(data: Path) -> Destinations:
    """Read the destinations; none if there is no file. Raises `ConfigurationError`."""
    path = data / DELIVERY_FILE
    try:
        return Destinations.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Destinations()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problems = "; ".join(explained(error))
        raise ConfigurationError(f"{path} cannot be used: {problems}") from None


def save_destinations(data: Path, destinations: Destinations) -> None:
    """Write the destinations atomically. Raises `OSError`."""
    write_private(data / DELIVERY_FILE, destinations.model_dump_json(indent=2).encode() + b"\n")


def portable(data: Path, destination: Destination) -> Destination:
    """Return a destination that names what is in the data folder relative to it.

    Such files are in a backup, which may be restored to another folder.
    """
    fields = destination.model_dump(mode="json")
    for holder in (fields, fields.get("auth") or {}):
        for name in {*FILE_FIELDS, "folder"} & holder.keys():
            holder[name] = holder[name] and (inside(data, holder[name]) or holder[name])
    return DESTINATION.validate_python(fields)


def delivery_problems(data: Path) -> list[str]:
    """Return what keeps completed sessions of a data folder from arriving, as sentences.

    Changes nothing; never raises.
    """
    try:
        destinations = load_destinations(data).destinations
    except ConfigurationError as error:
        return [str(error)]
    counts: dict[tuple[str, str], int] = {}
    with suppress(sqlite3.Error, StoreError), Reader.without_keys(data / DATABASE) as reader:
        counts = reader.count_deliveries()
    unknown = unknown_destinations(counts, destinations)
    return [*missing_files(data, destinations), *told_unknown(unknown)]


def explained(error: ValidationError) -> list[str]:
    """Describe each error with its location, without quoting values."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return [f"{_place(each['loc'])}: {each['msg'].removeprefix(_PREFIX)}" for each in faults]


_PREFIX = "Value error, "


def _place(levels: Sequence[int | str]) -> str:
    return ".".join(map(str, levels)) or "the file"
