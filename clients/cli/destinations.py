"""The destination that the options of `handrail deliver add` describe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clients.cli.context import USAGE, Failure
from schemas.limits import limit_of
from schemas.wire.destinations import DESTINATION, NOT_ENCRYPTED, Destination

_OPTIONS = {
    "name": "NAME",
    "folder": "--folder",
    "topic": "--topic",
    "format": "--format",
    "token_file": "--token-file",
    "client_id": "--client-id",
    "key_file": "--key",
    "key_id": "--key-id",
    "algorithm": "--algorithm",
    "token_url": "--token-url",
    "scope": "--scope",
    "ca_file": "--ca",
    "transactions": "--transactions",
    "username": "--username",
    "password_file": "--password-file",
}
"""Fields of a destination by the option that sets each; `url` is --fhir or --mqtt."""


_FORM = {"--mqtt": "a broker's address, such as mqtts://host:8883"}


def destination_of(name: str, said: dict[str, Any]) -> Destination:
    """Build a destination from the options. Raises `Failure` if they do not fit together."""
    kinds = [kind for kind in ("fhir", "folder", "mqtt") if said.get(kind) is not None]
    if len(kinds) != 1:
        raise Failure("pass exactly one of --fhir URL, --folder DIR and --mqtt URL", USAGE)
    kind = kinds[0]
    fields = {**_FIELDS[kind](said), "name": name, "kind": kind}
    try:
        return DESTINATION.validate_python({k: v for k, v in fields.items() if v is not None})
    except ValidationError as error:
        raise Failure("; ".join(_problems(error, kind)), USAGE) from None


def _problems(error: ValidationError, kind: str) -> list[str]:
    return [_problem(each, kind) for each in error.errors(include_url=False, include_input=False)]


def _problem(fault: Mapping[str, Any], kind: str) -> str:
    if fault["type"] == NOT_ENCRYPTED:
        url, protocol = fault["ctx"]["url"], fault["ctx"]["protocol"]
        return f"{url} is not encrypted; use {protocol}s, or pass --plain on a trusted network"
    option = _OPTIONS.get(str(fault["loc"][-1]), f"--{kind}")
    if limit := limit_of(fault):
        return f"{option} {limit}"
    if fault["type"] == "string_pattern_mismatch":
        return f"{option} must be {_FORM.get(option, 'a path without control characters')}"
    return f"{option}: {fault['msg'].removeprefix('Value error, ')}"


def _fhir(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "url": said["fhir"],
        "auth": _auth(said),
        "ca_file": _file(said["ca"]),
        "transactions": said["transactions"],
        "allow_plain_http": said["plain"],
    }


def _auth(said: dict[str, Any]) -> dict[str, Any] | None:
    if said["token_file"] is not None and said["client_id"] is not None:
        raise Failure("pass either --token-file or --client-id, not both", USAGE)
    if said["token_file"] is not None:
        return {"by": "token", "token_file": _file(said["token_file"])}
    if said["client_id"] is None:
        return None
    if said["key"] is None:
        raise Failure("--client-id requires --key FILE, the private key", USAGE)
    fields = {name: said[name] for name in ("client_id", "key_id", "algorithm", "token_url")}
    found = {**fields, "scope": said["scope"], "key_file": _file(said["key"])}
    return {"by": "client-credentials"} | {k: v for k, v in found.items() if v is not None}


def _folder(said: dict[str, Any]) -> dict[str, Any]:
    if not said["folder"].is_dir():
        raise Failure(f"{said['folder']} is not a folder; create it first", USAGE)
    return {"folder": _path(said["folder"]), "format": said["format"]}


def _mqtt(said: dict[str, Any]) -> dict[str, Any]:
    if said["topic"] is None:
        raise Failure("--mqtt requires --topic TOPIC", USAGE)
    return {
        "url": said["mqtt"],
        "topic": said["topic"],
        "username": said["username"],
        "password_file": _file(said["password_file"]),
        "ca_file": _file(said["ca"]),
        "format": said["format"],
        "allow_plain_mqtt": said["plain"],
    }


_FIELDS = {"fhir": _fhir, "folder": _folder, "mqtt": _mqtt}


def _path(path: Path | None) -> str | None:
    """Return an absolute path: the box runs in another working directory."""
    return None if path is None else str(path.resolve())


def _file(path: Path | None) -> str | None:
    """Return the absolute path of an existing file. The box checks files only it can access."""
    try:
        missing = path is not None and not path.is_file()
    except PermissionError:
        missing = False
    if missing:
        raise Failure(f"{path} is not a file; create it first", USAGE)
    return _path(path)


def place_of(destination: Destination) -> str:
    """Return the address of a destination, for display."""
    match destination.kind:
        case "folder":
            return destination.folder
        case "mqtt":
            return f"{destination.url} {destination.topic}"
    return destination.url
