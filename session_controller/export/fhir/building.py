"""Build our models from JSON, with errors that never quote what a patient entered."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from schemas.questionnaire.model import Json
from session_controller.export.fhir.resources import Element

_Made = TypeVar("_Made", bound=Element)


class ExportError(ValueError):
    """A resource cannot be written; names the elements and reasons, without their values."""


def build(model: type[_Made], elements: Mapping[str, Json]) -> _Made:
    """Build a resource or data type from JSON. Raises `ExportError`."""
    try:
        return model.model_validate(elements)
    except ValidationError as error:
        reasons = (f"{_place(one['loc'])}: {one['type']}" for one in error.errors())
        raise ExportError(f"{model.__name__}: {', '.join(reasons)}") from None


def fits(model: type[Element], elements: Json) -> bool:
    """Return whether JSON is a valid instance of a model."""
    try:
        model.model_validate(elements)
    except ValidationError:
        return False
    return True


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))
