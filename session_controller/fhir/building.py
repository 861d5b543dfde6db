"""From JSON to our models, with errors that never say what a patient entered."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from schemas.questionnaire import Json
from session_controller.fhir.resources import Element

_Made = TypeVar("_Made", bound=Element)


class ExportError(ValueError):
    """A resource cannot be written; says which of its elements, and why, never what is in them."""


def build(model: type[_Made], elements: Mapping[str, Json]) -> _Made:
    """Make a resource or data type of JSON; raises `ExportError`."""
    try:
        return model.model_validate(elements)
    except ValidationError as error:
        reasons = (f"{_place(one['loc'])}: {one['type']}" for one in error.errors())
        raise ExportError(f"{model.__name__}: {', '.join(reasons)}") from None


def fits(model: type[Element], elements: Json) -> bool:
    """Tell whether JSON is a whole one of its kind."""
    try:
        model.model_validate(elements)
    except ValidationError:
        return False
    return True


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))
