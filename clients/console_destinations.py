"""What `handrail deliver add` is told, as a destination."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from clients.console import USAGE, Failure
from schemas.destinations import DESTINATION, Destination

Fhir = Annotated[str | None, typer.Option(metavar="URL", help="A FHIR R4 server's base address.")]
Folder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A folder that is there; a file per session.")
]
Mqtt = Annotated[str | None, typer.Option(metavar="URL", help="A broker: mqtts://host:8883.")]
Topic = Annotated[
    str | None, typer.Option(metavar="TOPIC", help="For --mqtt; may hold {site} and {session}.")
]
File = Path | None
Token = Annotated[File, typer.Option(metavar="FILE", help="Holds a bearer token for --fhir.")]
ClientId = Annotated[
    str | None, typer.Option(metavar="ID", help="Sign in at --fhir: SMART Backend Services.")
]
Key = Annotated[File, typer.Option(metavar="FILE", help="Its private key, PEM or JWK.")]
KeyId = Annotated[str | None, typer.Option(metavar="KID", help="The key's id at the server.")]
Algorithm = Annotated[str | None, typer.Option(metavar="ES384|RS384", help="The key's kind.")]
TokenUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Where tokens come from; else it is asked for.")
]
Scope = Annotated[str | None, typer.Option(metavar="SCOPE", help="What to ask the token for.")]
Authority = Annotated[
    File, typer.Option("--ca", metavar="FILE", help="Who vouches for the server's certificate.")
]
Transactions = Annotated[
    str | None, typer.Option(metavar="auto|always|never", help="How --fhir is sent to.")
]
User = Annotated[str | None, typer.Option(metavar="NAME", help="As whom to connect to --mqtt.")]
Password = Annotated[File, typer.Option(metavar="FILE", help="Holds the password for --mqtt.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="Send unencrypted, over a network that is trusted whole.")
]


def destination_of(name: str, said: dict[str, Any]) -> Destination:
    """Make a destination of what was typed; options that do not go together are wrong use."""
    kinds = [kind for kind in ("fhir", "folder", "mqtt") if said.get(kind) is not None]
    if len(kinds) != 1:
        raise Failure("say one of --fhir URL, --folder DIR and --mqtt URL", USAGE)
    kind = kinds[0]
    fields = {**_FIELDS[kind](said), "name": name, "kind": kind}
    try:
        return DESTINATION.validate_python({k: v for k, v in fields.items() if v is not None})
    except ValidationError as error:
        raise Failure("; ".join(_problems(error)), USAGE) from None


def _problems(error: ValidationError) -> list[str]:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg'].removeprefix('Value error, ')}".strip(
            ": "
        )
        for each in faults
    ]


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
        raise Failure("say --token-file or --client-id, not both", USAGE)
    if said["token_file"] is not None:
        return {"by": "token", "token_file": _file(said["token_file"])}
    if said["client_id"] is None:
        return None
    if said["key"] is None:
        raise Failure("--client-id needs --key FILE, its private key", USAGE)
    fields = {name: said[name] for name in ("client_id", "key_id", "algorithm", "token_url")}
    found = {**fields, "scope": said["scope"], "key_file": _file(said["key"])}
    return {"by": "client-credentials"} | {k: v for k, v in found.items() if v is not None}


def _folder(said: dict[str, Any]) -> dict[str, Any]:
    if not said["folder"].is_dir():
        raise Failure(f"{said['folder']} is no folder; make it first", USAGE)
    return {"folder": _path(said["folder"]), "format": said["format"]}


def _mqtt(said: dict[str, Any]) -> dict[str, Any]:
    if said["topic"] is None:
        raise Failure("--mqtt needs --topic TOPIC", USAGE)
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
    """Name a file as the box finds it, whose working folder is another."""
    return None if path is None else str(path.resolve())


def _file(path: Path | None) -> str | None:
    """Name a file that has to be there; what only the box may look at, it will tell."""
    try:
        missing = path is not None and not path.is_file()
    except PermissionError:
        missing = False
    if missing:
        raise Failure(f"{path} is no file; make it first", USAGE)
    return _path(path)


def place_of(destination: Destination) -> str:
    """Say where a destination is, in a word."""
    match destination.kind:
        case "folder":
            return destination.folder
        case "mqtt":
            return f"{destination.url} {destination.topic}"
    return destination.url
