"""`delivery.json` in the data folder: the destinations, readable for the box's owner alone."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from schemas.destinations import Destinations
from session_controller.errors import StoreError
from session_controller.files import write_private

DELIVERY_FILE = "delivery.json"


class ConfigurationError(StoreError):
    """The file cannot be used; the message says where and why, for a person."""


def load_destinations(data: Path) -> Destinations:
    """Read the destinations; none where there is no file. Raises `ConfigurationError`."""
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
    """Write them, whole or not at all. Raises `OSError`."""
    write_private(data / DELIVERY_FILE, destinations.model_dump_json(indent=2).encode() + b"\n")


def explained(error: ValidationError) -> list[str]:
    """Say for each fault where it is and what is wrong, without what stands there."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return [f"{_place(each['loc'])}: {each['msg'].removeprefix(_PREFIX)}" for each in faults]


_PREFIX = "Value error, "


def _place(levels: Sequence[int | str]) -> str:
    return ".".join(map(str, levels)) or "the file"
