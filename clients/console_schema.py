"""`handrail schema` and `handrail acl`: the protocol, and who may do what, for other programs."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clients.console import USAGE, Failure, Unused
from clients.console_printing import print_json, say
from schemas.access import PAIRING_USER, Access, access_rules, controller_access, controller_user
from schemas.base import Role, is_identifier
from schemas.published import ASYNCAPI_FILE, SCHEMA_FILE, documents

app = typer.Typer()


@app.command(epilog="Example: handrail schema --write docs/protocol")
def schema(
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write both files into this folder.", file_okay=False),
    ] = None,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="Print the AsyncAPI document instead.")
    ] = False,
    data: Unused = None,  # noqa: ARG001
) -> None:
    """Print the protocol's JSON Schemas, or write them and the AsyncAPI document; needs no box."""
    files = documents()
    if write is None:
        sys.stdout.write(files[ASYNCAPI_FILE if asyncapi else SCHEMA_FILE])
        return
    write.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (write / name).write_text(text, encoding="utf-8")
        say(f"written: {write / name}")


class AclFormat(StrEnum):
    """How access rules are written."""

    MOSQUITTO = "mosquitto"
    JSON = "json"


@app.command(epilog="Example: handrail acl --site main > handrail.acl")
def acl(
    written_as: Annotated[
        AclFormat,
        typer.Option(
            "--format",
            metavar="mosquitto|json",
            help="mosquitto: its acl_file. json: for any other.",
        ),
    ] = AclFormat.MOSQUITTO,
    site: Annotated[str, typer.Option(metavar="NAME", help="As `serve --site` names it.")] = "main",
    data: Unused = None,  # noqa: ARG001
) -> None:
    """Print the access rules for a broker of your own (docs/external-brokers.md); needs no box.

    `%u` stands for the user name, `%c` for the client id.
    """
    if not is_identifier(site):
        raise Failure("a site's name is 1 to 64 of a-z, 0-9 and -", USAGE)
    if written_as is AclFormat.JSON:
        rules = {**access_rules(site), controller_user(site): controller_access(site)}
        print_json({role: asdict(access) for role, access in rules.items()})
        return
    sys.stdout.write("\n".join(_mosquitto(site)) + "\n")


def _mosquitto(site: str) -> Iterator[str]:
    """Write an acl_file; what it does not name, Mosquitto refuses."""
    rules = access_rules(site)
    yield f"# Handrail, site {site}: made by `handrail acl`, not to be edited."
    yield ""
    yield f"user {controller_user(site)}"
    yield from _lines("topic", controller_access(site))
    yield ""
    yield "# Every screen, and facility IT: topics that bear the user's own name."
    yield from _lines("pattern", rules[Role.PATIENT])
    yield ""
    yield f"# Who is not enrolled yet (user {PAIRING_USER}): by the client id of its own making."
    yield from _lines("pattern", rules[PAIRING_USER])


def _lines(word: str, access: Access) -> Iterator[str]:
    yield from (f"{word} write {topic}" for topic in access.publish)
    yield from (f"{word} read {topic}" for topic in access.subscribe)
