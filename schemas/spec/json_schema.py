"""The published protocol documents, generated from the types: JSON Schemas and AsyncAPI.

`documents()` returns each file's name and text; nothing here writes a file. The command
`./run handrail schema --write docs/protocol` does, and a test compares.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import pairwise
from textwrap import dedent
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core.core_schema import ModelSchema

from schemas.base import VERSION
from schemas.spec.asyncapi import asyncapi
from schemas.wire.commands import Command, FacilityCommand, PatientCommand
from schemas.wire.devices import (
    Assignment,
    ControllerStatus,
    Lobby,
    PairingClaim,
    PairingGrant,
    Presence,
)
from schemas.wire.rejections import Rejection
from schemas.wire.requests import Answer, Request
from schemas.wire.views import FacilityView, PatientView

Json = dict[str, Any]

SCHEMA_FILE = "handrail.schema.json"
ASYNCAPI_FILE = "asyncapi.json"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UNIONS: dict[str, Any] = {
    "Command": Command,
    "FacilityCommand": FacilityCommand,
    "PatientCommand": PatientCommand,
    "Request": Request,
    "Answer": Answer,
}
_FROM_DEVICES = (*get_args(Command), *get_args(Request), Presence, PairingClaim)
_FROM_CONTROLLER = (
    *get_args(Answer),
    Rejection,
    PatientView,
    FacilityView,
    ControllerStatus,
    Assignment,
    Lobby,
    PairingGrant,
)


def documents() -> dict[str, str]:
    """Return the published files, name to text; deterministic for the same types."""
    return {
        SCHEMA_FILE: _pretty(json_schemas()),
        ASYNCAPI_FILE: _pretty(asyncapi(SCHEMA_FILE)),
    }


def json_schemas() -> Json:
    """Return the bundle: each payload, and each union of payloads, below `$defs`.

    What a device sends is described as the controller accepts it; what the controller sends is
    described as it is written: there, keys with defaults are always present.
    """
    definitions = {name: _tidy(schema) for name, schema in _definitions().items()}
    definitions |= {name: _union(union) for name, union in _UNIONS.items()}
    return {
        "$schema": _DIALECT,
        "$id": f"urn:handrail:protocol:v{VERSION}",
        "title": f"Handrail protocol, version {VERSION}",
        "description": "Every JSON payload of the protocol. A reader ignores keys that it does "
        "not know.",
        "$defs": dict(sorted(definitions.items())),
    }


class _Described(GenerateJsonSchema):
    """Describes each key by the docstring of its attribute.

    `use_attribute_docstrings` of pydantic would read the source at each import of the models.
    """

    def model_schema(self, schema: ModelSchema) -> Json:
        made = super().model_schema(schema)
        for name, text in _attribute_docstrings(schema["cls"]).items():
            made["properties"][name]["description"] = text
        return made


def _attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below the attributes of a model and of its bases."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            (source,) = ast.parse(dedent(inspect.getsource(one))).body
            found |= dict(_docstrings_in(source))
    return found


def _docstrings_in(source: ast.stmt) -> Iterator[tuple[str, str]]:
    body = source.body if isinstance(source, ast.ClassDef) else []
    for before, after in pairwise(body):
        match before, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)


def _definitions() -> dict[str, Json]:
    _, bundle = models_json_schema(
        list(_models()), ref_template="#/$defs/{model}", schema_generator=_Described
    )
    found: dict[str, Json] = bundle["$defs"]
    return found


def _models() -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    yield from ((model, "validation") for model in _FROM_DEVICES)
    yield from ((model, "serialization") for model in _FROM_CONTROLLER)


def _union(union: Any) -> Json:
    names = [member.__name__ for member in get_args(union)]
    return {
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in names],
        "description": "Distinguished by `type`.",
    }


def _tidy(schema: Json) -> Json:
    """Require the keys that identify an object; drop titles that only repeat a key."""
    properties: Json = schema.get("properties", {})
    for value in properties.values():
        value.pop("title", None)
    constants = [key for key, value in properties.items() if "const" in value]
    for key in constants:
        properties[key].pop("default", None)
    required = {*schema.get("required", ()), *constants}
    if required:
        schema["required"] = [key for key in properties if key in required]
    return schema


def _pretty(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
