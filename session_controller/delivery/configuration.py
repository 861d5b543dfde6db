"""`delivery.json` in the data folder: the destinations, readable only by the box's owner."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.limits import limit_of
from schemas.wire.destinations import (
    DESTINATION,
    FILE_FIELDS,
    ClientCredentials,
    Destination,
    Destinations,
    FhirDestination,
    FolderDestination,
    MqttDestination,
    StaticToken,
)
from session_controller.data_folder import DELIVERY_FILE
from session_controller.errors import DestinationsError
from session_controller.integrity.configuration import (
    inside,
)
from session_controller.security.files import write_private


def load_destinations(data: Path) -> Destinations:
    """Read the destinations; none if there is no file. Raises `DestinationsError`."""
    path = data / DELIVERY_FILE
    try:
        return Destinations.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Destinations()
    except OSError as error:
        raise DestinationsError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problems = "; ".join(explained(error))
        raise DestinationsError(f"{path} cannot be used: {problems}") from None


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


def explained(error: ValidationError) -> list[str]:
    """Describe each error with its location and what is allowed, without quoting values."""
    faults = error.errors(include_url=False, include_input=False)
    return [f"{_place(each['loc'])}: {_fault(each)}" for each in faults]


_PREFIX = "Value error, "
_MODELS: Mapping[int | str, type[BaseModel]] = {
    "fhir": FhirDestination,
    "folder": FolderDestination,
    "mqtt": MqttDestination,
    "token": StaticToken,
    "client-credentials": ClientCredentials,
}
"""By the tag that stands in a location, and in no file."""


def _place(levels: Sequence[int | str]) -> str:
    shown = [level for n, level in enumerate(levels) if not _is_tag(levels, n)]
    return ".".join(map(str, shown)) or "the file"


def _is_tag(levels: Sequence[int | str], n: int) -> bool:
    before = levels[n - 1] if n else None
    return levels[n] in _MODELS and (isinstance(before, int) or before == "auth")


def _fault(fault: ErrorDetails) -> str:
    said, about = fault["msg"].removeprefix(_PREFIX), fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            tags = [level for n, level in enumerate(fault["loc"]) if _is_tag(fault["loc"], n)]
            model = _MODELS[tags[-1]] if tags else Destinations
            return f"is not known; allowed are {', '.join(model.model_fields)}"
        case "union_tag_not_found" | "union_tag_invalid":
            key = str(about["discriminator"]).strip("'")
            return f"the key {key} must be {_TAGS[key]}"
        case "string_pattern_mismatch":
            return limit_of(fault) or _FORMS.get(fault["loc"][-1], _NO_CONTROLS)
    return limit_of(fault) or said


_TAGS = {"kind": "fhir, folder or mqtt", "by": "token or client-credentials"}
_FORMS: Mapping[int | str, str] = {"url": "must be an address such as mqtts://host:8883"}
_NO_CONTROLS = "must not contain control characters"
